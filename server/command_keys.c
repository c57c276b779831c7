/* `weir keys new`: a random API key, shown once, and the line with its hash for API_KEYS_FILE. */
#include "server/command.h"
#include "shared/base/must.h"
#include "shared/base/tick.h"
#include "shared/policy/apikey.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <time.h>

enum { ID_LETTERS = 10, SECRET_LETTERS = 43 /* of 62: more than 256 bits */ };

/* `n` of the alphabet's letters, each as likely as the others. */
static bool random_letters(const char *alphabet, char *to, size_t n)
{
    size_t letters = strlen(alphabet), even = 256 - 256 % letters;
    for (size_t i = 0; i < n;) {
        unsigned char byte;
        if (RAND_bytes(&byte, 1) != 1)
            return false;
        if (byte < even)
            to[i++] = alphabet[byte % letters];
    }
    to[n] = '\0';
    return true;
}

static bool make_key(char id[ID_LETTERS + 1], char key[APIKEY_BYTES + 1])
{
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char secret[SECRET_LETTERS + 1];
    bool fine =
        random_letters(lower, id, ID_LETTERS) && random_letters(all, secret, SECRET_LETTERS);
    (void)snprintf(key, APIKEY_BYTES + 1, "weir_%s_%s", id, secret);
    OPENSSL_cleanse(secret, sizeof secret);
    return fine;
}

static int refuse(FILE *errors, const char *text)
{
    (void)fprintf(errors, "weir: %s\n", text);
    return 2;
}

/* A date is taken as it is, a duration counts from now. */
static bool read_expiry(const char *text, char date[32])
{
    int64_t seconds = 0;
    struct tm parts;
    if (apikey_parse_time(span_of(text), &seconds)) {
        (void)snprintf(date, 32, "%s", text);
        return true;
    }
    if (!command_duration(text, &seconds))
        return false;
    time_t at = (time_t)(tick_wall_ns() / 1000000000U) + (time_t)seconds;
    return gmtime_r(&at, &parts) != NULL && strftime(date, 32, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0;
}

static void print_line(FILE *out, const char *id, const char *key)
{
    unsigned char digest[APIKEY_DIGEST_BYTES];
    must(EVP_Digest(key, strlen(key), digest, NULL, EVP_sha256(), NULL) == 1);
    (void)fprintf(out, "key=%s sha256=", id);
    for (size_t i = 0; i < sizeof digest; i++)
        (void)fprintf(out, "%02x", digest[i]);
}

int command_keys_new(int argc, char **argv, FILE *out, FILE *errors)
{
    const char *tenant = NULL, *limit = NULL, *expires = NULL;
    char scopes[COMMAND_SCOPES_BYTES] = "", checked[COMMAND_SCOPES_BYTES], date[32] = "";
    char id[ID_LETTERS + 1], key[APIKEY_BYTES + 1];
    const struct command_option options[] = {{"tenant", &tenant, NULL},
                                             {"limit", &limit, NULL},
                                             {"expires", &expires, NULL},
                                             {"scope", NULL, scopes}};
    uint64_t count = 0, period_ms = 0;
    if (!command_read(argc, argv, 3, options, 4, errors))
        return 2;
    for (char *at = scopes; *at != '\0'; at++)
        if (*at == ' ')
            *at = ',';
    if (tenant == NULL || !apikey_tenant_is_fine(span_of(tenant)))
        return refuse(errors, "--tenant: a name without spaces is needed");
    if (!apikey_parse_scopes(span_of(scopes), checked))
        return refuse(errors, "--scope: flow:* or flow:<name> is needed, such as flow:tell_joke");
    if (limit != NULL && !apikey_parse_limit(span_of(limit), &count, &period_ms))
        return refuse(errors, "--limit: <count>/<second|minute|hour> is expected");
    if (expires != NULL && !read_expiry(expires, date))
        return refuse(errors, "--expires: a date such as 2027-01-31 or a time such as 90d is "
                              "expected");
    if (!make_key(id, key))
        return refuse(errors, "the system gives no random numbers");
    (void)fprintf(out, "# The key, shown this once; hand it to the caller:\n%s\n", key);
    (void)fputs("# The line for API_KEYS_FILE:\n", out);
    print_line(out, id, key);
    (void)fprintf(out, " tenant=%s scopes=%s", tenant, scopes);
    if (limit != NULL)
        (void)fprintf(out, " limit=%s", limit);
    if (expires != NULL)
        (void)fprintf(out, " expires=%s", date);
    (void)fputc('\n', out);
    OPENSSL_cleanse(key, sizeof key);
    return 0;
}
