#include "server/wiring.h"

#include "shared/base/lingering.h"
#include "shared/llm/upstream.h"

/* What clients may take, besides what is a setting. */
enum {
    HANDSHAKE_MS = 5000,
    HEADS_A_FRAME = 2, /* a frame may hold a whole head, and some data */
    RPC_IDLE_MS = 300000,
    RPC_AGE_MS = 1800000,
    SSE_COMMENT_MS = 15000
};

enum { MOST_QUEUES = 4 };

/* Of bodies that one HTTP/2 connection may have held: a few of the largest, or many small ones. */
static uint64_t http2_body_bytes(const struct config *config)
{
    const uint64_t usual = 16ULL << 20;
    return 2 * config->max_body_bytes > usual ? 2 * config->max_body_bytes : usual;
}

/* Of what a worker may hold for all its connections: its share, but enough for a few of them. */
static uint64_t held_bytes(const struct config *config)
{
    uint64_t share = config->max_requests_bytes / config->workers;
    uint64_t least = 2 * http2_body_bytes(config);
    return share > least ? share : least;
}

bool wiring_guarded(const struct config *config)
{
    return config->tls_cert_file[0] != '\0' || config->rest_http2 ||
           (config->grpc_guard && !config->no_grpc);
}

struct rest_settings wiring_rest(const struct config *config)
{
    return (struct rest_settings){
        .http2 = config->rest_http2,
        .max_body_bytes = config->max_body_bytes,
        .held_bytes = held_bytes(config),
        .http2_body_bytes = http2_body_bytes(config),
        .keep_alive_timeout_ms = config->keep_alive_timeout_ms,
        .head_timeout_ms = config->head_timeout_ms,
        .body_timeout_ms = config->body_timeout_ms,
        .read_timeout_ms = config->read_timeout_ms,
        .gzip_min_bytes = config->gzip_min_bytes,
        .cors_allowed_origins = config->cors_allowed_origins,
        .trusted_hosts = config->trusted_hosts,
        .hsts_max_age_s = config->hsts_max_age_ms / 1000,
        .sse_comment_ms = SSE_COMMENT_MS,
    };
}

struct guard_settings wiring_guard(const struct config *config)
{
    return (struct guard_settings){
        .handshake_ms = HANDSHAKE_MS,
        .frame_ms = HEADS_A_FRAME * config->head_timeout_ms,
        .message_ms = config->body_timeout_ms,
        .read_ms = config->read_timeout_ms,
        .idle_ms = RPC_IDLE_MS + config->read_timeout_ms,
        /* The C core asks clients to leave first, and waits for their calls. */
        .age_ms = RPC_AGE_MS + 2 * (config->request_timeout_ms + config->read_timeout_ms),
        .leave_ms = RPC_AGE_MS,
        .body_bytes = http2_body_bytes(config),
        .held_bytes = held_bytes(config),
        .linger_ms = LINGERING_MS,
        .rules = config->grpc_guard,
    };
}

struct rpc_settings wiring_rpc(const struct config *config)
{
    return (struct rpc_settings){
        .max_message_bytes = config->max_body_bytes,
        .queues = (unsigned)(config->workers < MOST_QUEUES ? config->workers : MOST_QUEUES),
        .connection_idle_ms = RPC_IDLE_MS,
        .connection_age_ms = RPC_AGE_MS,
        .connection_grace_ms = config->request_timeout_ms + config->read_timeout_ms,
        .secure = config->tls_cert_file[0] != '\0',
    };
}

struct tls *wiring_tls(const struct config *config, char error[256])
{
    const struct tls_settings settings = {
        .cert_file = config->tls_cert_file,
        .key_file = config->tls_key_file,
        .client_ca_file = config->tls_client_ca_file,
        .min_version = config->tls_min_version,
        .allow_open_key = config->debug,
    };
    return tls_new(&settings, error);
}

/* config_parse has read the text before. */
static struct cidr_list read_ranges(const char *text)
{
    struct cidr_list list;
    struct span wrong;
    must(cidr_list_parse(span_of(text), &list, &wrong));
    return list;
}

struct cidr_list wiring_balancers(const struct config *config)
{
    return read_ranges(config->proxy_protocol);
}

struct limits *wiring_limits(const struct config *config)
{
    const struct limits_settings settings = {
        .rates_on = config->rate_limit_enabled,
        .anonymous = config->rate_limit_default,
        .authenticated = config->rate_limit_authenticated,
        .api_key = config->rate_limit_api_key,
        .heavy = config->rate_limit_heavy,
        .burst = config->content_burst,
        .block_threshold = config->content_block_threshold,
        .most_flows = config->max_concurrent_flows,
        .most_urls = config->content_max_urls,
        .most_phones = config->content_max_phones,
        .client = {.proxies = read_ranges(config->trusted_proxies),
                   .hops = (unsigned)config->trusted_hops},
        .allowed = read_ranges(config->ip_allowlist),
    };
    return limits_new(&settings);
}

struct sharing *wiring_sharing(const struct config *config, const struct llm_settings *llm)
{
    const struct sharing_settings settings = {
        .most_entries = config->cache_max_size,
        .most_bytes = config->cache_max_bytes,
        .ttl_ms = config->cache_ttl_ms,
        .model = llm->n_upstreams > llm->n_named ? llm->upstreams[0].model : "offline",
        .workers = (unsigned)config->workers,
    };
    return config->cache_enabled ? sharing_new(&settings) : NULL;
}

void wiring_images(const struct config *config, bool fetches, struct images_policy *policy)
{
    struct span wrong;
    *policy = (struct images_policy){.fetches = fetches};
    must(cidr_list_parse(span_of(config->fetch_allowlist), &policy->guard.exempt, &wrong));
    policy->fetch.guard = &policy->guard;
}

void wiring_images_free(struct images_policy *policy)
{
    cidr_list_free(&policy->guard.exempt);
}
