/* Which settings of identity are refused, and by which name. */
#include "server/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct config config;
static char error[CONFIG_ERROR_BYTES];

static void begin(void)
{
    config = (struct config){0};
    for (size_t i = 0; i < CONFIG_COUNT_OF_SETTINGS; i++)
        assert_true(config_parse(&config, i, config_rows[i].initial, error));
    config.auth_mode = "required";
}

static void assert_fine(void)
{
    if (!config_check_identity(&config, error))
        fail_msg("%s", error);
}

static void assert_refused(const char *setting)
{
    error[0] = '\0';
    assert_false(config_check_identity(&config, error));
    if (strncmp(error, setting, strlen(setting)) != 0 || error[strlen(setting)] != ':')
        fail_msg("\"%s\" does not name %s", error, setting);
}

#define SECRET "0123456789abcdef0123456789abcdef"

static void test_one_way_is_needed(void **state)
{
    (void)state;
    begin();
    assert_refused("AUTH_MODE");
    config.auth_mode = "none";
    assert_fine();
    begin();
    config.jwt_issuer = config.jwt_audience = "x"; /* no way to know anybody by */
    assert_refused("AUTH_MODE");
    config.jwt_jwks_url = "https://issuer.example/keys";
    assert_fine();
    begin();
    config.jwt_public_key_url = "https://issuer.example/key?name=weir";
    assert_fine();
    begin();
    config.jwt_secret = SECRET;
    config.jwt_algorithms = "HS256";
    assert_fine();
    begin();
    config.tls_client_ca_file = "/etc/weir/clients.pem";
    assert_fine();
}

static void test_scopes_of_certificates(void **state)
{
    static const char *const refused[] = {"", "flow:", "flow:*,", "tell_joke", "flow:* flow:x"};
    char long_one[5000] = "flow:";
    (void)state;
    begin();
    config.tls_client_ca_file = "/etc/weir/clients.pem";
    config.tls_client_scopes = "flow:tell_joke,flow:tell_story";
    assert_fine();
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        config.tls_client_scopes = refused[i];
        assert_refused("TLS_CLIENT_SCOPES");
    }
    memset(long_one + 5, 'x', sizeof long_one - 6);
    config.tls_client_scopes = long_one;
    assert_refused("TLS_CLIENT_SCOPES");
}

static void test_bad_settings_are_refused_with_auth_off_too(void **state)
{
    (void)state;
    begin();
    config.auth_mode = "none";
    config.jwt_jwks_url = "http://issuer.example/keys";
    assert_refused("JWT_JWKS_URL");
}

static void test_urls(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "http://issuer.example/",     "ftp://issuer.example",      "issuer.example",
        "https://a:b@issuer.example", "https://issuer.example/#x", "https://"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        begin();
        config.jwt_jwks_url = refused[i];
        assert_refused("JWT_JWKS_URL");
        begin();
        config.jwt_public_key_url = refused[i];
        assert_refused("JWT_PUBLIC_KEY_URL");
    }
    begin();
    config.jwt_jwks_url = "http://127.0.0.1:8000/keys";
    assert_fine();
}

static void test_one_source(void **state)
{
    (void)state;
    begin();
    config.jwt_jwks_url = config.jwt_public_key_url = "https://issuer.example/";
    assert_refused("JWT_JWKS_URL");
    begin();
    config.jwt_public_key_file = "/nowhere";
    config.jwt_public_key_url = "https://issuer.example/";
    assert_refused("JWT_PUBLIC_KEY_URL");
    begin();
    config.jwt_public_key_file = "/nowhere";
    assert_refused("JWT_PUBLIC_KEY_FILE");
    begin();
    config.api_keys_file = "/nowhere";
    assert_refused("API_KEYS_FILE");
    begin();
    config.jwt_jwks_url = "https://issuer.example/";
    config.jwt_ca_file = "/nowhere";
    assert_refused("JWT_CA_FILE");
}

static void test_algorithms(void **state)
{
    (void)state;
    static const struct {
        const char *url, *secret, *algorithms, *setting;
    } cases[] = {
        {"https://issuer.example/", "", "RS256, ES256,PS256,EdDSA", NULL},
        {"https://issuer.example/", SECRET, "RS256,HS256", NULL},
        {"https://issuer.example/", "", "none", "JWT_ALGORITHMS"},
        {"https://issuer.example/", "", "", "JWT_ALGORITHMS"},
        {"https://issuer.example/", "", "rs256", "JWT_ALGORITHMS"},
        {"https://issuer.example/", "", "RS256,RS256", "JWT_ALGORITHMS"},
        {"https://issuer.example/", "", "RS256,", "JWT_ALGORITHMS"},
        {"https://issuer.example/", "", "RS256,HS256", "JWT_ALGORITHMS"},
        {"https://issuer.example/", SECRET, "HS256", "JWT_ALGORITHMS"},
        {"https://issuer.example/", SECRET, "RS256", "JWT_SECRET"},
        {"", "0123456789abcdef0123456789abcde", "HS256", "JWT_SECRET"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin();
        config.jwt_jwks_url = cases[i].url;
        config.jwt_secret = cases[i].secret;
        config.jwt_algorithms = cases[i].algorithms;
        if (cases[i].setting == NULL)
            assert_fine();
        else
            assert_refused(cases[i].setting);
        assert_null(strstr(error, "0123456789"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_way_is_needed),
        cmocka_unit_test(test_scopes_of_certificates),
        cmocka_unit_test(test_bad_settings_are_refused_with_auth_off_too),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_one_source),
        cmocka_unit_test(test_algorithms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
