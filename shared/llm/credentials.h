/* Keys from a credentials service (I7): GET <url>/credentials/<name> with a bearer token, answered
 * with {"value":"..."}; fetched at start and again and again, in a thread of its own, so that
 * nobody else ever waits for it. The last good key stays while the service is away, which is asked
 * again sooner then. Certificates are verified, redirects not followed. Keys and the token are
 * never logged; failures are, with the name that was asked for. */
#ifndef WEIR_LLM_CREDENTIALS_H
#define WEIR_LLM_CREDENTIALS_H

#include "shared/llm/key.h"

struct credentials;

/* Strings are borrowed and must outlive it. */
struct credentials_settings {
    const char *url; /* no slash at the end */
    const char *token;
    const char *ca_file; /* NULL: the system's */
    uint64_t refresh_ms;
};

struct credentials_wanted {
    const char *name;    /* "OPENAI_API_KEY" */
    struct llm_key *key; /* must outlive it, too */
};

enum { CREDENTIALS_MOST = 8 };

/* After llm_global_init. `wanted` is copied; CREDENTIALS_MOST at most. */
MUST_USE struct credentials *credentials_start(const struct credentials_settings *settings,
                                               const struct credentials_wanted *wanted, size_t n);
/* Ends the thread, also in the middle of a fetch. NULL is fine; returns NULL. */
struct credentials *credentials_stop(struct credentials *credentials);

/* --- for tests and fuzzers --- */

/* The answer's value, as a key to be wiped and freed; NULL: it is none. */
MUST_USE char *credentials_read(struct span body);

#endif
