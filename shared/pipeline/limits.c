#include "shared/pipeline/limits.h"

#include "shared/base/log.h"
#include "shared/base/utf8.h"
#include "shared/pipeline/step.h"

#include <stdlib.h>
#include <sys/random.h>

enum { FIELD_BYTES = 256 };

/* What names a peer in the tables; no name of one kind is ever one of another. */
enum peer_kind { PEER_ADDRESS = 'a', PEER_TOKEN = 't', PEER_API_KEY = 'k', PEER_CERTIFICATE = 'c' };

struct limits *limits_new(const struct limits_settings *settings)
{
    struct siphash_key key;
    struct limits *limits = calloc(1, sizeof *limits);
    must(limits != NULL);
    must(getrandom(&key, sizeof key, 0) == (ssize_t)sizeof key);
    limits->settings = *settings;
    limits->buckets = bucket_table_new(BUCKET_MOST_PEERS, &key);
    limits->violations = violations_new(settings->block_threshold);
    admission_init(&limits->flows, settings->most_flows);
    return limits;
}

struct limits *limits_free(struct limits *limits)
{
    if (limits == NULL)
        return NULL;
    limits->buckets = bucket_table_free(limits->buckets);
    limits->violations = violations_free(limits->violations);
    cidr_list_free(&limits->settings.client.proxies);
    cidr_list_free(&limits->settings.allowed);
    free(limits);
    return NULL;
}

bool limits_lets_in(const struct request *request)
{
    const struct limits *limits = request->worker->core->limits;
    return limits == NULL || limits->settings.allowed.n == 0 ||
           cidr_list_has(&limits->settings.allowed, &request->client);
}

/* Guessing is dearer than asking: half as many bad credentials as anonymous calls. Good ones cost
 * the address nothing, so any number of honest users may share it. */
struct bucket_ask limits_bad_credential(const struct limits *limits)
{
    struct rate rate = limits->settings.anonymous;
    return (struct bucket_ask){
        .lane = BUCKET_CREDENTIALS, .rate = rate, .cost = rate.count > 1 ? 2 : 1};
}

void limits_find_client(struct request *request)
{
    const struct limits *limits = request->worker->core->limits;
    request->client = request->given.peer;
    if (limits == NULL || !client_address_is_proxy(&limits->settings.client, &request->given.peer))
        return;
    struct span values[CLIENT_ADDRESS_VALUES];
    size_t n = request->port->metadata(request, "x-forwarded-for", values, CLIENT_ADDRESS_VALUES);
    request->behind_proxy = true;
    request->client = client_address(&limits->settings.client, &request->given.peer, values, n);
}

struct siphash limits_address_peer(const struct request *request)
{
    enum { V6_NETWORK_BYTES = 8 };
    char name[1 + sizeof request->client.address] = {PEER_ADDRESS};
    bool v4 = peer_is_v4(&request->client);
    memcpy(name + 1, request->client.address,
           v4 ? sizeof request->client.address : V6_NETWORK_BYTES);
    return bucket_peer(request->worker->core->limits->buckets, span_make(name, sizeof name));
}

static enum peer_kind kind_of(const struct identity *identity)
{
    switch (identity->kind) {
    case IDENTITY_TOKEN:
        return PEER_TOKEN;
    case IDENTITY_API_KEY:
        return PEER_API_KEY;
    case IDENTITY_CERTIFICATE:
        return PEER_CERTIFICATE;
    case IDENTITY_NONE:
        break;
    }
    return PEER_ADDRESS;
}

struct siphash limits_peer(struct request *request)
{
    const struct identity *identity = &request->identity;
    struct buf name;
    if (!identity_is_known(identity))
        return limits_address_peer(request);
    buf_init(&name, &request->arena, SIZE_MAX / 4);
    buf_put_char(&name, (char)kind_of(identity));
    /* With its length, so that no tenant's end can be another's subject. */
    buf_put_u64(&name, identity->tenant.len);
    buf_put_char(&name, ':');
    buf_put_span(&name, identity->tenant);
    buf_put_span(&name, identity->subject);
    return bucket_peer(request->worker->core->limits->buckets, buf_span(&name));
}

