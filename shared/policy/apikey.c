#include "shared/policy/apikey_table.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

static const char mark[] = "weir_";

enum { MARK_BYTES = sizeof mark - 1 };

bool apikey_is(struct span credential)
{
    return span_starts_with(credential, mark);
}

int apikey_compare_ids(struct span a, struct span b)
{
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool apikey_id_is_fine(struct span id)
{
    for (size_t i = 0; i < id.len; i++)
        if (!is_lower_or_digit(id.at[i]))
            return false;
    return id.len >= APIKEY_ID_LEAST && id.len <= APIKEY_ID_MOST;
}

/* The id within a key of the right form; empty when the form is wrong. */
static struct span id_of(struct span credential)
{
    if (!apikey_is(credential) || credential.len > APIKEY_BYTES)
        return SPAN_EMPTY;
    struct span rest = span_from(credential, MARK_BYTES);
    const char *line = rest.len > 0 ? memchr(rest.at, '_', rest.len) : NULL;
    if (line == NULL)
        return SPAN_EMPTY;
    struct span id = span_make(rest.at, (size_t)(line - rest.at));
    struct span secret = span_from(rest, id.len + 1);
    if (secret.len < APIKEY_SECRET_LEAST || secret.len > APIKEY_SECRET_MOST)
        return SPAN_EMPTY;
    for (size_t i = 0; i < secret.len; i++)
        if (!is_lower_or_digit(secret.at[i]) && !(secret.at[i] >= 'A' && secret.at[i] <= 'Z'))
            return SPAN_EMPTY;
    return apikey_id_is_fine(id) ? id : SPAN_EMPTY;
}

static const struct apikey *row_of(const struct apikeys *keys, struct span id)
{
    size_t low = 0, high = keys->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = apikey_compare_ids(keys->rows[middle].id, id);
        if (order == 0)
            return &keys->rows[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

enum apikey_end apikeys_find(const struct apikeys *keys, struct span credential, int64_t now_s,
                             const struct apikey **found)
{
    static const unsigned char nobody[APIKEY_DIGEST_BYTES];
    unsigned char digest[APIKEY_DIGEST_BYTES];
    struct span id = id_of(credential);
    if (id.len == 0)
        return APIKEY_MALFORMED;
    const struct apikey *row = row_of(keys, id);
    must(EVP_Digest(credential.at, credential.len, digest, NULL, EVP_sha256(), NULL) == 1);
    bool same = CRYPTO_memcmp(digest, row != NULL ? row->digest : nobody, sizeof digest) == 0;
    OPENSSL_cleanse(digest, sizeof digest);
    if (row == NULL || !same)
        return APIKEY_UNKNOWN;
    if (now_s >= row->expires_s)
        return APIKEY_EXPIRED;
    *found = row;
    return APIKEY_FINE;
}

struct apikeys *apikeys_ref(struct apikeys *keys)
{
    atomic_fetch_add(&keys->refs, 1);
    return keys;
}

struct apikeys *apikeys_unref(struct apikeys *keys)
{
    if (keys == NULL || atomic_fetch_sub(&keys->refs, 1) != 1)
        return NULL;
    free(keys->rows);
    free(keys->text);
    free(keys);
    return NULL;
}

size_t apikeys_count(const struct apikeys *keys)
{
    return keys->n;
}

void apikey_ring_init(struct apikey_ring *ring)
{
    must(pthread_mutex_init(&ring->mutex, NULL) == 0);
    ring->current = NULL;
}

void apikey_ring_fini(struct apikey_ring *ring)
{
    ring->current = apikeys_unref(ring->current);
    must(pthread_mutex_destroy(&ring->mutex) == 0);
}

void apikey_ring_put(struct apikey_ring *ring, struct apikeys *keys)
{
    must(pthread_mutex_lock(&ring->mutex) == 0);
    struct apikeys *before = ring->current;
    ring->current = keys;
    must(pthread_mutex_unlock(&ring->mutex) == 0);
    (void)apikeys_unref(before);
}

struct apikeys *apikey_ring_get(struct apikey_ring *ring)
{
    must(pthread_mutex_lock(&ring->mutex) == 0);
    struct apikeys *keys = ring->current != NULL ? apikeys_ref(ring->current) : NULL;
    must(pthread_mutex_unlock(&ring->mutex) == 0);
    return keys;
}
