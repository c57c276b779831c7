#include "shared/policy/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdlib.h>

enum { ES256_BYTES = 64, ED25519_BYTES = 64, HS256_BYTES = 32, MOST_DER_BYTES = 80 };

struct key {
    struct span id; /* owned */
    algorithm_set fits;
    EVP_PKEY *public_key;               /* NULL for a secret */
    EVP_MD_CTX *ready[ALGORITHM_COUNT]; /* initialised for verifying; only ever copied */
    size_t signature_bytes;             /* of RSA: the modulus' */
    struct span secret;                 /* owned */
};

static struct span copy_of(struct span text)
{
    char *copy = malloc(text.len + 1);
    must(copy != NULL);
    if (text.len > 0)
        memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return span_make(copy, text.len);
}

/* An exponent of 1 would accept any signature. */
static const char *rsa_problem(EVP_PKEY *key)
{
    BIGNUM *e = NULL;
    int bits = EVP_PKEY_get_bits(key);
    if (bits < KEY_RSA_BITS)
        return "an RSA key of less than 2,048 bits";
    if (bits > KEY_RSA_MOST_BITS)
        return "an RSA key of more than 8,192 bits";
    bool fine = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) &&
                !BN_is_one(e) && BN_num_bits(e) <= 64;
    BN_free(e);
    return fine ? NULL : "an RSA key with an exponent that is not safe";
}

static const char *ec_problem(EVP_PKEY *key)
{
    char group[32] = "";
    size_t len = 0;
    if (EVP_PKEY_get_group_name(key, group, sizeof group, &len) != 1 ||
        strcmp(group, "prime256v1") != 0)
        return "an EC key that is not on the curve P-256";
    return NULL;
}

/* What fits the key's type, or what is wrong with it. */
static algorithm_set fits_of(EVP_PKEY *key, const char **problem)
{
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        *problem = rsa_problem(key);
        return algorithm_bit(ALGORITHM_RS256) | algorithm_bit(ALGORITHM_PS256);
    case EVP_PKEY_EC:
        *problem = ec_problem(key);
        return algorithm_bit(ALGORITHM_ES256);
    case EVP_PKEY_ED25519:
        *problem = NULL;
        return algorithm_bit(ALGORITHM_EDDSA);
    default:
        *problem = "a key that is neither RSA, nor EC, nor Ed25519";
        return 0;
    }
}

static EVP_MD_CTX *ready_for(EVP_PKEY *key, enum algorithm algorithm)
{
    EVP_MD_CTX *ready = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL; /* the context's */
    must(ready != NULL);
    bool fine = EVP_DigestVerifyInit(ready, &options, EVP_sha256(), NULL, key) == 1;
    if (fine && algorithm == ALGORITHM_PS256)
        fine = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(options, EVP_sha256()) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
    if (fine)
        return ready;
    EVP_MD_CTX_free(ready);
    return NULL;
}

struct key *key_new(EVP_PKEY *public_key, struct span id, algorithm_set only, const char **problem)
{
    algorithm_set fits = fits_of(public_key, problem) & only;
    if (*problem == NULL && fits == 0)
        *problem = "a key that does not fit the algorithm it names";
    if (*problem == NULL && id.len > KEY_ID_BYTES)
        *problem = "a key id of more than 256 bytes";
    if (*problem != NULL) {
        EVP_PKEY_free(public_key);
        ERR_clear_error();
        return NULL;
    }
    struct key *key = calloc(1, sizeof *key);
    must(key != NULL);
    key->id = copy_of(id);
    key->fits = fits;
    key->public_key = public_key;
    key->signature_bytes = (size_t)EVP_PKEY_get_size(public_key);
    for (unsigned i = 0; i < ALGORITHM_COUNT; i++) {
        /* One-shot only: Ed25519 has no state worth copying. */
        if ((fits & algorithm_bit((enum algorithm)i)) == 0 || i == ALGORITHM_EDDSA)
            continue;
        key->ready[i] = ready_for(public_key, (enum algorithm)i);
        if (key->ready[i] == NULL) {
            *problem = "a key that cannot be used for verifying";
            ERR_clear_error();
            return key_free(key);
        }
    }
    return key;
}

