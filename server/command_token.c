/* `weir token`: a signed token for development, made by libjwt. Debug builds only: whoever issues
 * tokens in earnest is not this program. */
#include "server/command.h"
#include "server/config.h"
#include "shared/base/tick.h"

#include <errno.h>
#include <jwt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>

struct wanted {
    const char *subject, *tenant, *ttl, *issuer, *audience, *key_id, *key_file, *secret_file;
    char scopes[COMMAND_SCOPES_BYTES];
};

static int refuse(FILE *errors, const char *text)
{
    (void)fprintf(errors, "weir: %s\n", text);
    return 2;
}

/* What the private key signs with; JWT_ALG_NONE when it is of no use here. */
static jwt_alg_t algorithm_of(const char *pem, size_t len)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    must(bio != NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    jwt_alg_t algorithm = JWT_ALG_NONE;
    if (key != NULL && EVP_PKEY_is_a(key, "RSA"))
        algorithm = JWT_ALG_RS256;
    else if (key != NULL && EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) == 256)
        algorithm = JWT_ALG_ES256;
    EVP_PKEY_free(key);
    BIO_free(bio);
    return algorithm;
}

static bool add_text(jwt_t *jwt, const char *name, const char *value)
{
    return value == NULL || value[0] == '\0' || jwt_add_grant(jwt, name, value) == 0;
}

/* NULL when libjwt cannot; to be freed. */
static char *sign(const struct wanted *wanted, int64_t ttl_s, jwt_alg_t algorithm, const char *key,
                  size_t len)
{
    jwt_t *jwt = NULL;
    char *token = NULL;
    long now_s = (long)(tick_wall_ns() / 1000000000U);
    if (jwt_new(&jwt) != 0)
        return NULL;
    if (add_text(jwt, "sub", wanted->subject) && add_text(jwt, "tenant", wanted->tenant) &&
        add_text(jwt, "scope", wanted->scopes) && add_text(jwt, "iss", wanted->issuer) &&
        add_text(jwt, "aud", wanted->audience) && jwt_add_grant_int(jwt, "iat", now_s) == 0 &&
        jwt_add_grant_int(jwt, "exp", now_s + (long)ttl_s) == 0 &&
        (wanted->key_id == NULL || jwt_add_header(jwt, "kid", wanted->key_id) == 0) &&
        jwt_set_alg(jwt, algorithm, (const unsigned char *)key, (int)len) == 0)
        token = jwt_encode_str(jwt);
    jwt_free(jwt);
    return token;
}

static int print_token(const struct wanted *wanted, int64_t ttl_s, FILE *out, FILE *errors)
{
    char error[CONFIG_ERROR_BYTES] = "";
    bool open_to_others = false, missing = false;
    size_t len = 0;
    const char *path = wanted->key_file != NULL ? wanted->key_file : wanted->secret_file;
    char *key = config_read_file(path, &len, &open_to_others, &missing, error);
    if (key == NULL)
        return refuse(errors, error);
    jwt_alg_t algorithm = JWT_ALG_HS256;
    if (wanted->key_file != NULL)
        algorithm = algorithm_of(key, len);
    while (wanted->secret_file != NULL && len > 0 && (key[len - 1] == '\n' || key[len - 1] == '\r'))
        key[--len] = '\0';
    char *token = algorithm != JWT_ALG_NONE ? sign(wanted, ttl_s, algorithm, key, len) : NULL;
    OPENSSL_cleanse(key, len);
    free(key);
    if (token == NULL)
        return refuse(errors, "--key-file: a private RSA or P-256 key (PEM) is needed");
    (void)fprintf(out, "%s\n", token);
    free(token);
    return 0;
}

int command_token(int argc, char **argv, FILE *out, FILE *errors)
{
    struct wanted wanted = {0};
    int64_t ttl_s = 3600;
    const struct command_option options[] = {
        {"sub", &wanted.subject, NULL},       {"tenant", &wanted.tenant, NULL},
        {"ttl", &wanted.ttl, NULL},           {"issuer", &wanted.issuer, NULL},
        {"audience", &wanted.audience, NULL}, {"kid", &wanted.key_id, NULL},
        {"key-file", &wanted.key_file, NULL}, {"secret-file", &wanted.secret_file, NULL},
        {"scope", NULL, wanted.scopes},
    };
    if (!command_read(argc, argv, 2, options, sizeof options / sizeof options[0], errors))
        return 2;
    if (wanted.subject == NULL || (wanted.key_file == NULL) == (wanted.secret_file == NULL))
        return refuse(errors, "usage: weir token --sub NAME --key-file PRIVATE.pem | --secret-file "
                              "FILE\n                  [--scope SCOPE]... [--tenant NAME] [--ttl "
                              "1h] [--issuer I]\n                  [--audience A] [--kid ID]");
    if (wanted.ttl != NULL && !command_duration(wanted.ttl, &ttl_s))
        return refuse(errors, "--ttl: a time such as 30m, 1h or 7d is expected");
    return print_token(&wanted, ttl_s, out, errors);
}
