/* A provider's key: set at start or fetched later, replaced while calls are under way.
 *
 * Any thread; one mutex, inside, held to copy only. Old keys are wiped. */
#ifndef WEIR_LLM_KEY_H
#define WEIR_LLM_KEY_H

#include "shared/base/buf.h"
#include "shared/base/must.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum { LLM_KEY_BYTES = 8 * 1024 };

struct llm_key {
    atomic_uint_fast64_t version; /* 0: there is none yet; one more with each other key */
    struct {
        pthread_mutex_t mutex;
        char *text; /* owned */
    } shared;
};

/* `text` is copied; NULL or "": none yet. */
void llm_key_init(struct llm_key *key, const char *text);
void llm_key_fini(struct llm_key *key);
/* Printable ASCII of LLM_KEY_BYTES at most; anything else, such as a line end that would make two
 * headers of one, is refused with false and changes nothing. */
MUST_USE bool llm_key_set(struct llm_key *key, struct span text);
static inline uint64_t llm_key_version(const struct llm_key *key)
{
    return atomic_load_explicit(&key->version, memory_order_acquire);
}
/* Appends a copy, which the caller wipes. Returns its version. */
uint64_t llm_key_copy(struct llm_key *key, struct buf *out);

#endif
