#include "server/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct config config;
static char error[CONFIG_ERROR_BYTES];

static bool parse(size_t index, const char *text)
{
    error[0] = '\0';
    return config_parse(&config, index, text, error);
}

/* Every row is fit for use: its default parses, its name is found, its choices can be read. */
static void test_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIG_COUNT_OF_SETTINGS; i++) {
        const struct config_row *row = &config_rows[i];
        assert_int_equal(config_find(span_of(row->name)), i);
        if (!parse(i, row->initial))
            fail_msg("%s: %s", row->name, error);
        assert_true(row->least <= row->most);
        assert_true(strlen(row->help) > 0 && strlen(row->group) > 0);
        if (row->kind == CONFIG_CHOICE)
            assert_true(row->help[0] == '[' && strchr(row->help, ']') != NULL);
    }
    assert_int_equal(config_find(span_of("port")), CONFIG_COUNT_OF_SETTINGS);
    assert_int_equal(config_find(span_of("")), CONFIG_COUNT_OF_SETTINGS);
    assert_int_equal(config_find(span_of("POR")), CONFIG_COUNT_OF_SETTINGS);
    assert_int_equal(config_find(span_of("PORTT")), CONFIG_COUNT_OF_SETTINGS);
}

static void test_counts(void **state)
{
    (void)state;
    static const char *const bad[] = {"65536",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "0x50",
                                      "1e3",
                                      "8080\n",
                                      "http",
                                      "99999999999999999999999999",
                                      "18446744073709551617"};
    assert_true(parse(CONFIG_PORT, "0"));
    assert_int_equal(config.port, 0);
    assert_true(parse(CONFIG_PORT, "65535"));
    assert_int_equal(config.port, 65535);
    assert_true(parse(CONFIG_PORT, "0080"));
    assert_int_equal(config.port, 80);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(parse(CONFIG_PORT, bad[i]));
    assert_false(parse(CONFIG_PORT, "70000"));
    assert_string_equal(error, "a whole number from 0 to 65535 is expected, not \"70000\"");
    assert_true(parse(CONFIG_MAX_BODY_SIZE, "33554432"));
    assert_int_equal(config.max_body_bytes, 33554432);
    assert_false(parse(CONFIG_MAX_BODY_SIZE, "33554433"));
    assert_false(parse(CONFIG_MAX_BODY_SIZE, "1023"));
    assert_false(parse(CONFIG_MAX_BODY_SIZE, "1M"));
    /* WORKERS has no default: not set leaves 0. */
    config.workers = 0;
    assert_true(parse(CONFIG_WORKERS, ""));
    assert_int_equal(config.workers, 0);
    assert_false(parse(CONFIG_PORT, ""));
}

static void test_rates(void **state)
{
    (void)state;
    static const char *const bad[] = {"60",        "60/day", "0/minute", "1000001/minute",
                                      "-1/minute", ""};
    assert_true(parse(CONFIG_RATE_LIMIT_DEFAULT, "7/hour"));
    assert_int_equal(config.rate_limit_default.count, 7);
    assert_int_equal(config.rate_limit_default.period_ns, 3600000000000);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(parse(CONFIG_RATE_LIMIT_DEFAULT, bad[i]));
    assert_true(parse(CONFIG_CONTENT_BLOCK_THRESHOLD, "32/minute"));
    assert_false(parse(CONFIG_CONTENT_BLOCK_THRESHOLD, "33/minute"));
    assert_string_equal(error, "<count>/<second|minute|hour> with a count from 1 to 32 (such as "
                               "60/minute) is expected, not \"33/minute\"");
}

