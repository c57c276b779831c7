#include "tests/unit/policy/mint.h"

#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

EVP_PKEY *mint_rsa(unsigned bits)
{
    EVP_PKEY *key = EVP_RSA_gen(bits);
    assert_non_null(key);
    return key;
}

EVP_PKEY *mint_ec(const char *group)
{
    EVP_PKEY *key = EVP_EC_gen(group);
    assert_non_null(key);
    return key;
}

EVP_PKEY *mint_ed25519(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_non_null(key);
    return key;
}

static char *text_of(BIO *bio)
{
    char *at = NULL;
    long len = BIO_get_mem_data(bio, &at);
    char *text = strndup(at, (size_t)len);
    BIO_free(bio);
    return text;
}

char *mint_public_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    return text_of(bio);
}

char *mint_private_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    return text_of(bio);
}

char *mint_base64url(const void *bytes, size_t len)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *from = bytes;
    char *text = malloc(len * 4 / 3 + 4), *to = text;
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        unsigned value = (unsigned)from[i] << 16;
        value |= n > 1 ? (unsigned)from[i + 1] << 8 : 0;
        value |= n > 2 ? from[i + 2] : 0;
        for (size_t j = 0; j <= n; j++)
            *to++ = letters[value >> (18 - 6 * j) & 63];
    }
    *to = '\0';
    return text;
}

static char *number(EVP_PKEY *key, const char *name, int least)
{
    BIGNUM *value = NULL;
    unsigned char bytes[1100];
    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &value), 1);
    int len = least > 0 ? BN_bn2binpad(value, bytes, least) : BN_bn2bin(value, bytes);
    BN_free(value);
    return mint_base64url(bytes, (size_t)len);
}

char *mint_jwk(EVP_PKEY *key, const char *id, const char *more)
{
    char *a = NULL, *b = NULL, *text = NULL;
    unsigned char raw[32];
    size_t len = sizeof raw;
    int made = -1;
    if (EVP_PKEY_is_a(key, "RSA")) {
        a = number(key, OSSL_PKEY_PARAM_RSA_N, 0);
        b = number(key, OSSL_PKEY_PARAM_RSA_E, 0);
        made = asprintf(&text, "{\"kty\":\"RSA\",\"kid\":\"%s\",\"n\":\"%s\",\"e\":\"%s\"%s}", id,
                        a, b, more);
    } else if (EVP_PKEY_is_a(key, "EC")) {
        a = number(key, OSSL_PKEY_PARAM_EC_PUB_X, 32);
        b = number(key, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
        made = asprintf(
            &text, "{\"kty\":\"EC\",\"kid\":\"%s\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"%s}",
            id, a, b, more);
    } else {
        assert_int_equal(EVP_PKEY_get_raw_public_key(key, raw, &len), 1);
        a = mint_base64url(raw, len);
        made =
            asprintf(&text, "{\"kty\":\"OKP\",\"kid\":\"%s\",\"crv\":\"Ed25519\",\"x\":\"%s\"%s}",
                     id, a, more);
    }
    assert_true(made > 0);
    free(a);
    free(b);
    return text;
}

/* DER -> r || s. */
static size_t flatten(unsigned char *signature, size_t len)
{
    const unsigned char *at = signature;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)len);
    assert_non_null(pair);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + 32, 32), 32);
    ECDSA_SIG_free(pair);
    return 64;
}

static size_t sign(const char *text, enum algorithm algorithm, EVP_PKEY *key, const char *secret,
                   unsigned char signature[1100])
{
    EVP_PKEY_CTX *options = NULL;
    size_t len = 1100;
    unsigned hmac_len = 0;
    if (algorithm == ALGORITHM_COUNT)
        return 0;
    if (algorithm == ALGORITHM_HS256) {
        assert_non_null(HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text,
                             strlen(text), signature, &hmac_len));
        return hmac_len;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, &options,
                                        algorithm == ALGORITHM_EDDSA ? NULL : EVP_sha256(), NULL,
                                        key),
                     1);
    if (algorithm == ALGORITHM_PS256) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    assert_int_equal(
        EVP_DigestSign(context, signature, &len, (const unsigned char *)text, strlen(text)), 1);
    EVP_MD_CTX_free(context);
    return algorithm == ALGORITHM_ES256 ? flatten(signature, len) : len;
}

char *mint_token(const char *header, const char *payload, enum algorithm algorithm, EVP_PKEY *key,
                 const char *secret)
{
    unsigned char signature[1100];
    char *first = mint_base64url(header, strlen(header));
    char *second = mint_base64url(payload, strlen(payload));
    char *text = NULL, *token = NULL;
    assert_true(asprintf(&text, "%s.%s", first, second) > 0);
    size_t len = sign(text, algorithm, key, secret, signature);
    char *third = mint_base64url(signature, len);
    assert_true(asprintf(&token, "%s.%s", text, third) > 0);
    free(first);
    free(second);
    free(third);
    free(text);
    return token;
}

char *mint_by_libjwt(enum algorithm algorithm, const char *key_text, const char *claim,
                     const char *value, int64_t expires_s)
{
    static const jwt_alg_t algorithms[ALGORITHM_COUNT] = {[ALGORITHM_RS256] = JWT_ALG_RS256,
                                                          [ALGORITHM_ES256] = JWT_ALG_ES256,
                                                          [ALGORITHM_HS256] = JWT_ALG_HS256};
    jwt_t *jwt = NULL;
    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_add_grant(jwt, "sub", "Ada"), 0);
    assert_int_equal(jwt_add_grant(jwt, claim, value), 0);
    assert_int_equal(jwt_add_grant_int(jwt, "exp", expires_s), 0);
    assert_int_equal(jwt_set_alg(jwt, algorithms[algorithm], (const unsigned char *)key_text,
                                 (int)strlen(key_text)),
                     0);
    char *made = jwt_encode_str(jwt);
    assert_non_null(made);
    char *token = strdup(made);
    free(made);
    jwt_free(jwt);
    return token;
}

int mint_libjwt_accepts(const char *token, const char *key_text)
{
    jwt_t *jwt = NULL;
    int end = jwt_decode(&jwt, token, (const unsigned char *)key_text, (int)strlen(key_text));
    jwt_free(jwt);
    ERR_clear_error();
    return end == 0;
}
