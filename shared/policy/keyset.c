#include "shared/policy/keyset.h"

#include "shared/policy/jwk.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIGEST_BYTES = 32 };

struct keyset {
    atomic_uint refs;
    struct key *keys[KEYSET_KEYS]; /* owned */
    size_t n;
    unsigned char digest[DIGEST_BYTES]; /* over the texts it was made of */
};

struct keyset *keyset_new(void)
{
    struct keyset *set = calloc(1, sizeof *set);
    must(set != NULL);
    atomic_init(&set->refs, 1);
    return set;
}

struct keyset *keyset_ref(struct keyset *set)
{
    atomic_fetch_add(&set->refs, 1);
    return set;
}

struct keyset *keyset_unref(struct keyset *set)
{
    if (set == NULL || atomic_fetch_sub(&set->refs, 1) != 1)
        return NULL;
    for (size_t i = 0; i < set->n; i++)
        set->keys[i] = key_free(set->keys[i]);
    free(set);
    return NULL;
}

static bool fail(char problem[KEYSET_PROBLEM_BYTES], const char *what)
{
    (void)snprintf(problem, KEYSET_PROBLEM_BYTES, "%s", what);
    return false;
}

static bool fits_size(struct span text, char problem[KEYSET_PROBLEM_BYTES])
{
    return text.len <= KEYSET_TEXT_BYTES || fail(problem, "it is larger than 256 KiB");
}

/* Takes the key over. */
static bool add(struct keyset *set, struct key *key, char problem[KEYSET_PROBLEM_BYTES])
{
    if (set->n == KEYSET_KEYS) {
        (void)key_free(key);
        return fail(problem, "there are more than 64 keys");
    }
    set->keys[set->n++] = key;
    return true;
}

static void note_text(struct keyset *set, struct span text)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    must(EVP_DigestUpdate(context, set->digest, DIGEST_BYTES) == 1);
    must(EVP_DigestUpdate(context, text.at, text.len) == 1);
    must(EVP_DigestFinal_ex(context, set->digest, NULL) == 1);
    EVP_MD_CTX_free(context);
}

/* --- PEM --- */

static bool add_block(struct keyset *set, const char *label, const unsigned char *der, long len,
                      char problem[KEYSET_PROBLEM_BYTES])
{
    const unsigned char *at = der;
    const char *why = NULL;
    if (strstr(label, "PRIVATE KEY") != NULL)
        return fail(problem, "there is a private key in it; the public one is wanted");
    if (strcmp(label, "PUBLIC KEY") != 0)
        return fail(problem, "only PUBLIC KEY blocks are expected in it");
    EVP_PKEY *public_key = d2i_PUBKEY(NULL, &at, len);
    ERR_clear_error();
    if (public_key == NULL || at != der + len) {
        EVP_PKEY_free(public_key);
        return fail(problem, "there is a public key in it that cannot be read");
    }
    struct key *key = key_new(public_key, SPAN_EMPTY, algorithm_bit(ALGORITHM_COUNT) - 1, &why);
    if (key != NULL)
        return add(set, key, problem);
    (void)snprintf(problem, KEYSET_PROBLEM_BYTES, "it holds %s", why);
    return false;
}

bool keyset_add_pem(struct keyset *set, struct span text, char problem[KEYSET_PROBLEM_BYTES])
{
    char *label = NULL, *header = NULL;
    unsigned char *der = NULL;
    long len = 0;
    size_t before = set->n;
    bool fine = fits_size(text, problem);
    if (!fine)
        return false;
    BIO *bio = BIO_new_mem_buf(text.at != NULL ? text.at : "", (int)text.len);
    must(bio != NULL);
    while (fine && PEM_read_bio(bio, &label, &header, &der, &len) == 1) {
        fine = add_block(set, label, der, len, problem);
        OPENSSL_free(label);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)len);
    }
    BIO_free(bio);
    /* The reader stops at the end of the text and at a block that is not complete. */
    if (fine && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        fine = fail(problem, "there is a PEM block in it that cannot be read");
    ERR_clear_error();
    if (fine && set->n == before)
        fine = fail(problem, "there is no PUBLIC KEY block in it");
    if (fine)
        note_text(set, text);
    return fine;
}

/* --- JSON --- */

static json_t *load(struct span text, char problem[KEYSET_PROBLEM_BYTES])
{
    if (!fits_size(text, problem))
        return NULL;
    json_t *root =
        json_loadb(text.at != NULL ? text.at : "", text.len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(root))
        return root;
    json_decref(root);
    (void)fail(problem, "it is not a JSON object");
    return NULL;
}