struct key *key_new_secret(struct span secret, const char **problem)
{
    *problem = secret.len < KEY_SECRET_BYTES ? "a secret of less than 32 bytes" : NULL;
    if (*problem != NULL)
        return NULL;
    struct key *key = calloc(1, sizeof *key);
    must(key != NULL);
    key->id = copy_of(SPAN_EMPTY);
    key->fits = algorithm_bit(ALGORITHM_HS256);
    key->secret = copy_of(secret);
    return key;
}

/* The field is const for its readers alone. */
static void free_span(struct span text, bool wipe)
{
    char *at = (char *)(uintptr_t)text.at;
    if (wipe && at != NULL)
        OPENSSL_cleanse(at, text.len);
    free(at);
}

struct key *key_free(struct key *key)
{
    if (key == NULL)
        return NULL;
    for (unsigned i = 0; i < ALGORITHM_COUNT; i++)
        EVP_MD_CTX_free(key->ready[i]);
    EVP_PKEY_free(key->public_key);
    free_span(key->id, false);
    free_span(key->secret, true);
    free(key);
    return NULL;
}

struct span key_id(const struct key *key)
{
    return key->id;
}

algorithm_set key_algorithms(const struct key *key)
{
    return key->fits;
}

/* r || s as tokens have it -> DER as OpenSSL wants it. Returns its length, 0 when it cannot be. */
static size_t der_of(const unsigned char *signature, unsigned char der[MOST_DER_BYTES])
{
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, ES256_BYTES / 2, NULL);
    BIGNUM *s = BN_bin2bn(signature + ES256_BYTES / 2, ES256_BYTES / 2, NULL);
    must(pair != NULL && r != NULL && s != NULL);
    must(ECDSA_SIG_set0(pair, r, s) == 1);
    int len = i2d_ECDSA_SIG(pair, NULL);
    if (len > 0 && len <= MOST_DER_BYTES)
        len = i2d_ECDSA_SIG(pair, &der);
    else
        len = 0;
    ECDSA_SIG_free(pair);
    return (size_t)len;
}

static bool verify_secret(const struct key *key, struct span text, const unsigned char *signature,
                          size_t len)
{
    unsigned char ours[EVP_MAX_MD_SIZE];
    unsigned ours_len = 0;
    bool same = len == HS256_BYTES &&
                HMAC(EVP_sha256(), key->secret.at, (int)key->secret.len,
                     (const unsigned char *)text.at, text.len, ours, &ours_len) != NULL &&
                ours_len == HS256_BYTES && CRYPTO_memcmp(ours, signature, HS256_BYTES) == 0;
    OPENSSL_cleanse(ours, sizeof ours);
    return same;
}

static bool verify_public(const struct key *key, enum algorithm algorithm, struct span text,
                          const unsigned char *signature, size_t len)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(context != NULL);
    bool ready = algorithm == ALGORITHM_EDDSA
                     ? EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->public_key) == 1
                     : EVP_MD_CTX_copy_ex(context, key->ready[algorithm]) == 1;
    bool fine = ready && EVP_DigestVerify(context, signature, len, (const unsigned char *)text.at,
                                          text.len) == 1;
    EVP_MD_CTX_free(context);
    if (!fine)
        ERR_clear_error();
    return fine;
}

bool key_verify(const struct key *key, enum algorithm algorithm, struct span signed_text,
                const unsigned char *signature, size_t len)
{
    unsigned char der[MOST_DER_BYTES];
    if ((key->fits & algorithm_bit(algorithm)) == 0)
        return false;
    switch (algorithm) {
    case ALGORITHM_HS256:
        return verify_secret(key, signed_text, signature, len);
    case ALGORITHM_ES256:
        if (len != ES256_BYTES)
            return false;
        len = der_of(signature, der);
        signature = der;
        return len > 0 && verify_public(key, algorithm, signed_text, signature, len);
    case ALGORITHM_EDDSA:
        return len == ED25519_BYTES && verify_public(key, algorithm, signed_text, signature, len);
    case ALGORITHM_RS256:
    case ALGORITHM_PS256:
        return len == key->signature_bytes &&
               verify_public(key, algorithm, signed_text, signature, len);
    case ALGORITHM_COUNT:
        break;
    }
    return false;
}
