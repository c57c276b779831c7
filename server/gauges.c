#include "server/gauges.h"

#include "server/process_stats.h"
#include "shared/base/audit.h"
#include "shared/base/log.h"
#include "shared/base/version.h"
#include "shared/llm/upstream.h"
#include "shared/pipeline/limits.h"
#include "shared/pipeline/meters.h"
#include "shared/pipeline/sharing.h"
#include "shared/policy/authenticator.h"

#include <stdlib.h>

enum { BREAKER_STATES = 3 };

struct gauges {
    struct process_source *process;
    const struct front_door *door;
    const struct core *core;
    const struct llm_settings *llm;
    struct keeper *keeper; /* NULL: none */
    struct worker *const *workers;
    const struct meters **meters; /* of the workers */
    size_t n_workers;
};

struct gauges *gauges_new(void)
{
    struct gauges *gauges = calloc(1, sizeof *gauges);
    must(gauges != NULL);
    gauges->process = process_source_new();
    return gauges;
}

struct gauges *gauges_free(struct gauges *gauges)
{
    if (gauges == NULL)
        return NULL;
    (void)process_source_free(gauges->process);
    free(gauges->meters);
    free(gauges);
    return NULL;
}

void gauges_serve(struct gauges *gauges, const struct front_door *door,
                  struct worker *const *workers, size_t n_workers, const struct core *core,
                  const struct llm_settings *llm, struct keeper *keeper)
{
    gauges->meters = calloc(n_workers, sizeof *gauges->meters);
    must(gauges->meters != NULL);
    for (size_t i = 0; i < n_workers; i++)
        gauges->meters[i] = worker_core(workers[i])->meters;
    gauges->workers = workers;
    gauges->n_workers = n_workers;
    gauges->door = door;
    gauges->core = core;
    gauges->llm = llm;
    gauges->keeper = keeper;
}

uint64_t gauges_in_flight(const struct gauges *gauges)
{
    return meters_in_flight(gauges->meters, gauges->n_workers);
}

static void counter(struct exposition *exposition, const char *name, uint64_t value,
                    const char *help)
{
    exposition_one(exposition, name, EXPOSITION_COUNTER, help, value);
}

static void gauge(struct exposition *exposition, const char *name, uint64_t value, const char *help)
{
    exposition_one(exposition, name, EXPOSITION_GAUGE, help, value);
}

static void write_state(const struct gauges *gauges, struct exposition *exposition)
{
    gauge(exposition, "weir_connections", front_door_connections(gauges->door),
          "Open connections of callers.");
    gauge(exposition, "weir_ready", readiness_ok(gauges->core->readiness) ? 1 : 0,
          "1 while this instance takes requests.");
    gauge(exposition, "weir_draining", atomic_load(&gauges->core->readiness->draining) ? 1 : 0,
          "1 from SIGTERM on.");
    counter(exposition, "weir_log_dropped", log_dropped(),
            "Log lines that were dropped because the log could not keep up.");
    exposition_family(exposition, "weir_build_info", EXPOSITION_GAUGE,
                      "Always 1; the labels say what was built.");
    exposition_value(exposition,
                     (const struct exposition_label[]){{"version", weir_version},
                                                       {"revision", weir_commit},
                                                       {"branch", weir_branch},
                                                       {"build_type", weir_build_type},
                                                       {NULL, NULL}},
                     1);
}

static void write_breakers(const struct llm_settings *llm, struct exposition *exposition)
{
    exposition_family(exposition, "weir_breaker_state", EXPOSITION_GAUGE,
                      "1 for the state that the provider's breaker is in.");
    for (size_t i = 0; i < llm->n_upstreams; i++) {
        struct llm_upstream_stats stats;
        llm_upstream_stats(&llm->upstreams[i], &stats);
        for (size_t state = 0; state < BREAKER_STATES; state++)
            exposition_value(exposition,
                             (const struct exposition_label[]){
                                 {"provider", stats.name},
                                 {"state", breaker_state_name((enum breaker_state)state)},
                                 {NULL, NULL}},
                             state == stats.breaker.state);
    }
}

static void write_refusals(const struct front_door *door, struct exposition *exposition)
{
    exposition_family(exposition, "weir_connections_refused", EXPOSITION_COUNTER,
                      "Connections turned away at the door, by reason.");
    for (size_t i = 0; i < REFUSALS; i++)
        exposition_value(exposition,
                         (const struct exposition_label[]){
                             {"reason", refusal_name((enum refusal)i)}, {NULL, NULL}},
                         front_door_refused(door, (enum refusal)i));
}

