#include "server/gauges.h"

#include "server/process_stats.h"
#include "shared/base/audit.h"
#include "shared/base/log.h"
#include "shared/base/version.h"
#include "shared/llm/upstream.h"
#include "shared/pipeline/limits.h"
#include "shared/pipeline/meters.h"

#include <stdlib.h>

enum { BREAKER_STATES = 3 };

struct gauges {
    struct process_source *process;
    const struct front_door *door;
    const struct core *core;
    const struct llm_settings *llm;
    const struct meters **meters; /* of the workers */
    size_t n_meters;
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
                  const struct llm_settings *llm)
{
    gauges->meters = calloc(n_workers, sizeof *gauges->meters);
    must(gauges->meters != NULL);
    for (size_t i = 0; i < n_workers; i++)
        gauges->meters[i] = worker_core(workers[i])->meters;
    gauges->n_meters = n_workers;
    gauges->door = door;
    gauges->core = core;
    gauges->llm = llm;
}

uint64_t gauges_in_flight(const struct gauges *gauges)
{
    return meters_in_flight(gauges->meters, gauges->n_meters);
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

static void write_limits(struct limits *limits, struct exposition *exposition)
{
    struct bucket_stats buckets;
    struct violations_stats violations;
    struct admission_stats flows = admission_read_stats(&limits->flows);
    bucket_read_stats(limits->buckets, &buckets);
    violations_read_stats(limits->violations, &violations);
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

static void write_audit(struct exposition *exposition)
{
    struct audit_stats stats = audit_stats();
    exposition_family(exposition, "weir_audit_events", EXPOSITION_COUNTER,
                      "Security events in the audit log.");
    for (size_t i = 0; i < AUDIT_KINDS; i++)
        exposition_value(exposition,
                         (const struct exposition_label[]){
                             {"kind", audit_kind_name((enum audit_kind)i)}, {NULL, NULL}},
                         stats.events[i]);
    exposition_family(exposition, "weir_audit_left_out", EXPOSITION_COUNTER,
                      "Security events that the audit log left out because they came too fast.");
    for (size_t i = 0; i < AUDIT_KINDS; i++)
        exposition_value(exposition,
                         (const struct exposition_label[]){
                             {"kind", audit_kind_name((enum audit_kind)i)}, {NULL, NULL}},
                         stats.left_out[i]);
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
    meters_write(exposition, gauges->meters, gauges->n_meters);
    write_state(gauges, exposition);
    write_audit(exposition);
    write_breakers(gauges->llm, exposition);
    if (gauges->core->limits != NULL)
        write_limits(gauges->core->limits, exposition);
    write_process(gauges, exposition);
}
