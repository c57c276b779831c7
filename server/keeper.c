#include "server/keeper.h"

#include "server/fetch.h"
#include "server/key_files.h"
#include "shared/base/audit.h"
#include "shared/base/log.h"
#include "shared/base/tick.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CONNECT_MS = 3000, TOTAL_MS = 5000, MOST_WAITERS = 1024 };

struct keeper {
    /* Fixed after start. */
    struct keeper_settings settings;
    struct authenticator *authenticator;
    struct readiness *readiness;
    struct key_refresh refresh;
    pthread_t thread;
    atomic_bool stopping;
    atomic_uint_fast64_t fetched, failed, rejected;

    /* The keeper's thread (and the starter's, before). */
    struct keyset *keys; /* the last good set; a reference of our own */
    struct key_file_mark public_mark, api_mark;
    uint64_t retry_ms;
    tick_ms next_fetch_ms;
    tick_ms next_look_ms;

    struct {
        pthread_mutex_t mutex;
        pthread_cond_t wake;
        struct key_waiter *waiters;
        size_t n_waiters;
        tick_ms next_ask_ms; /* before then nobody's asking starts a fetch */
        bool asked;          /* a fetch is to start at once */
        bool fetching;
        bool reload;
    } shared;
};

static const char *url_of(const struct keeper *keeper)
{
    return keeper->settings.jwks_url != NULL ? keeper->settings.jwks_url
                                             : keeper->settings.registry_url;
}

static void log_failure(const char *event, const char *setting, const char *problem)
{
    struct log_line line;
    log_begin(&line, LOG_ERROR, "identity", event);
    log_text(&line, "setting", setting);
    log_text(&line, "reason", problem);
    log_end(&line);
}

/* A change of who may call is a security event. */
static void log_change(const char *event, const char *setting, size_t keys)
{
    struct log_line line;
    log_begin(&line, LOG_INFO, "identity", event);
    log_text(&line, "setting", setting);
    log_u64(&line, "keys", keys);
    log_end(&line);
    audit_put(&(struct audit_event){
        .kind = AUDIT_KEYS, .action = span_of(setting), .reason = span_of(event)});
}

/* --- keys of tokens --- */

static const char *source_name(const struct keeper *keeper)
{
    if (keeper->settings.public_key_file != NULL)
        return "JWT_PUBLIC_KEY_FILE";
    if (keeper->settings.registry_url != NULL)
        return "JWT_PUBLIC_KEY_URL";
    return keeper->settings.jwks_url != NULL ? "JWT_JWKS_URL" : "JWT_SECRET";
}

/* A set with the secret in it, if there is one. */
static struct keyset *begin_set(const struct keeper *keeper)
{
    char problem[KEYSET_PROBLEM_BYTES];
    struct keyset *set = keyset_new();
    if (keeper->settings.secret.len > 0)
        must(keyset_add_secret(set, keeper->settings.secret,
                               problem)); /* the settings were checked */
    return set;
}

/* Takes `set` over; one that is as before changes nothing, so that verified tokens stay known. */
static void publish(struct keeper *keeper, struct keyset *set)
{
    if (keeper->keys != NULL && keyset_same(keeper->keys, set)) {
        (void)keyset_unref(set);
        return;
    }
    (void)keyset_unref(keeper->keys);
    keeper->keys = keyset_ref(set);
    keyring_put(&keeper->authenticator->keyring, set);
    log_change("token_keys_changed", source_name(keeper), keyset_count(set));
}

static bool fetch_document(struct keeper *keeper, struct keyset *set,
                           char problem[FETCH_PROBLEM_BYTES])
{
    const struct fetch fetch = {.url = url_of(keeper),
                                .ca_file = keeper->settings.ca_file,
                                .connect_timeout_ms = CONNECT_MS,
                                .total_timeout_ms = TOTAL_MS,
                                .stop = &keeper->stopping};
    struct buf body;
    buf_init(&body, NULL, KEYSET_TEXT_BYTES);
    bool fine = fetch_get(&fetch, &body, problem);
    if (fine)
        fine = keeper->settings.jwks_url != NULL
                   ? keyset_add_jwks(set, buf_span(&body), problem)
                   : keyset_add_registry(set, buf_span(&body), problem);
    buf_fini(&body);
    return fine;
}

static void fetch_keys(struct keeper *keeper)
{
    char problem[FETCH_PROBLEM_BYTES] = "";
    struct keyset *set = begin_set(keeper);
    if (fetch_document(keeper, set, problem)) {
        publish(keeper, set);
        atomic_fetch_add(&keeper->fetched, 1);
        atomic_store(&keeper->readiness->no_key_set, false);
        keeper->retry_ms = keeper->settings.retry_ms;
        keeper->next_fetch_ms = tick_now_ms() + keeper->settings.refresh_ms;
        return;
    }
    (void)keyset_unref(set);
    if (atomic_load(&keeper->stopping))
        return;
    atomic_fetch_add(&keeper->failed, 1);
    log_failure("token_keys_not_fetched", source_name(keeper), problem);
    keeper->next_fetch_ms = tick_now_ms() + keeper->retry_ms;
    keeper->retry_ms = keeper->retry_ms * 2 < keeper->settings.ask_floor_ms
                           ? keeper->retry_ms * 2
                           : keeper->settings.ask_floor_ms;
}