static void write_limits(struct limits *limits, struct exposition *exposition)
{
    struct bucket_stats buckets;
    struct violations_stats violations;
    struct admission_stats flows = admission_read_stats(&limits->flows);
    bucket_read_stats(limits->buckets, &buckets);
    violations_read_stats(limits->violations, &violations);
    counter(exposition, "weir_limit_allowed", buckets.allowed, "Requests within their limits.");
    counter(exposition, "weir_limit_refused", buckets.refused, "Requests over a limit.");
    gauge(exposition, "weir_limit_peers", buckets.peers, "Callers that the limiter remembers.");
    gauge(exposition, "weir_limit_table_bytes", buckets.bytes, "Memory of the limiter's table.");
    counter(exposition, "weir_limit_crowded_out", buckets.crowded_out,
            "Requests counted on a shared bucket because the limiter's table was full.");
    counter(exposition, "weir_violations", violations.violations, "Breaches of the content rules.");
    counter(exposition, "weir_blocks", violations.blocks,
            "Callers blocked for a while after too many breaches.");
    gauge(exposition, "weir_flows_running", flows.running, "Requests that are worked on.");
    gauge(exposition, "weir_flows_most", flows.most, "MAX_CONCURRENT_FLOWS.");
    counter(exposition, "weir_flows_shed", flows.shed,
            "Requests turned away because too many were worked on.");
}

static void write_identity(struct authenticator *authenticator, struct exposition *exposition)
{
    struct authenticator_stats stats;
    authenticator_stats(authenticator, &stats);
    counter(exposition, "weir_tokens_verified", stats.verified,
            "Tokens whose signature was computed and was good.");
    counter(exposition, "weir_credentials_refused", stats.refused,
            "Credentials that were not good, of any kind.");
    counter(exposition, "weir_token_memory_hits", stats.memory.hits,
            "Tokens known from an earlier request.");
    counter(exposition, "weir_token_memory_misses", stats.memory.misses,
            "Tokens that had to be verified.");
    counter(exposition, "weir_token_memory_evicted", stats.memory.evicted,
            "Verified tokens forgotten for want of room.");
    gauge(exposition, "weir_token_memory_entries", stats.memory.entries,
          "Verified tokens that are remembered.");
}

static void write_keeper(struct keeper *keeper, struct exposition *exposition)
{
    struct keeper_stats stats;
    keeper_stats(keeper, &stats);
    counter(exposition, "weir_key_fetches", stats.fetched, "Key sets fetched.");
    counter(exposition, "weir_key_fetches_failed", stats.failed,
            "Key sets that were not to be had.");
    counter(exposition, "weir_key_files_rejected", stats.rejected,
            "Files of keys that could not be used.");
    gauge(exposition, "weir_key_waiting", stats.waiting, "Requests that wait for fresh keys.");
}

static void write_guard(const struct gauges *gauges, struct exposition *exposition)
{
    struct guard_stats sum = {0}, stats;
    for (size_t i = 0; i < gauges->n_workers; i++) {
        worker_guard_stats(gauges->workers[i], &stats);
        sum.open += stats.open;
        for (size_t rule = GUARD_FINE + 1; rule < GUARD_RULES; rule++)
            sum.breaches[rule] += stats.breaches[rule];
    }
    gauge(exposition, "weir_guard_connections", sum.open,
          "Open connections that pass the guard: gRPC, and REST over TLS.");
    exposition_family(exposition, "weir_guard_breaches", EXPOSITION_COUNTER,
                      "Breaches of the guard's rules, which end their connections.");
    for (size_t rule = GUARD_FINE + 1; rule < GUARD_RULES; rule++)
        exposition_value(exposition,
                         (const struct exposition_label[]){
                             {"rule", guard_rule_row((enum guard_rule)rule)->name}, {NULL, NULL}},
                         sum.breaches[rule]);
}

