/* What the mode decides, and what must be safe before anything is served. */
#include "server/config.h"
#include "shared/llm/dialect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct config config;
static char error[CONFIG_ERROR_BYTES];
static char *const nothing[] = {NULL};

/* All defaults, completed; then `config` may be changed. */
static void begin(bool debug, char *const *environment)
{
    config = (struct config){0};
    for (size_t i = 0; i < CONFIG_COUNT_OF_SETTINGS; i++)
        assert_true(config_parse(&config, i, config_rows[i].initial, error));
    config.debug = debug;
    config_complete(&config, environment);
}

static bool check(void)
{
    error[0] = '\0';
    bool fine = config_check(&config, error);
    assert_int_equal(fine, error[0] == '\0');
    return fine;
}

static bool names(const char *setting)
{
    return strncmp(error, setting, strlen(setting)) == 0 && error[strlen(setting)] == ':';
}

static void begin_safe(void)
{
    begin(false, nothing);
    config.auth_mode = "none";
    config.llm_provider = "offline";
    assert_true(check());
}

static void test_production_is_locked(void **state)
{
    (void)state;
    begin(false, nothing);
    assert_string_equal(config.host, "0.0.0.0");
    assert_string_equal(config.log_format, "json");
    assert_string_equal(config.auth_mode, "required");
    assert_string_equal(config.llm_provider, "auto");
    assert_false(check());
    assert_true(names("AUTH_MODE"));
    config.auth_mode = "none";
    assert_false(check());
    assert_true(names("LLM_PROVIDER"));
    config.llm_provider = "offline";
    assert_true(check());
}

static void test_debug(void **state)
{
    (void)state;
    begin(true, nothing);
    assert_string_equal(config.host, "127.0.0.1");
    assert_string_equal(config.log_format, "console");
    assert_string_equal(config.auth_mode, "none");
    assert_string_equal(config.llm_provider, "offline");
#ifdef WEIR_DEBUG_SURFACE
    assert_true(check());
    config.auth_mode = "required"; /* said out loud, and not to be had */
    assert_false(check());
    assert_true(names("AUTH_MODE"));
#else
    assert_false(check());
    assert_true(names("DEBUG"));
    assert_non_null(strstr(error, "the debug surface is not part of release builds"));
#endif
}

static void test_what_was_said_stays(void **state)
{
    (void)state;
    config = (struct config){0};
    for (size_t i = 0; i < CONFIG_COUNT_OF_SETTINGS; i++)
        assert_true(config_parse(&config, i, config_rows[i].initial, error));
    config.debug = true;
    config.host = "::";
    config.log_format = "json";
    config.auth_mode = "required";
    config.workers = 7;
    config.llm_base_url = "http://localhost:11434/v1";
    config_complete(&config, nothing);
    assert_string_equal(config.host, "::");
    assert_string_equal(config.log_format, "json");
    assert_string_equal(config.auth_mode, "required");
    assert_int_equal(config.workers, 7);
    assert_string_equal(config.llm_provider, "openai");
    assert_string_equal(config.llm_base_url, "http://localhost:11434/v1");
}

static void test_single_port_on_cloud_run(void **state)
{
    (void)state;
    char service[] = "K_SERVICE=weir", empty[] = "K_SERVICE=", like[] = "K_SERVICES=weir";
    static const struct {
        bool said, port, single;
    } rows[] = {{false, true, true}, {false, false, false}, {true, true, false}};
    for (size_t i = 0; i < 3; i++) {
        config = (struct config){0};
        for (size_t s = 0; s < CONFIG_COUNT_OF_SETTINGS; s++)
            assert_true(config_parse(&config, s, config_rows[s].initial, error));
        config.source[CONFIG_PORT] = rows[i].port ? CONFIG_FROM_ENVIRONMENT : CONFIG_FROM_DEFAULT;
        config.source[CONFIG_SINGLE_PORT] = rows[i].said ? CONFIG_FROM_FLAG : CONFIG_FROM_DEFAULT;
        config_complete(&config, (char *const[]){service, NULL});
        assert_int_equal(config.single_port, rows[i].single);
        config_complete(&config, (char *const[]){empty, like, NULL});
        assert_false(config.single_port);
    }
}

