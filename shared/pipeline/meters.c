#include "shared/pipeline/meters.h"

#include "shared/verdict.h"

#include <stdlib.h>

enum { PROTOCOLS = 4, CODES = GRPC_UNAUTHENTICATED + 1, CALL_KINDS = 96, CLASSES = 4 };

static const char *const protocol_names[PROTOCOLS] = {"rest", "grpc", "connect", "grpc-web"};
static const char *const class_names[CLASSES] = {"public", "authenticated", "heavy", "api_key"};

/* Of one flow over one protocol. */
struct flow_meters {
    struct metric_counter codes[CODES];
    struct metric_histogram durations;
};

/* Calls of one provider that ended in one way. */
struct call_meters {
    const char *_Atomic provider; /* static; NULL: not used yet */
    const char *end;              /* static; written before `provider` is */
    struct metric_histogram durations;
};

struct meters {
    /* Fixed. */
    const struct contract *contract;
    size_t *flow_of_method; /* by index; methods of the same flow share one */
    const char **flows;     /* the last one is "other" */
    size_t n_flows;

    /* The worker writes, anybody reads. */
    struct flow_meters *requests; /* by protocol and flow */
    struct metric_counter begun, ended;
    struct metric_counter ends[VERDICT_COUNT];
    struct metric_counter limited[CLASSES];
    struct metric_counter input_tokens, output_tokens;
    struct call_meters calls[CALL_KINDS]; /* the last one takes what has no place */
};

static size_t find_flow(const struct meters *meters, const char *flow)
{
    size_t i = 0;
    while (i < meters->n_flows && strcmp(meters->flows[i], flow) != 0)
        i++;
    return i;
}

struct meters *meters_new(const struct contract *contract)
{
    struct meters *meters = calloc(1, sizeof *meters);
    must(meters != NULL);
    meters->contract = contract;
    meters->flow_of_method = calloc(contract->n_methods + 1, sizeof *meters->flow_of_method);
    meters->flows = calloc(contract->n_methods + 1, sizeof *meters->flows);
    must(meters->flow_of_method != NULL && meters->flows != NULL);
    for (size_t i = 0; i < contract->n_methods; i++) {
        size_t flow = find_flow(meters, contract->methods[i].flow);
        if (flow == meters->n_flows)
            meters->flows[meters->n_flows++] = contract->methods[i].flow;
        meters->flow_of_method[i] = flow;
    }
    meters->flows[meters->n_flows++] = "other";
    meters->requests = calloc(PROTOCOLS * meters->n_flows, sizeof *meters->requests);
    must(meters->requests != NULL);
    return meters;
}

struct meters *meters_free(struct meters *meters)
{
    if (meters == NULL)
        return NULL;
    free(meters->requests);
    free(meters->flows);
    free(meters->flow_of_method);
    free(meters);
    return NULL;
}

/* --- the worker's side --- */

void meters_begun(struct meters *meters)
{
    if (meters != NULL)
        metric_add(&meters->begun, 1);
}

void meters_ended(struct meters *meters)
{
    if (meters != NULL)
        metric_add(&meters->ended, 1);
}

/* The class of limits that the request was under (L3). */
static size_t class_of(const struct request *request)
{
    const struct contract_method *method = request->given.method;
    if (method != NULL && method->limit == CONTRACT_LIMIT_HEAVY)
        return 2;
    if (request->identity.kind == IDENTITY_API_KEY)
        return 3;
    return identity_is_known(&request->identity) ? 1 : 0;
}

