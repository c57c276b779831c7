#include "server/models.h"

#include "server/chat_list.h"
#include "server/fallbacks.h"
#include "server/local_model.h"
#include "shared/base/log.h"
#include "shared/llm/credentials.h"

#include <stdlib.h>

enum { KEYS = 4, NAME_BYTES = 32 };

/* One a provider, shared by all its upstreams that are at its own place or at LLM_BASE_URL; and one
 * for fallbacks that are elsewhere. */
enum { ELSEWHERE = KEYS - 1 };

struct models {
    const struct config *config;
    struct llm_key keys[KEYS];
    struct fallbacks fallbacks;
    struct chat_list chat_list;
    struct chat_model chat_names[CHAT_LIST_MOST];
    struct chat_models chat;
    struct local_model local;
    char names[LLM_UPSTREAMS_MOST][NAME_BYTES];
    struct llm_upstream upstreams[LLM_UPSTREAMS_MOST];
    size_t n_upstreams;
    struct credentials_wanted wanted[KEYS];
    size_t n_wanted;
    struct credentials *credentials; /* NULL: there is no such service */
    struct llm_settings settings;
};

static const struct dialect *const providers[] = {&dialect_openai, &dialect_gemini,
                                                  &dialect_anthropic};

static size_t place_of(const struct dialect *dialect)
{
    size_t i = 0;
    while (providers[i] != dialect)
        i++;
    return i;
}

static void init_keys(struct models *models)
{
    const char *setting;
    for (size_t i = 0; i < ELSEWHERE; i++)
        llm_key_init(&models->keys[i],
                     config_key_of(models->config, span_of(providers[i]->name), &setting));
    llm_key_init(&models->keys[ELSEWHERE], models->config->llm_fallback_api_key);
}

/* The key is not set here: has the credentials service to give it? */
static bool want_key(struct models *models, const struct dialect *dialect)
{
    struct llm_key *key = &models->keys[place_of(dialect)];
    const char *setting;
    if (llm_key_version(key) > 0 || models->config->credentials_url[0] == '\0')
        return false;
    (void)config_key_of(models->config, span_of(dialect->name), &setting);
    for (size_t i = 0; i < models->n_wanted; i++)
        if (models->wanted[i].key == key)
            return true;
    models->wanted[models->n_wanted++] = (struct credentials_wanted){.name = setting, .key = key};
    return true;
}

/* "openai", and "openai-2" for the next of them. */
static const char *make_name(struct models *models, const struct dialect *dialect)
{
    unsigned count = 1;
    for (size_t i = 0; i < models->n_upstreams; i++)
        count += models->upstreams[i].dialect == dialect;
    char *name = models->names[models->n_upstreams];
    if (count == 1)
        (void)snprintf(name, NAME_BYTES, "%s", dialect->name);
    else
        (void)snprintf(name, NAME_BYTES, "%s-%u", dialect->name, count);
    return name;
}

struct place {
    const char *url, *model;
    struct llm_key *key;
    bool needs_key;
};

static void add(struct models *models, const struct dialect *dialect, const struct place *place)
{
    const struct config *config = models->config;
    struct breaker_settings breaker =
        breaker_usual((unsigned)config->cb_failure_threshold, config->cb_recovery_timeout_ms);
    breaker.off = !config->cb_enabled;
    struct llm_upstream *upstream = &models->upstreams[models->n_upstreams];
    *upstream = (struct llm_upstream){.dialect = dialect,
                                      .name = make_name(models, dialect),
                                      .base_url = place->url,
                                      .model = place->model,
                                      .key = place->key,
                                      .needs_key = place->needs_key};
    llm_upstream_init(upstream, &breaker);
    models->n_upstreams++;
}

/* With the provider's key. */
static void add_known(struct models *models, const struct dialect *dialect, const char *url,
                      const char *model)
{
    const struct place place = {.url = url,
                                .model = model,
                                .key = &models->keys[place_of(dialect)],
                                .needs_key = want_key(models, dialect)};
    add(models, dialect, &place);
}

/* Besides the usual one: a place of its own, or the provider's. */
static void add_other(struct models *models, const struct fallback *one)
{
    const struct place elsewhere = {
        .url = one->url, .model = one->model, .key = &models->keys[ELSEWHERE]};
    if (one->url[0] != '\0')
        add(models, one->dialect, &elsewhere);
    else
        add_known(models, one->dialect, one->dialect->usual_url, one->model);
}

static void add_fallbacks(struct models *models)
{
    char error[200];
    must(fallbacks_parse(models->config->llm_fallbacks, &models->fallbacks, error));
    for (size_t i = 0; i < models->fallbacks.count; i++) {
        add_other(models, &models->fallbacks.list[i]);
    }
}

/* What chats may name: the last of the upstreams, each for its own callers only. */
static void add_chat_models(struct models *models)
{
    char error[200];
    size_t usual = models->n_upstreams;
    must(chat_list_parse(models->config->chat_models, &models->chat_list, error));
    for (size_t i = 0; i < models->chat_list.count; i++) {
        add_other(models, &models->chat_list.list[i].place);
        models->chat_names[i] = (struct chat_model){.name = models->chat_list.list[i].name,
                                                    .upstream = models->n_upstreams};
    }
    models->chat =
        (struct chat_models){.list = models->chat_names,
                             .count = models->chat_list.count,
                             .since_s = (int64_t)(tick_wall_ns() / 1000000000U),
                             .usual = usual > 0 ? models->upstreams[0].model : "offline"};
}