static uint64_t whole_seconds(uint64_t ns)
{
    return (ns + 999999999U) / 1000000000U;
}

/* An item of a list: "public";q=60;w=60 */
static void put_item(struct buf *out, const char *name, const char *first, uint64_t first_value,
                     const char *second, uint64_t second_value)
{
    buf_put_text(out, out->len > 0 ? ", \"" : "\"");
    buf_put_text(out, name);
    buf_put_text(out, first);
    buf_put_u64(out, first_value);
    buf_put_text(out, second);
    buf_put_u64(out, second_value);
}

/* RateLimit-Policy: "public";q=60;w=60   RateLimit: "public";r=59;t=1
 * t is when the quota is whole again; of a refusal, when to try again, as in Retry-After. */
void limits_tell(struct request *request, const char *const *policies,
                 const struct bucket_ask *asks, const struct bucket_answer *answers, size_t n)
{
    struct buf policy, state;
    buf_init(&policy, &request->arena, FIELD_BYTES);
    buf_init(&state, &request->arena, FIELD_BYTES);
    for (size_t i = 0; i < n; i++) {
        const struct bucket_answer *answer = &answers[i];
        uint64_t wait_ns = answer->refused ? answer->retry_after_ns : answer->full_after_ns;
        put_item(&policy, policies[i], "\";q=", asks[i].rate.count / asks[i].cost,
                 ";w=", rate_period_seconds(asks[i].rate));
        put_item(&state, policies[i], "\";r=", answer->remaining / asks[i].cost,
                 ";t=", whole_seconds(wait_ns));
    }
    request_note(request, "ratelimit-policy", buf_span(&policy));
    request_note(request, "ratelimit", buf_span(&state));
}

static void log_violation(const struct request *request, const char *rule, bool blocked)
{
    struct log_line line;
    char peer[PEER_TEXT_BYTES];
    log_begin(&line, blocked ? LOG_WARNING : LOG_INFO, "limits",
              blocked ? "peer_blocked" : "violation");
    peer_text(&request->client, peer);
    log_text(&line, "request_id", request->id);
    log_text(&line, "peer", peer);
    log_text(&line, "identity", identity_kind_name(request->identity.kind));
    log_text(&line, "rule", rule);
    log_end(&line);
}

void limits_violation(struct request *request, const char *rule)
{
    const struct core *core = request->worker->core;
    bool blocked =
        violations_add(core->limits->violations, limits_peer(request), core->now_ns() / 1000000U);
    log_violation(request, rule, blocked);
}

/* Text that is no UTF-8 never gets as far as the content rules: decoding refuses it. */
static bool was_not_text(const struct request *request, const struct verdict *verdict)
{
    if (verdict->code == VERDICT_BAD_JSON)
        return !utf8_valid(request->given.body);
    return verdict->code == VERDICT_BAD_MESSAGE && verdict->n_violations > 0 &&
           span_is(verdict->violations[0].rule, "utf8");
}

void limits_settle(struct request *request, const struct verdict *verdict)
{
    const struct core *core = request->worker->core;
    struct limits *limits = core->limits;
    if (limits == NULL)
        return;
    if (request->counted)
        admission_leave(&limits->flows);
    request->counted = false;
    if (request->given.method == NULL || request->given.method->limit == CONTRACT_LIMIT_EXEMPT)
        return;
    if (request->presented_bad && limits->settings.rates_on) {
        struct bucket_ask bad = limits_bad_credential(limits);
        bucket_charge(limits->buckets, limits_address_peer(request), &bad, core->now_ns());
    }
    if (was_not_text(request, verdict))
        limits_violation(request, "content.utf8");
}