void meters_request(struct meters *meters, const struct request *request,
                    const struct verdict *verdict, uint64_t duration_ns)
{
    if (meters == NULL)
        return;
    const struct contract_method *method = request->given.method;
    size_t flow = method != NULL ? meters->flow_of_method[method->index] : meters->n_flows - 1;
    size_t protocol = 0;
    while (strcmp(request->port->protocol, protocol_names[protocol]) != 0)
        must(++protocol < PROTOCOLS);
    struct flow_meters *at = &meters->requests[protocol * meters->n_flows + flow];
    metric_add(&at->codes[verdict_row(verdict->code)->grpc_code], 1);
    metric_observe(&at->durations, duration_ns);
    metric_add(&meters->ends[verdict->code], 1);
    metric_add(&meters->input_tokens, request->model.usage.input_tokens);
    metric_add(&meters->output_tokens, request->model.usage.output_tokens);
    if (verdict->code == VERDICT_RATE_LIMITED)
        metric_add(&meters->limited[class_of(request)], 1);
}

/* The place of this pair; a new one is taken when it has none. */
static struct call_meters *call_place(struct meters *meters, const char *provider, const char *end)
{
    for (size_t i = 0; i + 1 < CALL_KINDS; i++) {
        struct call_meters *at = &meters->calls[i];
        const char *taken = atomic_load_explicit(&at->provider, memory_order_relaxed);
        if (taken == NULL) {
            at->end = end;
            atomic_store_explicit(&at->provider, provider, memory_order_release);
            return at;
        }
        if (strcmp(taken, provider) == 0 && strcmp(at->end, end) == 0)
            return at;
    }
    struct call_meters *last = &meters->calls[CALL_KINDS - 1];
    last->end = "other";
    atomic_store_explicit(&last->provider, "other", memory_order_release);
    return last;
}

void meters_upstream(struct meters *meters, const char *provider, const char *end,
                     uint64_t duration_ns)
{
    if (meters != NULL)
        metric_observe(&call_place(meters, provider, end)->durations, duration_ns);
}

/* --- the reader's side --- */

static uint64_t sum_of(const struct meters *const *all, size_t n, size_t offset)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += metric_read((const struct metric_counter *)((const char *)all[i] + offset));
    return sum;
}

#define SUM(member) sum_of(all, n, offsetof(struct meters, member))

static uint64_t requests_of(const struct meters *const *all, size_t n, size_t place, size_t code)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += metric_read(&all[i]->requests[place].codes[code]);
    return sum;
}

/* Good ends are told from the start on, so that rates have something to begin from; others when
 * they have happened. */
static void write_requests(struct exposition *exposition, const struct meters *const *all, size_t n)
{
    size_t n_flows = all[0]->n_flows;
    exposition_family(exposition, "weir_requests", EXPOSITION_COUNTER,
                      "Requests that were answered, by the gRPC name of their status.");
    for (size_t place = 0; place < PROTOCOLS * n_flows; place++) {
        for (size_t code = 0; code < CODES; code++) {
            uint64_t count = requests_of(all, n, place, code);
            bool always = code == GRPC_OK && place % n_flows < n_flows - 1;
            if (count > 0 || always)
                exposition_value(exposition,
                                 (const struct exposition_label[]){
                                     {"protocol", protocol_names[place / n_flows]},
                                     {"flow", all[0]->flows[place % n_flows]},
                                     {"code", grpc_code_name((enum grpc_code)code)},
                                     {NULL, NULL}},
                                 count);
        }
    }
}

static void write_durations(struct exposition *exposition, const struct meters *const *all,
                            size_t n)
{
    size_t n_flows = all[0]->n_flows;
    exposition_family(exposition, "weir_request_duration_seconds", EXPOSITION_HISTOGRAM,
                      "Time from a request's arrival to the end of its answer.");
    for (size_t place = 0; place < PROTOCOLS * n_flows; place++) {
        struct metric_distribution sum = {{0}, 0};
        for (size_t i = 0; i < n; i++)
            metric_collect(&sum, &all[i]->requests[place].durations);
        exposition_histogram(
            exposition,
            (const struct exposition_label[]){{"protocol", protocol_names[place / n_flows]},
                                              {"flow", all[0]->flows[place % n_flows]},
                                              {NULL, NULL}},
            &sum);
    }
}

