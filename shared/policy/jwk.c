#include "shared/policy/jwk.h"

#include "shared/policy/base64url.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

enum { COORDINATE_BYTES = 32, MOST_NUMBER_BYTES = KEY_RSA_MOST_BITS / 8 };

/* A text member; empty when it is absent or something else. */
static struct span text_of(const json_t *jwk, const char *name)
{
    const json_t *member = json_object_get(jwk, name);
    return json_is_string(member) ? span_make(json_string_value(member), json_string_length(member))
                                  : SPAN_EMPTY;
}

static bool is_for_verifying(const json_t *jwk)
{
    const json_t *use = json_object_get(jwk, "use");
    const json_t *operations = json_object_get(jwk, "key_ops");
    bool fine = operations == NULL;
    for (size_t i = 0; i < json_array_size(operations); i++)
        fine |= json_is_string(json_array_get(operations, i)) &&
                strcmp(json_string_value(json_array_get(operations, i)), "verify") == 0;
    return fine && (use == NULL || span_is(text_of(jwk, "use"), "sig"));
}

/* What the key says it is for; all when it does not say. 0: something that is not ours. */
static algorithm_set only_of(const json_t *jwk)
{
    const json_t *named = json_object_get(jwk, "alg");
    enum algorithm algorithm = algorithm_find(text_of(jwk, "alg"));
    if (named == NULL)
        return algorithm_bit(ALGORITHM_COUNT) - 1;
    return algorithm < ALGORITHM_COUNT ? algorithm_bit(algorithm) : 0;
}

static bool bytes_of(const json_t *jwk, const char *name, uint8_t *to, size_t most, size_t *len)
{
    struct span text = text_of(jwk, name);
    return text.len > 0 && base64url_bytes(text.len) <= most + 2 &&
           base64url_decode(text, to, len) && *len <= most;
}

static EVP_PKEY *from_data(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    must(params != NULL && context != NULL);
    if (EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        ERR_clear_error();
        key = NULL;
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *read_rsa(const json_t *jwk)
{
    uint8_t n_bytes[MOST_NUMBER_BYTES + 4], e_bytes[16];
    size_t n_len = 0, e_len = 0;
    if (!bytes_of(jwk, "n", n_bytes, MOST_NUMBER_BYTES, &n_len) ||
        !bytes_of(jwk, "e", e_bytes, 8, &e_len))
        return NULL;
    BIGNUM *n = BN_bin2bn(n_bytes, (int)n_len, NULL);
    BIGNUM *e = BN_bin2bn(e_bytes, (int)e_len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    must(n != NULL && e != NULL && build != NULL);
    must(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1);
    must(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1);
    EVP_PKEY *key = from_data("RSA", build);
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(e);
    return key;
}

static EVP_PKEY *read_ec(const json_t *jwk)
{
    uint8_t point[1 + 2 * COORDINATE_BYTES + 4] = {4}; /* uncompressed */
    size_t x_len = 0, y_len = 0;
    if (!span_is(text_of(jwk, "crv"), "P-256") ||
        !bytes_of(jwk, "x", point + 1, COORDINATE_BYTES, &x_len) || x_len != COORDINATE_BYTES ||
        !bytes_of(jwk, "y", point + 1 + COORDINATE_BYTES, COORDINATE_BYTES, &y_len) ||
        y_len != COORDINATE_BYTES)
        return NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    must(build != NULL);
    must(OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1);
    must(OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point,
                                          1 + 2 * COORDINATE_BYTES) == 1);
    EVP_PKEY *key = from_data("EC", build); /* refuses a point off the curve */
    OSSL_PARAM_BLD_free(build);
    return key;
}

static EVP_PKEY *read_okp(const json_t *jwk)
{
    uint8_t x[COORDINATE_BYTES + 4];
    size_t len = 0;
    if (!span_is(text_of(jwk, "crv"), "Ed25519") ||
        !bytes_of(jwk, "x", x, COORDINATE_BYTES, &len) || len != COORDINATE_BYTES)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, len);
}

struct key *jwk_read(const json_t *jwk, const char **problem)
{
    struct span type = text_of(jwk, "kty");
    const json_t *id = json_object_get(jwk, "kid");
    EVP_PKEY *key = NULL;
    *problem = NULL;
    if (!json_is_object(jwk) || (id != NULL && text_of(jwk, "kid").len == 0))
        *problem = "something that is not a JSON Web Key";
    else if (json_object_get(jwk, "d") != NULL || json_object_get(jwk, "k") != NULL)
        *problem = "a key that should have been kept secret";
    else if (!is_for_verifying(jwk))
        *problem = "a key that is not for verifying signatures";
    if (*problem != NULL)
        return NULL;
    if (span_is(type, "RSA"))
        key = read_rsa(jwk);
    else if (span_is(type, "EC"))
        key = read_ec(jwk);
    else if (span_is(type, "OKP"))
        key = read_okp(jwk);
    if (key == NULL) {
        *problem = "a key that is no public key of a known type";
        return NULL;
    }
    return key_new(key, text_of(jwk, "kid"), only_of(jwk), problem);
}
