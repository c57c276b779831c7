/* Keeps what callers are authenticated with current: one thread that fetches key sets, watches the
 * key files, and swaps good new ones in. Nobody else ever waits for it.
 *
 * What cannot be fetched, read or used leaves the last good keys in place, is logged, and is tried
 * again. A token with an unknown key id brings a fetch forward, at most once in `ask_floor_ms`
 * however many such tokens come; requests that ask meanwhile are told when it has ended.
 *
 * The main thread starts and stops it. */
#ifndef WEIR_SERVER_KEEPER_H
#define WEIR_SERVER_KEEPER_H

#include "shared/base/span.h"
#include "shared/pipeline/key_refresh.h"
#include "shared/pipeline/readiness.h"
#include "shared/policy/authenticator.h"

/* Texts live as long as the keeper; NULL: not set. */
struct keeper_settings {
    const char *public_key_file;
    const char *registry_url; /* at most one of these three */
    const char *jwks_url;
    const char *ca_file;
    struct span secret; /* empty: none */
    const char *api_keys_file;
    uint64_t refresh_ms;   /* between fetches that went well */
    uint64_t retry_ms;     /* after the first that did not; doubled up to ask_floor_ms */
    uint64_t ask_floor_ms; /* between fetches that requests asked for */
    uint64_t watch_ms;     /* between looks at the files */
};

struct keeper;

struct keeper_stats {
    uint64_t fetched, failed; /* fetches of a key set */
    uint64_t rejected;        /* files that could not be used */
    uint64_t waiting;         /* requests, now */
};

/* Reads the files and the secret, then starts the thread, whose first act is to fetch. Until a
 * first key set is there, readiness->no_key_set holds. NULL: `error` says which file cannot be
 * used. All pointers outlive the keeper. */
MUST_USE struct keeper *keeper_start(const struct keeper_settings *settings,
                                     struct authenticator *authenticator,
                                     struct readiness *readiness, char error[256]);
/* What requests ask; lives as long as the keeper. NULL when there is no source to fetch from. */
struct key_refresh *keeper_refresh(struct keeper *keeper);
/* Fetches and reads everything anew, soon. Any thread. */
void keeper_reload(struct keeper *keeper);
/* Any thread. */
void keeper_stats(struct keeper *keeper, struct keeper_stats *stats);
/* Ends the thread (within a second or so) and posts whoever still waits. Accepts NULL; returns
 * NULL. The workers must still run. */
struct keeper *keeper_stop(struct keeper *keeper);

#endif