static void write_cache(struct cache *cache, struct exposition *exposition)
{
    struct cache_stats stats;
    cache_stats(cache, &stats);
    counter(exposition, "weir_cache_hits", stats.hits, "Answers that the cache had.");
    counter(exposition, "weir_cache_misses", stats.misses, "Answers that it did not have.");
    counter(exposition, "weir_cache_refreshes", stats.refreshes,
            "Answers made anew before they expired.");
    counter(exposition, "weir_cache_expired", stats.expired, "Misses of answers past their time.");
    counter(exposition, "weir_cache_stored", stats.stored, "Answers kept.");
    counter(exposition, "weir_cache_evicted", stats.evicted, "Answers dropped for want of room.");
    counter(exposition, "weir_cache_too_large", stats.too_large, "Answers too large to be kept.");
    gauge(exposition, "weir_cache_entries", stats.entries, "Answers in the cache.");
    gauge(exposition, "weir_cache_bytes", stats.bytes, "Memory of the cache.");
}

static void write_flights(const struct flights *flights, struct exposition *exposition)
{
    struct flights_stats stats;
    flights_stats(flights, &stats);
    gauge(exposition, "weir_flights", stats.flights, "Calls of the model that may be shared.");
    gauge(exposition, "weir_flight_waiters", stats.waiters, "Requests that wait for them.");
    counter(exposition, "weir_flights_led", stats.led, "Shared calls begun.");
    counter(exposition, "weir_flights_joined", stats.joined,
            "Requests that joined the call of another.");
    counter(exposition, "weir_flights_refused", stats.refused,
            "Requests that asked alone because too many calls were shared.");
    counter(exposition, "weir_flights_landed", stats.landed, "Shared calls that ended well.");
    counter(exposition, "weir_flights_failed", stats.failed, "Shared calls that failed.");
    counter(exposition, "weir_flights_cancelled", stats.cancelled,
            "Shared calls that nobody waited for any more.");
}

static void write_by_kind(struct exposition *exposition, const char *name, const char *help,
                          const uint64_t events[AUDIT_KINDS])
{
    exposition_family(exposition, name, EXPOSITION_COUNTER, help);
    for (size_t i = 0; i < AUDIT_KINDS; i++)
        exposition_value(exposition,
                         (const struct exposition_label[]){
                             {"kind", audit_kind_name((enum audit_kind)i)}, {NULL, NULL}},
                         events[i]);
}

static void write_audit(struct exposition *exposition)
{
    struct audit_stats stats = audit_stats();
    write_by_kind(exposition, "weir_audit_events", "Security events in the audit log.",
                  stats.events);
    write_by_kind(exposition, "weir_audit_left_out",
                  "Security events that the audit log left out because they came too fast.",
                  stats.left_out);
    counter(exposition, "weir_audit_not_written", stats.not_written,
            "Audit records that the audit file did not take.");
}

static void write_process(const struct gauges *gauges, struct exposition *exposition)
{
    struct process_stats stats = process_stats_read(gauges->process);
    exposition_family(exposition, "process_cpu_seconds", EXPOSITION_COUNTER,
                      "User and system CPU time of the process.");
    exposition_seconds(exposition, NULL, stats.cpu_ns);
    exposition_family(exposition, "process_start_time_seconds", EXPOSITION_GAUGE,
                      "When the process started, since 1970.");
    exposition_seconds(exposition, NULL, stats.start_ns);
    gauge(exposition, "process_resident_memory_bytes", stats.resident_bytes, "Memory in RAM.");
    gauge(exposition, "process_virtual_memory_bytes", stats.virtual_bytes, "Address space.");
    gauge(exposition, "process_open_fds", stats.open_fds, "Open descriptors.");
    gauge(exposition, "process_max_fds", stats.max_fds, "Descriptors at most.");
    gauge(exposition, "process_threads", stats.threads, "Threads.");
}

void gauges_write(void *context, struct exposition *exposition)
{
    const struct gauges *gauges = context;
    meters_write(exposition, gauges->meters, gauges->n_workers);
    write_state(gauges, exposition);
    write_refusals(gauges->door, exposition);
    write_audit(exposition);
    write_breakers(gauges->llm, exposition);
    if (gauges->core->limits != NULL)
        write_limits(gauges->core->limits, exposition);
    write_identity(gauges->core->authenticator, exposition);
    if (gauges->keeper != NULL)
        write_keeper(gauges->keeper, exposition);
    write_guard(gauges, exposition);
    if (gauges->core->sharing != NULL) {
        write_cache(gauges->core->sharing->cache, exposition);
        write_flights(gauges->core->sharing->flights, exposition);
    }
    write_process(gauges, exposition);
}