static void test_http2_on_a_single_port(void **state)
{
    (void)state;
    begin_safe();
    config.rest_http2 = true;
    assert_true(check());
    config.single_port = true;
    assert_false(check());
    assert_true(names("REST_HTTP2"));
    config.no_grpc = true;
    assert_true(check());
}

static void test_one_port_twice(void **state)
{
    (void)state;
    begin_safe();
    config.port = config.grpc_port = 8080;
    assert_false(check());
    assert_true(names("GRPC_PORT"));
    config.single_port = true;
    assert_true(check());
    config.single_port = false;
    config.no_grpc = true;
    assert_true(check());
    config.no_grpc = false;
    config.port = config.grpc_port = 0;
    assert_true(check());
}

static void test_keys(void **state)
{
    (void)state;
    begin_safe();
    config.llm_provider = "openai";
    assert_false(check());
    assert_true(names("OPENAI_API_KEY"));
    config.openai_api_key = "sk-4711";
    assert_true(check());
    config.openai_api_key = "";
    config.llm_base_url = "https://llm.example.com/v1";
    assert_true(check());
    config.llm_ca_file = "/nonexistent/ca.pem";
    assert_false(check());
    assert_true(names("LLM_CA_FILE"));
    config.llm_ca_file = "/dev/null";
    assert_true(check());
    config.exposed[0] = 'x';
    assert_false(check());
    assert_true(names("x"));
}