static void add_upstreams(struct models *models)
{
    const struct config *config = models->config;
    const struct dialect *dialect = dialect_find(span_of(config->llm_provider));
    const struct place local = {.url = models->local.url, .model = models->local.model};
    if (dialect != NULL) {
        add_known(models, dialect, config->llm_base_url, config->llm_model);
        add_fallbacks(models);
    } else if (config->llm_unsaid && config->debug && local_model_find(config, &models->local)) {
        add(models, &dialect_openai, &local);
    }
}

static void fill_in_settings(struct models *models)
{
    const struct config *config = models->config;
    models->settings = (struct llm_settings){
        .upstreams = models->upstreams,
        .n_upstreams = models->n_upstreams,
        .n_named = models->chat_list.count,
        .ca_file = config->llm_ca_file[0] != '\0' ? config->llm_ca_file : NULL,
        .total_timeout_ms = config->llm_timeout_ms,
        .connect_timeout_ms = config->llm_connect_timeout_ms,
        .first_token_timeout_ms = config->llm_first_token_timeout_ms,
        .idle_timeout_ms = config->llm_idle_timeout_ms,
        .retries = (unsigned)config->llm_retries,
        .pool_max = (long)config->llm_pool_max,
        .pool_max_keepalive = (long)config->llm_pool_max_keepalive,
        .offline_word_delay_ms = config->debug ? 20 : 0,
    };
}

struct models *models_new(const struct config *config)
{
    struct models *models = calloc(1, sizeof *models);
    must(models != NULL);
    models->config = config;
    init_keys(models);
    add_upstreams(models);
    add_chat_models(models);
    fill_in_settings(models);
    if (models->n_wanted > 0) {
        const struct credentials_settings service = {.url = config->credentials_url,
                                                     .token = config->credentials_token,
                                                     .ca_file = models->settings.ca_file,
                                                     .refresh_ms = config->credentials_refresh_ms};
        models->credentials = credentials_start(&service, models->wanted, models->n_wanted);
    }
    return models;
}

struct models *models_free(struct models *models)
{
    if (models == NULL)
        return NULL;
    models->credentials = credentials_stop(models->credentials);
    for (size_t i = 0; i < models->n_upstreams; i++)
        llm_upstream_fini(&models->upstreams[i]);
    for (size_t i = 0; i < KEYS; i++)
        llm_key_fini(&models->keys[i]);
    free(models);
    return NULL;
}

const struct llm_settings *models_settings(const struct models *models)
{
    return &models->settings;
}

static size_t usual_count(const struct models *models)
{
    return models->n_upstreams - models->chat_list.count;
}

const struct chat_models *models_chat(const struct models *models)
{
    return &models->chat;
}

/* Is it a place of the provider's own, which fetches images from the public Internet? What is
 * elsewhere may be a server inside, which would be sent to places that callers name. */
static bool fetches_images(const struct llm_upstream *upstream)
{
    const struct dialect *dialect = upstream->dialect;
    return (dialect == &dialect_openai || dialect == &dialect_anthropic) &&
           strcmp(upstream->base_url, dialect->usual_url) == 0;
}

bool models_want_images(const struct models *models)
{
    const char *said = models->config->llm_images;
    if (models->n_upstreams == 0 || strcmp(said, "pass") == 0)
        return false;
    for (size_t i = 0; i < models->n_upstreams; i++)
        if (!fetches_images(&models->upstreams[i]))
            return true;
    return strcmp(said, "inline") == 0;
}

void models_readiness(void *context, struct readiness_providers *now)
{
    struct models *models = context;
    tick_ms now_ms = tick_now_ms();
    *now = (struct readiness_providers){.count = usual_count(models)};
    for (size_t i = 0; i < now->count; i++) {
        now->keyless += llm_upstream_lacks_key(&models->upstreams[i]);
        now->usable += llm_upstream_is_usable(&models->upstreams[i], now_ms);
    }
}

void models_log(const struct models *models)
{
    for (size_t i = 0; i < models->n_upstreams; i++) {
        const struct llm_upstream *upstream = &models->upstreams[i];
        struct log_line line;
        const char *event = i == 0 ? "model" : "model_fallback";
        log_begin(&line, LOG_INFO, "lifecycle", i < usual_count(models) ? event : "chat_model");
        if (i >= usual_count(models))
            log_text(&line, "name", models->chat_list.list[i - usual_count(models)].name);
        log_text(&line, "provider", upstream->name);
        log_text(&line, "url", upstream->base_url);
        log_text(&line, "model", upstream->model);
        if (models->local.model[0] != '\0')
            log_text(&line, "found", "on this machine");
        log_end(&line);
    }
    if (usual_count(models) == 0)
        log_event(LOG_WARNING, "lifecycle", "offline_model", "setting", "LLM_PROVIDER");
}