bool keyset_add_jwks(struct keyset *set, struct span text, char problem[KEYSET_PROBLEM_BYTES])
{
    json_t *root = load(text, problem);
    if (root == NULL)
        return false;
    const json_t *keys = json_object_get(root, "keys");
    const char *why = "none";
    size_t before = set->n;
    bool fine = json_is_array(keys) || fail(problem, "there is no array \"keys\" in it");
    for (size_t i = 0; fine && i < json_array_size(keys); i++) {
        struct key *key = jwk_read(json_array_get(keys, i), &why);
        if (key != NULL)
            fine = add(set, key, problem);
    }
    if (fine && set->n == before) {
        (void)snprintf(problem, KEYSET_PROBLEM_BYTES,
                       "there is no key in it that can be used; the last one is %s", why);
        fine = false;
    }
    json_decref(root);
    if (fine)
        note_text(set, text);
    return fine;
}

bool keyset_add_registry(struct keyset *set, struct span text, char problem[KEYSET_PROBLEM_BYTES])
{
    json_t *root = load(text, problem);
    if (root == NULL)
        return false;
    const json_t *pem = json_object_get(root, "public_key");
    bool fine = json_is_string(pem)
                    ? keyset_add_pem(
                          set, span_make(json_string_value(pem), json_string_length(pem)), problem)
                    : fail(problem, "there is no text \"public_key\" in it");
    json_decref(root);
    return fine;
}

bool keyset_add_secret(struct keyset *set, struct span secret, char problem[KEYSET_PROBLEM_BYTES])
{
    const char *why = NULL;
    struct key *key = key_new_secret(secret, &why);
    if (key == NULL) {
        (void)snprintf(problem, KEYSET_PROBLEM_BYTES, "it is %s", why);
        return false;
    }
    note_text(set, secret);
    return add(set, key, problem);
}

/* --- looking up --- */

size_t keyset_count(const struct keyset *set)
{
    return set->n;
}

bool keyset_same(const struct keyset *a, const struct keyset *b)
{
    return CRYPTO_memcmp(a->digest, b->digest, DIGEST_BYTES) == 0;
}

size_t keyset_find(const struct keyset *set, struct span id, enum algorithm algorithm,
                   const struct key *found[KEYSET_TRIES], bool *known)
{
    size_t n = 0;
    bool any_named = false;
    *known = algorithm == ALGORITHM_HS256; /* no source of keys will ever tell a secret */
    for (size_t i = 0; i < set->n && id.len > 0; i++)
        any_named |= span_equal(key_id(set->keys[i]), id);
    for (size_t i = 0; i < set->n && n < KEYSET_TRIES; i++) {
        const struct key *key = set->keys[i];
        bool asked = any_named ? span_equal(key_id(key), id) : id.len == 0 || key_id(key).len == 0;
        bool fits = (key_algorithms(key) & algorithm_bit(algorithm)) != 0;
        if (!fits && key_algorithms(key) == algorithm_bit(ALGORITHM_HS256))
            continue; /* the secret says nothing about public keys */
        *known |= asked;
        if (asked && fits)
            found[n++] = key;
    }
    return n;
}

/* --- the ring --- */

void keyring_init(struct keyring *ring)
{
    atomic_init(&ring->generation, 0);
    must(pthread_mutex_init(&ring->mutex, NULL) == 0);
    ring->current = NULL;
}

void keyring_fini(struct keyring *ring)
{
    ring->current = keyset_unref(ring->current);
    must(pthread_mutex_destroy(&ring->mutex) == 0);
}

void keyring_put(struct keyring *ring, struct keyset *set)
{
    must(pthread_mutex_lock(&ring->mutex) == 0);
    struct keyset *before = ring->current;
    ring->current = set;
    atomic_fetch_add(&ring->generation, 1);
    must(pthread_mutex_unlock(&ring->mutex) == 0);
    (void)keyset_unref(before);
}

struct keyset *keyring_get(struct keyring *ring, uint64_t *generation)
{
    must(pthread_mutex_lock(&ring->mutex) == 0);
    struct keyset *set = ring->current != NULL ? keyset_ref(ring->current) : NULL;
    *generation = atomic_load(&ring->generation);
    must(pthread_mutex_unlock(&ring->mutex) == 0);
    return set;
}
