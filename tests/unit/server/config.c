/* Settings from all their sources, in a working directory of the test's own. */
#include "server/config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char secret[] = "sk-THIS-IS-SECRET-4711";

static struct config config;
static char error[CONFIG_ERROR_BYTES];
static char *printed;
static size_t printed_len;

static void write_file(const char *name, const char *text, mode_t mode)
{
    int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    (void)close(fd);
}

static int forget(void **state)
{
    (void)state;
    config_fini(&config);
    (void)unlink(".env");
    (void)unlink(".test.env");
    (void)unlink("key");
    free(printed);
    printed = NULL;
    return 0;
}

/* Words of the command line and NAME=value pairs of the environment, each list ended by NULL. */
static enum config_outcome load(const char *const *flags, const char *const *environment)
{
    static const char *const none[] = {NULL};
    char *argv[32] = {(char *)(uintptr_t) "weir"};
    int argc = 1;
    for (flags = flags != NULL ? flags : none; *flags != NULL; flags++)
        argv[argc++] = (char *)(uintptr_t)*flags;
    config_fini(&config);
    free(printed);
    error[0] = '\0';
    FILE *out = open_memstream(&printed, &printed_len);
    assert_non_null(out);
    enum config_outcome outcome = config_load(
        &config, argc, argv, (char *const *)(uintptr_t)(environment != NULL ? environment : none),
        out, error);
    (void)fclose(out);
    assert_true(outcome != CONFIG_REFUSE || error[0] != '\0');
    return outcome;
}

#define LIST(...)                                                                                  \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define SAFE "AUTH_MODE=none", "LLM_PROVIDER=offline"

static void assert_refused(const char *const *flags, const char *const *environment,
                           const char *part)
{
    assert_int_equal(load(flags, environment), CONFIG_REFUSE);
    if (strstr(error, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, error);
    assert_null(strstr(error, secret));
    assert_null(strchr(error, '\n'));
}

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(load(NULL, LIST(SAFE)), CONFIG_RUN);
    assert_string_equal(config.host, "0.0.0.0");
    assert_int_equal(config.port, 8080);
    assert_int_equal(config.grpc_port, 50051);
    assert_false(config.single_port);
    assert_false(config.debug);
    assert_true(config.access_log);
    assert_string_equal(config.log_format, "json");
    assert_string_equal(config.log_level, "info");
    assert_int_equal(config.keep_alive_timeout_ms, 75000);
    assert_int_equal(config.head_timeout_ms, 10000);
    assert_int_equal(config.body_timeout_ms, 60000);
    assert_int_equal(config.read_timeout_ms, 30000);
    assert_int_equal(config.shutdown_grace_ms, 10000);
    assert_int_equal(config.request_timeout_ms, 120000);
    assert_int_equal(config.llm_timeout_ms, 120000);
    assert_int_equal(config.llm_connect_timeout_ms, 10000);
    assert_int_equal(config.max_body_bytes, 1048576);
    assert_int_equal(config.gzip_min_bytes, 500);
    assert_true(config.workers >= 1);
    assert_string_equal(config.llm_base_url, "https://api.openai.com/v1");
    assert_string_equal(config.llm_model, "gpt-4o-mini");
    assert_string_equal(config.openai_api_key, "");
}

static void test_sources(void **state)
{
    (void)state;
    write_file(".env", "LLM_MODEL=file\nPORT=1\nGRPC_PORT=11\nWORKERS=1\nLOG_LEVEL=error\n", 0644);
    write_file(".test.env", "LLM_MODEL=named\nPORT=2\nGRPC_PORT=12\nWORKERS=2\n", 0644);
    assert_int_equal(load(LIST("--env=test", "--port", "4"),
                          LIST(SAFE, "PORT=3", "GRPC_PORT=3", "LLM_MODEL=environment",
                               "UNKNOWN_TO_WEIR=5", "NOT_EVEN_A_PAIR")),
                     CONFIG_RUN);
    assert_int_equal(config.port, 4);
    assert_int_equal(config.grpc_port, 3);
    assert_int_equal(config.workers, 2);
    assert_string_equal(config.llm_model, "environment");
    assert_string_equal(config.log_level, "error");
    assert_string_equal(config_source_name(&config, CONFIG_PORT), "flag");
    assert_string_equal(config_source_name(&config, CONFIG_GRPC_PORT), "environment");
    assert_string_equal(config_source_name(&config, CONFIG_WORKERS), ".test.env");
    assert_string_equal(config_source_name(&config, CONFIG_LOG_LEVEL), ".env");
    assert_string_equal(config_source_name(&config, CONFIG_HOST), "default");
    assert_int_equal(load(NULL, LIST(SAFE, "ENV=test")), CONFIG_RUN);
    assert_int_equal(config.port, 2);
    assert_int_equal(load(LIST("--env", "other"), LIST(SAFE, "ENV=test")), CONFIG_RUN);
    assert_int_equal(config.workers, 1);
}