/* False: the last good keys stay. */
static bool read_public_keys(struct keeper *keeper, char problem[KEY_FILE_PROBLEM_BYTES])
{
    struct keyset *set = begin_set(keeper);
    if (!key_file_add_public(keeper->settings.public_key_file, set, problem)) {
        (void)keyset_unref(set);
        return false;
    }
    publish(keeper, set);
    return true;
}

/* --- API keys --- */

static bool read_api_keys(struct keeper *keeper, char problem[KEY_FILE_PROBLEM_BYTES])
{
    struct apikeys *keys = key_file_read_api(keeper->settings.api_keys_file, problem);
    if (keys == NULL)
        return false;
    size_t n = apikeys_count(keys);
    apikey_ring_put(&keeper->authenticator->apikeys, keys);
    log_change("api_keys_changed", "API_KEYS_FILE", n);
    return true;
}

static void reject(struct keeper *keeper, const char *event, const char *setting,
                   const char *problem)
{
    atomic_fetch_add(&keeper->rejected, 1);
    log_failure(event, setting, problem);
}

static void look_at_files(struct keeper *keeper, bool all)
{
    char problem[KEY_FILE_PROBLEM_BYTES] = "";
    const char *public_path = keeper->settings.public_key_file;
    const char *api_path = keeper->settings.api_keys_file;
    if (public_path != NULL && (key_file_changed(public_path, &keeper->public_mark) || all) &&
        !read_public_keys(keeper, problem))
        reject(keeper, "token_keys_not_read", "JWT_PUBLIC_KEY_FILE", problem);
    if (api_path != NULL && (key_file_changed(api_path, &keeper->api_mark) || all) &&
        !read_api_keys(keeper, problem))
        reject(keeper, "api_keys_not_read", "API_KEYS_FILE", problem);
    keeper->next_look_ms = tick_now_ms() + keeper->settings.watch_ms;
}

/* --- the thread --- */

static void post_all(struct key_waiter *waiter)
{
    while (waiter != NULL) {
        struct key_waiter *next = waiter->next; /* once posted, it is its worker's */
        executor_post(waiter->executor, &waiter->task);
        waiter = next;
    }
}

static struct key_waiter *take_waiters_locked(struct keeper *keeper)
{
    struct key_waiter *waiters = keeper->shared.waiters;
    keeper->shared.waiters = NULL;
    keeper->shared.n_waiters = 0;
    return waiters;
}

