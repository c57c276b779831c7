#include "shared/policy/cache_key.h"

#include <endian.h>
#include <openssl/evp.h>
#include <stdlib.h>

/* Looking an algorithm up takes OpenSSL longer than hashing a request, so it is done once. */
struct cache_key_maker {
    EVP_MD *sha256;
};

struct cache_key_maker *cache_key_maker_new(void)
{
    struct cache_key_maker *maker = calloc(1, sizeof *maker);
    must(maker != NULL);
    maker->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(maker->sha256 != NULL);
    return maker;
}

struct cache_key_maker *cache_key_maker_free(struct cache_key_maker *maker)
{
    if (maker == NULL)
        return NULL;
    EVP_MD_free(maker->sha256);
    free(maker);
    return NULL;
}

static void add(EVP_MD_CTX *context, struct span part)
{
    uint64_t len = htole64(part.len);
    must(EVP_DigestUpdate(context, &len, sizeof len) == 1);
    must(EVP_DigestUpdate(context, part.at, part.len) == 1);
}

void cache_key_make(const struct cache_key_maker *maker, const struct cache_key_parts *parts,
                    struct cache_key *key)
{
    unsigned len = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(context != NULL && EVP_DigestInit_ex(context, maker->sha256, NULL) == 1);
    add(context, parts->flow);
    add(context, parts->model);
    add(context, parts->prompt_version);
    add(context, span_of(parts->has_tenant ? "tenant" : "anonymous"));
    add(context, parts->has_tenant ? parts->tenant : SPAN_EMPTY);
    add(context, parts->request);
    must(EVP_DigestFinal_ex(context, key->bytes, &len) == 1 && len == sizeof key->bytes);
    EVP_MD_CTX_free(context);
}