/* An empty value is none: the next source speaks. */
static void test_empty_values(void **state)
{
    (void)state;
    write_file(".env", "PORT=1\nLLM_MODEL=\nOPENAI_API_KEY=\n", 0644);
    assert_int_equal(load(NULL, LIST(SAFE, "PORT=", "WORKERS=", "HOST=", "ENV=", "LOG_LEVEL=")),
                     CONFIG_RUN);
    assert_int_equal(config.port, 1);
    assert_string_equal(config.llm_model, "gpt-4o-mini");
    assert_string_equal(config.host, "0.0.0.0");
    assert_string_equal(config_source_name(&config, CONFIG_HOST), "default");
}

static void test_flags(void **state)
{
    (void)state;
    assert_int_equal(load(LIST("--grpc-port", "0", "--port=7", "--single-port", "--no-grpc=off",
                               "--access-log=false", "--llm-model=a=b", "--auth-mode", "none",
                               "--llm-provider", "offline", "--port=9"),
                          NULL),
                     CONFIG_RUN);
    assert_int_equal(config.grpc_port, 0);
    assert_int_equal(config.port, 9);
    assert_true(config.single_port && !config.no_grpc && !config.access_log);
    assert_string_equal(config.llm_model, "a=b");
    static const char *const unknown[] = {
        "--portt",
        "--PORT",
        "--grpc_port",
        "-p",
        "stray",
        "--",
        "--=3",
        "-",
        "--port-",
        "---port",
        "",
        "--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_refused(LIST(unknown[i], "1"), LIST(SAFE), "unknown flag ");
    assert_refused(LIST("--no-such-flag=x"), NULL, "unknown flag --no-such-flag; see weir --help");
    assert_refused(LIST("--port"), LIST(SAFE), "--port needs a value");
    assert_refused(LIST("--port="), LIST(SAFE), "--port needs a value");
    assert_refused(LIST("--port", ""), LIST(SAFE), "--port needs a value");
    assert_refused(LIST("--llm-model", "--debug"), LIST(SAFE), "--llm-model needs a value");
}

static void test_bad_values_name_setting_and_source(void **state)
{
    (void)state;
    assert_refused(LIST("--port", "x"), LIST(SAFE), "PORT (from flag): a whole number");
    assert_refused(NULL, LIST(SAFE, "PORT=x"), "PORT (from environment): a whole number");
    write_file(".test.env", "PORT=x\n", 0600);
    assert_refused(LIST("--env", "test"), LIST(SAFE), "PORT (from .test.env): a whole number");
    write_file(".env", "PORT=x\n", 0600);
    assert_refused(NULL, LIST(SAFE), "PORT (from .env): a whole number");
    assert_int_equal(load(NULL, LIST(SAFE, "PORT=1")), CONFIG_RUN); /* nobody hears it */
}

static void test_files_are_strict(void **state)
{
    (void)state;
    write_file(".env", "PORT=1\nPORTT=1\n", 0600);
    assert_refused(NULL, LIST(SAFE), ".env, line 2: there is no setting PORTT");
    write_file(".env", "ENV=test\n", 0600);
    assert_refused(NULL, LIST(SAFE), ".env, line 1: ENV says which files are read");
    write_file(".env", "PORT='1\n", 0600);
    assert_refused(NULL, LIST(SAFE), ".env, line 1: the quotes do not close");
    (void)unlink(".env");
    assert_int_equal(mkdir(".env", 0700), 0);
    assert_refused(NULL, LIST(SAFE), ".env cannot be read: it is not a plain file");
    assert_int_equal(rmdir(".env"), 0);
    assert_refused(LIST("--env", "../test"), LIST(SAFE), "ENV: a short name without /");
    assert_refused(
        NULL, LIST(SAFE, "ENV=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        "ENV: a short name without /");
}

static void test_secrets(void **state)
{
    (void)state;
    char pair[64], environment_file[] = "OPENAI_API_KEY_FILE=key";
    (void)snprintf(pair, sizeof pair, "OPENAI_API_KEY=%s", secret);
    assert_int_equal(load(NULL, LIST("AUTH_MODE=none", pair)), CONFIG_RUN);
    assert_string_equal(config.openai_api_key, secret);
    assert_string_equal(config.llm_provider, "openai");
    /* never a flag */
    assert_refused(LIST("--openai-api-key", secret), LIST(SAFE), "OPENAI_API_KEY is a secret");
    char flag[64];
    (void)snprintf(flag, sizeof flag, "--openai-api-key=%s", secret);
    assert_refused(LIST(flag), LIST(SAFE), "OPENAI_API_KEY is a secret");
    /* a file, named by the environment or a flag; line ends are not part of it */
    write_file("key", "sk-THIS-IS-SECRET-4711\r\n\n", 0600);
    assert_int_equal(load(NULL, LIST("AUTH_MODE=none", environment_file)), CONFIG_RUN);
    assert_string_equal(config.openai_api_key, secret);
    assert_string_equal(config_source_name(&config, CONFIG_OPENAI_API_KEY), "environment");
    assert_int_equal(load(LIST("--openai-api-key-file", "key"), LIST("AUTH_MODE=none")),
                     CONFIG_RUN);
    assert_string_equal(config.openai_api_key, secret);
    /* the higher source wins; two in one are a mistake */
    write_file(".env", environment_file, 0644);
    assert_int_equal(load(NULL, LIST("AUTH_MODE=none", "OPENAI_API_KEY=other")), CONFIG_RUN);
    assert_string_equal(config.openai_api_key, "other");
    assert_refused(NULL, LIST(SAFE, environment_file, "OPENAI_API_KEY=x"),
                   "OPENAI_API_KEY and OPENAI_API_KEY_FILE are both set");
    (void)unlink(".env");
    /* files that hold none */
    write_file("key", "\n", 0600);
    assert_refused(NULL, LIST(SAFE, environment_file), "OPENAI_API_KEY_FILE: key is empty");
    write_file("key", "sk-THIS-IS-SECRET-4711\x01", 0600);
    assert_refused(NULL, LIST(SAFE, environment_file),
                   "OPENAI_API_KEY (from environment): text without control characters");
    (void)unlink("key");
    assert_refused(NULL, LIST(SAFE, environment_file), "OPENAI_API_KEY_FILE: key cannot be read");
}

/* S5: files with secrets are for their owner only; without secrets they may be anybody's. */
static void test_secrets_that_others_can_read(void **state)
{
    (void)state;
    write_file("key", secret, 0640);
    assert_refused(NULL, LIST(SAFE, "OPENAI_API_KEY_FILE=key"),
                   "OPENAI_API_KEY_FILE: it holds a secret and can be read by others");
    write_file(".env", "OPENAI_API_KEY=sk-THIS-IS-SECRET-4711\n", 0604);
    assert_refused(NULL, LIST(SAFE), ".env: it holds a secret and can be read by others");
    (void)unlink(".env");
    write_file(".test.env", "OPENAI_API_KEY=sk-THIS-IS-SECRET-4711\n", 0644);
    assert_refused(LIST("--env", "test"), LIST(SAFE), ".test.env: it holds a secret");
    (void)unlink(".test.env");
    write_file(".env", "PORT=1\n", 0644);
    assert_int_equal(load(NULL, LIST(SAFE)), CONFIG_RUN);
    assert_string_equal(config.exposed, "");
    write_file(".env", "OPENAI_API_KEY=sk-THIS-IS-SECRET-4711\n", 0600);
    assert_int_equal(load(NULL, LIST(SAFE)), CONFIG_RUN);
#ifdef WEIR_DEBUG_SURFACE
    assert_int_equal(load(LIST("--debug"), LIST("OPENAI_API_KEY_FILE=key")), CONFIG_RUN);
    assert_string_equal(config.exposed, "OPENAI_API_KEY_FILE");
#endif
}

static void test_check_config(void **state)
{
    (void)state;
    char pair[64];
    (void)snprintf(pair, sizeof pair, "OPENAI_API_KEY=%s", secret);
    write_file(".test.env", "WORKERS=3\n", 0644);
    assert_int_equal(load(LIST("--check-config", "--port", "0", "--env=test"),
                          LIST("AUTH_MODE=none", pair, "SHUTDOWN_GRACE=500ms")),
                     CONFIG_STOP);
    static const char *const lines[] = {"\nPORT=0  # flag\n",
                                        "HOST=0.0.0.0  # default\n",
                                        "\nWORKERS=3  # .test.env\n",
                                        "\nSHUTDOWN_GRACE=500ms  # environment\n",
                                        "\nKEEP_ALIVE_TIMEOUT=75000ms  # default\n",
                                        "\nOPENAI_API_KEY=***  # environment\n",
                                        "\nLLM_PROVIDER=openai  # default\n",
                                        "\nNO_GRPC=false  # default\n",
                                        "\nENV=test  # flag\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (strstr(printed, lines[i]) == NULL)
            fail_msg("%s is not in\n%s", lines[i], printed);
    assert_null(strstr(printed, secret));
    assert_int_equal(load(LIST("--check-config"), LIST(SAFE)), CONFIG_STOP);
    assert_non_null(strstr(printed, "\nOPENAI_API_KEY=  # default\n"));
    assert_refused(LIST("--check-config", "--port", "x"), LIST(SAFE), "PORT");
    assert_refused(LIST("--check-config"), NULL, "AUTH_MODE");
}

/* They are answered whatever else is wrong. */
static void test_help_and_version(void **state)
{
    (void)state;
    write_file(".env", "PORTT=1\n", 0600);
    assert_int_equal(load(LIST("--help"), NULL), CONFIG_STOP);
    for (size_t i = 0; i < CONFIG_COUNT_OF_SETTINGS; i++) {
        char flag[64] = "--";
        for (size_t c = 0; config_rows[i].name[c] != '\0'; c++) {
            char letter = config_rows[i].name[c];
            flag[c + 2] = (char)(letter == '_' ? '-' : letter | 0x20);
            flag[c + 3] = '\0';
        }
        assert_non_null(strstr(printed, config_rows[i].help));
        if (config_rows[i].kind == CONFIG_SECRET)
            assert_null(strstr(printed, flag));
        else
            assert_non_null(strstr(printed, flag));
    }
    assert_int_equal(load(LIST("--version"), NULL), CONFIG_STOP);
    assert_memory_equal(printed, "weir ", 5);
}

static void test_markdown(void **state)
{
    (void)state;
    assert_int_equal(load(LIST("--settings-markdown"), NULL), CONFIG_STOP);
    assert_non_null(strstr(printed, "\n| `PORT` | 8080 | "));
    assert_non_null(strstr(printed, "\n| `KEEP_ALIVE_TIMEOUT` | 75 s | "));
    assert_non_null(strstr(printed, "\n| `LLM_TIMEOUT` | 120000 ms | "));
    assert_non_null(strstr(printed, "[json\\|console]"));
    size_t lines = 0;
    for (const char *at = printed; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, CONFIG_COUNT_OF_SETTINGS + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_defaults, forget),
        cmocka_unit_test_teardown(test_sources, forget),
        cmocka_unit_test_teardown(test_empty_values, forget),
        cmocka_unit_test_teardown(test_flags, forget),
        cmocka_unit_test_teardown(test_bad_values_name_setting_and_source, forget),
        cmocka_unit_test_teardown(test_files_are_strict, forget),
        cmocka_unit_test_teardown(test_secrets, forget),
        cmocka_unit_test_teardown(test_secrets_that_others_can_read, forget),
        cmocka_unit_test_teardown(test_check_config, forget),
        cmocka_unit_test_teardown(test_help_and_version, forget),
        cmocka_unit_test_teardown(test_markdown, forget),
    };
    char folder[] = "/tmp/weir-config-XXXXXX";
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(folder);
    return failed;
}
