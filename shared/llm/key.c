#include "shared/llm/key.h"

#include <stdlib.h>

static void wipe(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

void llm_key_init(struct llm_key *key, const char *text)
{
    *key = (struct llm_key){0};
    must(pthread_mutex_init(&key->shared.mutex, NULL) == 0);
    if (text == NULL || text[0] == '\0')
        return;
    key->shared.text = strdup(text);
    must(key->shared.text != NULL);
    atomic_store(&key->version, 1);
}

void llm_key_fini(struct llm_key *key)
{
    wipe(key->shared.text);
    must(pthread_mutex_destroy(&key->shared.mutex) == 0);
    *key = (struct llm_key){0};
}

static bool is_usable(struct span text)
{
    if (text.len == 0 || text.len > LLM_KEY_BYTES)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] <= ' ' || text.at[i] > '~')
            return false;
    return true;
}

bool llm_key_set(struct llm_key *key, struct span text)
{
    if (!is_usable(text))
        return false;
    char *copy = strndup(text.at, text.len);
    must(copy != NULL);
    must(pthread_mutex_lock(&key->shared.mutex) == 0);
    char *old = key->shared.text;
    bool other = old == NULL || strcmp(old, copy) != 0;
    if (other) {
        key->shared.text = copy;
        atomic_fetch_add(&key->version, 1);
    }
    must(pthread_mutex_unlock(&key->shared.mutex) == 0);
    wipe(other ? old : copy);
    return true;
}

uint64_t llm_key_copy(struct llm_key *key, struct buf *out)
{
    must(pthread_mutex_lock(&key->shared.mutex) == 0);
    if (key->shared.text != NULL)
        buf_put_text(out, key->shared.text);
    uint64_t version = atomic_load(&key->version);
    must(pthread_mutex_unlock(&key->shared.mutex) == 0);
    return version;
}
