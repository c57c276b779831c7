/* API keys: who holds which, what it may do, until when; read from a file that knows hashes only.
 *
 * A key is `weir_<id>_<secret>`: the id (8 to 16 of a-z 0-9) is public and finds the row, the
 * secret (32 to 64 of A-Z a-z 0-9, made with 256 random bits, so a plain SHA-256 is enough to
 * store) proves it. The table is an immutable, counted snapshot; a ring holds the current one, so
 * that a new file takes its place without disturbing requests. Times are seconds since 1970, passed
 * in. Tables may be read by any thread; the texts of what is found live as long as the table. */
#ifndef WEIR_POLICY_APIKEY_H
#define WEIR_POLICY_APIKEY_H

#include "shared/base/must.h"
#include "shared/base/span.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    APIKEY_ID_LEAST = 8,
    APIKEY_ID_MOST = 16,
    APIKEY_SECRET_LEAST = 32,
    APIKEY_SECRET_MOST = 64,
    APIKEY_BYTES = 5 + APIKEY_ID_MOST + 1 + APIKEY_SECRET_MOST,
    APIKEY_DIGEST_BYTES = 32,
    APIKEYS_MOST = 10000,
    APIKEYS_FILE_BYTES = 8 * 1024 * 1024,
    APIKEYS_PROBLEM_BYTES = 200
};

/* One row of the file. */
struct apikey {
    struct span id;
    struct span tenant;
    struct span scopes; /* separated by single spaces */
    unsigned char digest[APIKEY_DIGEST_BYTES];
    uint64_t limit_count; /* requests in limit_period_ms; 0: the class of all keys */
    uint64_t limit_period_ms;
    int64_t expires_s; /* INT64_MAX: never */
};

enum apikey_end { APIKEY_FINE, APIKEY_MALFORMED, APIKEY_UNKNOWN, APIKEY_EXPIRED };

struct apikeys;

/* Does it look like one of our keys (by its first characters)? */
bool apikey_is(struct span credential);

/* Reads a file's text: a line a key, `name=value` separated by spaces; # begins a comment.
 *   key=<id> sha256=<64 hex digits> tenant=<name> scopes=<scope>[,<scope>]...
 *   [limit=<count>/<second|minute|hour>] [expires=<2027-01-31 or 2027-01-31T12:00:00Z>]
 * One reference; NULL: `problem` says what is wrong in which line, without quoting the line. */
MUST_USE struct apikeys *apikeys_parse(struct span text, char problem[APIKEYS_PROBLEM_BYTES]);
struct apikeys *apikeys_ref(struct apikeys *keys);
/* Accepts NULL; returns NULL. */
struct apikeys *apikeys_unref(struct apikeys *keys);
size_t apikeys_count(const struct apikeys *keys);

/* The row of a key that a caller presents. One hash and one comparison in constant time, whether
 * the id is known or not. */
MUST_USE enum apikey_end apikeys_find(const struct apikeys *keys, struct span credential,
                                      int64_t now_s, const struct apikey **found);

/* The texts of a row, checked and read; for the command that makes keys, too. */
MUST_USE bool apikey_parse_limit(struct span text, uint64_t *count, uint64_t *period_ms);
MUST_USE bool apikey_parse_time(struct span text, int64_t *seconds);
/* A list with commas -> spaces in place of them; `to` has room for text.len. False: a scope that is
 * neither flow:* nor flow:<name>. */
MUST_USE bool apikey_parse_scopes(struct span text, char *to);
bool apikey_tenant_is_fine(struct span tenant);

/* The ring. Any thread, between init and fini. */
struct apikey_ring {
    pthread_mutex_t mutex;
    struct apikeys *current; /* under the mutex; NULL: none yet */
};

void apikey_ring_init(struct apikey_ring *ring);
void apikey_ring_fini(struct apikey_ring *ring);
/* Takes `keys` over. */
void apikey_ring_put(struct apikey_ring *ring, struct apikeys *keys);
/* With a reference for the caller; NULL when there is none. */
MUST_USE struct apikeys *apikey_ring_get(struct apikey_ring *ring);

#endif