static void test_providers(void **state)
{
    static const struct {
        const char *openai, *gemini, *anthropic, *url, *provider, *model;
    } rows[] = {
        {"k", "", "", "", "openai", "gpt-4o-mini"},
        {"", "k", "", "", "gemini", "gemini-2.5-flash"},
        {"", "", "k", "", "anthropic", "claude-sonnet-4-5"},
        {"", "k", "k", "", "gemini", "gemini-2.5-flash"},
        {"k", "k", "k", "", "openai", "gpt-4o-mini"},
        {"", "k", "", "http://localhost:11434/v1", "openai", "gpt-4o-mini"},
        {"", "", "", "", "auto", "gpt-4o-mini"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        config = (struct config){0};
        for (size_t j = 0; j < CONFIG_COUNT_OF_SETTINGS; j++)
            assert_true(config_parse(&config, j, config_rows[j].initial, error));
        config.auth_mode = "none";
        config.openai_api_key = rows[i].openai;
        config.gemini_api_key = rows[i].gemini;
        config.anthropic_api_key = rows[i].anthropic;
        config.llm_base_url = rows[i].url;
        config_complete(&config, nothing);
        assert_string_equal(config.llm_provider, rows[i].provider);
        assert_string_equal(config.llm_model, rows[i].model);
        assert_int_equal(config.llm_unsaid, strcmp(rows[i].provider, "auto") == 0);
    }
    static const char *const keys[] = {"OPENAI_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY"};
    static const char *const names_of[] = {"openai", "gemini", "anthropic"};
    for (size_t i = 0; i < 3; i++) {
        begin_safe();
        config.llm_provider = names_of[i];
        config.llm_base_url = dialect_find(span_of(names_of[i]))->usual_url;
        assert_false(check());
        assert_true(names(keys[i]));
        config.credentials_url = "https://keys.example.com"; /* has it */
        assert_false(check());
        assert_true(names("CREDENTIALS_TOKEN"));
        config.credentials_token = "t";
        assert_true(check());
        config.credentials_url = "http://keys.example.com";
        assert_false(check());
        assert_true(names("CREDENTIALS_URL"));
    }
}

static void test_fallbacks(void **state)
{
    (void)state;
    begin_safe();
    config.llm_provider = "openai";
    config.openai_api_key = "k";
    config.llm_base_url = "https://llm.example.com/v1";
    static const char *const bad[] = {
        "mistral:x",                           /* nobody's name */
        "gemini:gemini-2.5-flash",             /* no key */
        "openai:gpt-4o",                       /* would get the key of llm.example.com */
        "openai:x@http://llm2.example.com/v1", /* no TLS */
        "openai:x@https://user:pw@llm2.example.com/v1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        config.llm_fallbacks = bad[i];
        if (check())
            fail_msg("%s", bad[i]);
        assert_null(strstr(error, "pw"));
    }
    config.llm_fallbacks = "openai:x@https://llm2.example.com/v1, openai:y@http://127.0.0.1:1/v1";
    assert_true(check());
    config.llm_fallbacks = "gemini:gemini-2.5-flash";
    config.gemini_api_key = "k";
    assert_true(check());
    config.llm_base_url = dialect_openai.usual_url;
    config.llm_fallbacks = "openai:gpt-4o";
    assert_true(check());
}

static void test_urls(void **state)
{
    (void)state;
    static const char *const good[] = {
        "https://api.openai.com/v1",
        "https://llm.example.com",
        "https://llm.example.com:8443/a/b@c",
        "https://10.0.0.1/v1",
        "https://[2001:db8::1]:8443/v1",
        "HTTPS://llm/v1",
        "https://my_host/v1",
        "http://localhost:11434/v1",
        "http://LOCALHOST",
        "http://127.0.0.1/v1",
        "http://127.255.255.254:1",
        "http://[::1]:11434/v1",
        "http://[::1]",
    };
    static const char *const bad[] = {
        "",
        "not a url",
        "api.openai.com/v1",
        "ftp://127.0.0.1/v1",
        "file:///etc/passwd",
        "https://",
        "https:///v1",
        "https://:443/v1",
        "https://host:/v1",
        "https://host:port/v1",
        "https://host:123456/v1",
        "https://[::1/v1",
        "https://[::1]x/v1",
        "https://user:pw@llm.example.com/v1",
        "https://user@llm.example.com/v1",
        "https://llm.example.com/v1?key=4711",
        "https://llm.example.com/v1#x",
        "https://llm.example.com\\@evil.example.com/",
        "https://llm.example.com/a b",
        "https://llm\xc3\xa9.example.com/",
        "http://llm.example.com/v1",
        "http://10.0.0.1/v1",
        "http://0.0.0.0/v1",
        "http://128.0.0.1/v1",
        "http://127.0.0.1.example.com/v1",
        "http://127.0.0.1@example.com/v1",
        "http://user:pw@127.0.0.1@example.com/v1",
        "http://127.1/v1",
        "http://0127.0.0.1/v1",
        "http://localhost.example.com/",
        "http://localhost@example.com/",
        "http://localhosts/",
        "http://[::1].example.com/",
        "http://[::2]/",
        "http://[fe80::1]/",
        "http://2130706433/",
    };
    begin_safe();
    config.llm_provider = "openai";
    config.openai_api_key = "sk-4711";
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        config.llm_base_url = good[i];
        if (!check())
            fail_msg("%s: %s", good[i], error);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        config.llm_base_url = bad[i];
        if (check())
            fail_msg("%s", bad[i]);
        assert_true(names("LLM_BASE_URL"));
        assert_null(strstr(error, "pw"));
    }
    config.llm_provider = "offline"; /* nobody goes there */
    assert_true(check());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_production_is_locked),
        cmocka_unit_test(test_debug),
        cmocka_unit_test(test_what_was_said_stays),
        cmocka_unit_test(test_single_port_on_cloud_run),
        cmocka_unit_test(test_one_port_twice),
        cmocka_unit_test(test_http2_on_a_single_port),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_providers),
        cmocka_unit_test(test_fallbacks),
        cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