static void wait_locked(struct keeper *keeper, tick_ms now_ms)
{
    tick_ms due_ms = keeper->next_look_ms;
    struct timespec until;
    if (url_of(keeper) != NULL && keeper->next_fetch_ms < due_ms)
        due_ms = keeper->next_fetch_ms;
    uint64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    if (wait_ms == 0)
        return;
    must(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(&keeper->shared.wake, &keeper->shared.mutex, &until);
}

/* One round of work, with the mutex given up around it. */
static void work_locked(struct keeper *keeper)
{
    tick_ms now_ms = tick_now_ms();
    bool reload = keeper->shared.reload;
    bool fetch = url_of(keeper) != NULL &&
                 (keeper->shared.asked || reload || now_ms >= keeper->next_fetch_ms);
    bool look = reload || now_ms >= keeper->next_look_ms;
    if (!fetch && !look) {
        wait_locked(keeper, now_ms);
        return;
    }
    keeper->shared.reload = keeper->shared.asked = false;
    keeper->shared.fetching = fetch;
    must(pthread_mutex_unlock(&keeper->shared.mutex) == 0);
    if (look)
        look_at_files(keeper, reload);
    if (fetch)
        fetch_keys(keeper);
    must(pthread_mutex_lock(&keeper->shared.mutex) == 0);
    keeper->shared.fetching = false;
    struct key_waiter *waiters = fetch ? take_waiters_locked(keeper) : NULL;
    must(pthread_mutex_unlock(&keeper->shared.mutex) == 0);
    post_all(waiters);
    must(pthread_mutex_lock(&keeper->shared.mutex) == 0);
}

static void *run(void *argument)
{
    struct keeper *keeper = argument;
    (void)pthread_setname_np(pthread_self(), "weir-keys");
    must(pthread_mutex_lock(&keeper->shared.mutex) == 0);
    while (!atomic_load(&keeper->stopping))
        work_locked(keeper);
    struct key_waiter *waiters = take_waiters_locked(keeper);
    must(pthread_mutex_unlock(&keeper->shared.mutex) == 0);
    post_all(waiters);
    return NULL;
}

/* --- asking --- */

static bool ask(struct key_refresh *refresh, struct key_waiter *waiter)
{
    struct keeper *keeper = container_of(refresh, struct keeper, refresh);
    tick_ms now_ms = tick_now_ms();
    must(pthread_mutex_lock(&keeper->shared.mutex) == 0);
    bool under_way = keeper->shared.asked || keeper->shared.fetching;
    bool taken = !atomic_load(&keeper->stopping) && keeper->shared.n_waiters < MOST_WAITERS &&
                 (under_way || now_ms >= keeper->shared.next_ask_ms);
    if (taken) {
        waiter->next = keeper->shared.waiters;
        keeper->shared.waiters = waiter;
        keeper->shared.n_waiters++;
    }
    if (taken && !under_way) {
        keeper->shared.next_ask_ms = now_ms + keeper->settings.ask_floor_ms;
        keeper->shared.asked = true;
        must(pthread_cond_signal(&keeper->shared.wake) == 0);
    }
    must(pthread_mutex_unlock(&keeper->shared.mutex) == 0);
    return taken;
}

struct key_refresh *keeper_refresh(struct keeper *keeper)
{
    return url_of(keeper) != NULL ? &keeper->refresh : NULL;
}

void keeper_reload(struct keeper *keeper)
{
    must(pthread_mutex_lock(&keeper->shared.mutex) == 0);
    keeper->shared.reload = true;
    must(pthread_cond_signal(&keeper->shared.wake) == 0);
    must(pthread_mutex_unlock(&keeper->shared.mutex) == 0);
}

void keeper_stats(struct keeper *keeper, struct keeper_stats *stats)
{
    stats->fetched = atomic_load(&keeper->fetched);
    stats->failed = atomic_load(&keeper->failed);
    stats->rejected = atomic_load(&keeper->rejected);
    must(pthread_mutex_lock(&keeper->shared.mutex) == 0);
    stats->waiting = keeper->shared.n_waiters;
    must(pthread_mutex_unlock(&keeper->shared.mutex) == 0);
}

/* --- start and stop --- */

static bool load(struct keeper *keeper, char error[256])
{
    const struct keeper_settings *settings = &keeper->settings;
    char problem[KEY_FILE_PROBLEM_BYTES] = "";
    const char *setting = NULL;
    if (settings->public_key_file != NULL) {
        (void)key_file_changed(settings->public_key_file, &keeper->public_mark);
        if (!read_public_keys(keeper, problem))
            setting = "JWT_PUBLIC_KEY_FILE";
    } else if (settings->secret.len > 0) {
        publish(keeper, begin_set(keeper));
    }
    if (setting == NULL && settings->api_keys_file != NULL) {
        (void)key_file_changed(settings->api_keys_file, &keeper->api_mark);
        if (!read_api_keys(keeper, problem))
            setting = "API_KEYS_FILE";
    }
    if (setting != NULL)
        (void)snprintf(error, 256, "%s: %.220s", setting, problem);
    return setting == NULL;
}

static struct keeper *release(struct keeper *keeper)
{
    (void)keyset_unref(keeper->keys);
    must(pthread_cond_destroy(&keeper->shared.wake) == 0);
    must(pthread_mutex_destroy(&keeper->shared.mutex) == 0);
    free(keeper);
    return NULL;
}

struct keeper *keeper_start(const struct keeper_settings *settings,
                            struct authenticator *authenticator, struct readiness *readiness,
                            char error[256])
{
    pthread_condattr_t monotonic;
    struct keeper *keeper = calloc(1, sizeof *keeper);
    must(keeper != NULL);
    keeper->settings = *settings;
    keeper->authenticator = authenticator;
    keeper->readiness = readiness;
    keeper->refresh.ask = ask;
    keeper->retry_ms = settings->retry_ms;
    keeper->next_look_ms = tick_now_ms() + settings->watch_ms;
    atomic_init(&keeper->stopping, false);
    must(pthread_condattr_init(&monotonic) == 0);
    must(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(&keeper->shared.wake, &monotonic) == 0);
    must(pthread_condattr_destroy(&monotonic) == 0);
    must(pthread_mutex_init(&keeper->shared.mutex, NULL) == 0);
    if (!load(keeper, error))
        return release(keeper);
    atomic_store(&readiness->no_key_set, url_of(keeper) != NULL);
    must(pthread_create(&keeper->thread, NULL, run, keeper) == 0);
    return keeper;
}

struct keeper *keeper_stop(struct keeper *keeper)
{
    if (keeper == NULL)
        return NULL;
    must(pthread_mutex_lock(&keeper->shared.mutex) == 0);
    atomic_store(&keeper->stopping, true);
    must(pthread_cond_signal(&keeper->shared.wake) == 0);
    must(pthread_mutex_unlock(&keeper->shared.mutex) == 0);
    must(pthread_join(keeper->thread, NULL) == 0);
    return release(keeper);
}