static void write_ends(struct exposition *exposition, const struct meters *const *all, size_t n)
{
    exposition_family(exposition, "weir_request_ends", EXPOSITION_COUNTER,
                      "Requests that were answered, by the reason in their access line.");
    for (size_t code = 0; code < VERDICT_COUNT; code++) {
        uint64_t count = SUM(ends[code]);
        if (count > 0 || code == VERDICT_OK)
            exposition_value(exposition,
                             (const struct exposition_label[]){
                                 {"end", verdict_row((enum verdict_code)code)->name}, {NULL, NULL}},
                             count);
    }
    exposition_family(exposition, "weir_rate_limited", EXPOSITION_COUNTER,
                      "Requests refused by a limit, by the class of the limit.");
    for (size_t class = 0; class < CLASSES; class ++)
        exposition_value(
            exposition,
            (const struct exposition_label[]){{"class", class_names[class]}, {NULL, NULL}},
            SUM(limited[class]));
}

/* All workers' calls, each pair of provider and end once. */
struct call_sums {
    const char *provider[CALL_KINDS], *end[CALL_KINDS];
    struct metric_distribution durations[CALL_KINDS];
    size_t n;
};

static void add_call(struct call_sums *sums, const struct call_meters *call)
{
    const char *provider = atomic_load_explicit(&call->provider, memory_order_acquire);
    size_t i = 0;
    if (provider == NULL)
        return;
    while (i < sums->n &&
           (strcmp(sums->provider[i], provider) != 0 || strcmp(sums->end[i], call->end) != 0))
        i++;
    if (i == CALL_KINDS)
        return;
    if (i == sums->n) {
        sums->provider[i] = provider;
        sums->end[i] = call->end;
        sums->n++;
    }
    metric_collect(&sums->durations[i], &call->durations);
}

static void write_calls(struct exposition *exposition, const struct meters *const *all, size_t n)
{
    struct call_sums sums = {.n = 0};
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < CALL_KINDS; j++)
            add_call(&sums, &all[i]->calls[j]);
    exposition_family(exposition, "weir_upstream_calls", EXPOSITION_COUNTER,
                      "Calls of the model that are over, by how they ended.");
    for (size_t i = 0; i < sums.n; i++) {
        uint64_t count = 0;
        for (size_t bucket = 0; bucket < METRIC_BUCKETS; bucket++)
            count += sums.durations[i].buckets[bucket];
        exposition_value(exposition,
                         (const struct exposition_label[]){
                             {"provider", sums.provider[i]}, {"end", sums.end[i]}, {NULL, NULL}},
                         count);
    }
    exposition_family(exposition, "weir_upstream_duration_seconds", EXPOSITION_HISTOGRAM,
                      "Time that calls of the model took, by how they ended.");
    for (size_t i = 0; i < sums.n; i++)
        exposition_histogram(exposition,
                             (const struct exposition_label[]){{"provider", sums.provider[i]},
                                                               {"end", sums.end[i]},
                                                               {NULL, NULL}},
                             &sums.durations[i]);
}

uint64_t meters_in_flight(const struct meters *const *all, size_t n)
{
    /* Read first what is added last: a request that ends in between must not make it negative. */
    uint64_t ended = SUM(ended);
    uint64_t begun = SUM(begun);
    return begun > ended ? begun - ended : 0;
}

void meters_write(struct exposition *exposition, const struct meters *const *all, size_t n)
{
    must(n > 0);
    write_requests(exposition, all, n);
    write_durations(exposition, all, n);
    exposition_one(exposition, "weir_requests_in_flight", EXPOSITION_GAUGE,
                   "Requests that wait for their answer.", meters_in_flight(all, n));
    write_ends(exposition, all, n);
    exposition_family(exposition, "weir_tokens", EXPOSITION_COUNTER,
                      "Tokens of the model, as its provider counted them.");
    exposition_value(exposition,
                     (const struct exposition_label[]){{"direction", "input"}, {NULL, NULL}},
                     SUM(input_tokens));
    exposition_value(exposition,
                     (const struct exposition_label[]){{"direction", "output"}, {NULL, NULL}},
                     SUM(output_tokens));
    write_calls(exposition, all, n);
}