static void test_ranges(void **state)
{
    (void)state;
    assert_true(parse(CONFIG_TRUSTED_PROXIES, "10.0.0.0/8, ::1"));
    assert_string_equal(config.trusted_proxies, "10.0.0.0/8, ::1");
    assert_true(parse(CONFIG_TRUSTED_PROXIES, ""));
    assert_string_equal(config.trusted_proxies, "");
    assert_false(parse(CONFIG_IP_ALLOWLIST, "10.0.0.0/8, example.com"));
    assert_string_equal(error, "a list of addresses and ranges, comma between (such as 10.0.0.0/8, "
                               "::1), is expected, not \"example.com\"");
    assert_false(parse(CONFIG_IP_ALLOWLIST, "10.0.0.0/8,"));
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t seconds_ms; /* as a row in seconds has it; UINT64_MAX: refused */
    } rows[] = {
        {"1", 1000},
        {"75", 75000},
        {"10s", 10000},
        {"1500ms", 1500},
        {"2m", 120000},
        {"1h", 3600000},
        {"3600", 3600000},
        {"3600000ms", 3600000},
        {"3600001ms", UINT64_MAX},
        {"3601", UINT64_MAX},
        {"61m", UINT64_MAX},
        {"0", UINT64_MAX},
        {"999ms", UINT64_MAX},
        {"-1s", UINT64_MAX},
        {"10 s", UINT64_MAX},
        {"10S", UINT64_MAX},
        {"1.5s", UINT64_MAX},
        {"1e3", UINT64_MAX},
        {"s", UINT64_MAX},
        {"10ss", UINT64_MAX},
        {"10parsecs", UINT64_MAX},
        {"99999999999999999999", UINT64_MAX},
        /* would wrap around to something small in hours: 2^64 / 3600000 and a little */
        {"5124095576031", UINT64_MAX},
        {"5124095576031h", UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool fine = parse(CONFIG_KEEP_ALIVE_TIMEOUT, rows[i].text);
        if (fine != (rows[i].seconds_ms != UINT64_MAX))
            fail_msg("%s", rows[i].text);
        if (fine)
            assert_int_equal(config.keep_alive_timeout_ms, rows[i].seconds_ms);
    }
    assert_true(parse(CONFIG_LLM_TIMEOUT, "1500"));
    assert_int_equal(config.llm_timeout_ms, 1500);
    assert_true(parse(CONFIG_LLM_TIMEOUT, "2s"));
    assert_int_equal(config.llm_timeout_ms, 2000);
    assert_false(parse(CONFIG_KEEP_ALIVE_TIMEOUT, "10parsecs"));
    assert_string_equal(error, "a duration from 1 to 3600 seconds (such as 10s or 500ms) is "
                               "expected, not \"10parsecs\"");
}

static void test_flags(void **state)
{
    (void)state;
    static const char *const yes[] = {"true", "1", "yes", "on", "TRUE", "On"};
    static const char *const no[] = {"false", "0", "no", "off", "False", "OFF"};
    static const char *const bad[] = {"maybe", "truee", "2", " true", "t", "y"};
    for (size_t i = 0; i < 6; i++) {
        assert_true(parse(CONFIG_NO_GRPC, yes[i]));
        assert_true(config.no_grpc);
        assert_true(parse(CONFIG_NO_GRPC, no[i]));
        assert_false(config.no_grpc);
        assert_false(parse(CONFIG_NO_GRPC, bad[i]));
    }
    assert_string_equal(error, "true or false is expected, not \"y\"");
}

static void test_choices(void **state)
{
    (void)state;
    static const char *const bad[] = {"loud",       "inf",    "infoo", "INFO",
                                      "debug|info", "[debug", "]",     "error]"};
    assert_true(parse(CONFIG_LOG_LEVEL, "debug"));
    assert_string_equal(config.log_level, "debug");
    assert_true(parse(CONFIG_LOG_LEVEL, "error"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(parse(CONFIG_LOG_LEVEL, bad[i]));
    assert_string_equal(config.log_level, "error");
    assert_false(parse(CONFIG_LOG_LEVEL, "loud"));
    assert_string_equal(error, "one of debug|info|warning|error is expected, not \"loud\"");
    assert_false(parse(CONFIG_LOG_LEVEL, "")); /* it has a default */
    assert_true(parse(CONFIG_LOG_FORMAT, ""));
}

/* What was found is shown, but never what a terminal would obey, and never a secret. */
static void test_texts(void **state)
{
    (void)state;
    assert_true(parse(CONFIG_LLM_MODEL, "llama3.2:3b \xc3\xa9"));
    assert_string_equal(config.llm_model, "llama3.2:3b \xc3\xa9");
    assert_false(parse(CONFIG_LLM_MODEL, "a\x1b[31m\n"));
    assert_string_equal(error, "text without control characters is expected, not \"a?[31m?\"");
    assert_true(parse(CONFIG_OPENAI_API_KEY, "sk-4711"));
    assert_string_equal(config.openai_api_key, "sk-4711");
    assert_false(parse(CONFIG_OPENAI_API_KEY, "sk-4711\n"));
    assert_string_equal(error, "text without control characters is expected");
    char longest[4000];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_false(parse(CONFIG_PORT, longest));
    assert_true(strlen(error) < 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table), cmocka_unit_test(test_counts),
        cmocka_unit_test(test_rates),     cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_durations), cmocka_unit_test(test_flags),
        cmocka_unit_test(test_choices),   cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
