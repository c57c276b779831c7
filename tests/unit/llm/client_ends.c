/* How calls that do not stream end, over a fake upstream that answers well, badly, and too much. */
#include "tests/unit/llm/kit.h"

static const struct ending {
    const char *name;
    struct act script[4];
    enum llm_end end;
    int status;
    uint64_t retry_after_ms;
} endings[] = {
    {"reset", {{ACT_RESET, NULL, 0}}, LLM_UNREACHABLE, 0, 0},
    {"close", {{ACT_CLOSE, NULL, 0}}, LLM_UNREACHABLE, 0, 0},
    {"no HTTP", {{ACT_SAY, "hello\r\n\r\n", 0}, {ACT_CLOSE, NULL, 0}}, LLM_GARBLED, 0, 0},
    {"head only",
     {{ACT_SAY, "HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n", 0}, {ACT_CLOSE, NULL, 0}},
     LLM_CUT,
     200,
     0},
    {"half a body",
     {{ACT_SAY, "HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n{\"choices\":[", 0},
      {ACT_WAIT, NULL, 10},
      {ACT_RESET, NULL, 0}},
     LLM_CUT,
     200,
     0},
    {"half a chunk",
     {{ACT_SAY, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{\"cho", 0},
      {ACT_CLOSE, NULL, 0}},
     LLM_CUT,
     200,
     0},
    {"bad chunk",
     {{ACT_SAY, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 0},
      {ACT_CLOSE, NULL, 0}},
     LLM_CUT,
     200,
     0},
    {"until close",
     {{ACT_SAY, HEAD_JSON("200 OK") "\r\n" ANSWER_HI, 0}, {ACT_CLOSE, NULL, 0}},
     LLM_DONE,
     200,
     0},
    {"garbage",
     {{ACT_SAY, HEAD_JSON("200 OK") "\r\n<html>", 0}, {ACT_CLOSE, NULL, 0}},
     LLM_GARBLED,
     200,
     0},
    {"empty",
     {{ACT_SAY, HEAD_JSON("200 OK") "\r\n", 0}, {ACT_CLOSE, NULL, 0}},
     LLM_GARBLED,
     200,
     0},
    {"redirect",
     {{ACT_SAY, HEAD_JSON("307 Go") "Location: http://127.0.0.1:9/\r\n\r\n", 0},
      {ACT_CLOSE, NULL, 0}},
     LLM_GARBLED,
     307,
     0},
    {"unauthorized",
     {{ACT_SAY, HEAD_JSON("401 No") "\r\n{\"error\":{\"code\":\"invalid_api_key\"}}", 0},
      {ACT_CLOSE, NULL, 0}},
     LLM_REJECTED,
     401,
     0},
    {"rejected, then reset",
     {{ACT_SAY, "HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\n{}", 0}, {ACT_RESET, NULL, 0}},
     LLM_REJECTED,
     413,
     0},
    {"rate limited",
     {{ACT_SAY, HEAD_JSON("429 Slow") "Retry-After: 7\r\n\r\n", 0}, {ACT_CLOSE, NULL, 0}},
     LLM_BUSY,
     429,
     7000},
    {"rate limited, unsaid",
     {{ACT_SAY, HEAD_JSON("429 Slow") "\r\n", 0}, {ACT_CLOSE, NULL, 0}},
     LLM_BUSY,
     429,
     0},
    {"a long Retry-After",
     {{ACT_SAY, HEAD_JSON("429 Slow") "Retry-After: 99999999999\r\n\r\n", 0}, {ACT_CLOSE, NULL, 0}},
     LLM_BUSY,
     429,
     86400000},
    {"request time-out",
     {{ACT_SAY, HEAD_JSON("408 Late") "\r\n", 0}, {ACT_CLOSE, NULL, 0}},
     LLM_TIMED_OUT,
     408,
     0},
    {"server error, body cut",
     {{ACT_SAY, "HTTP/1.1 500 Oops\r\nContent-Length: 43\r\n\r\n{\"err", 0}, {ACT_CLOSE, NULL, 0}},
     LLM_FAILED,
     500,
     0},
    {"unavailable",
     {{ACT_SAY, HEAD_JSON("503 No") "Retry-After: 2\r\n\r\n", 0}, {ACT_CLOSE, NULL, 0}},
     LLM_FAILED,
     503,
     2000},
    {"gateway time-out",
     {{ACT_SAY, HEAD_JSON("504 Late") "\r\n", 0}, {ACT_CLOSE, NULL, 0}},
     LLM_TIMED_OUT,
     504,
     0},
};

/* All on one client, in between which ordinary answers go on working. */
static void check_endings(bool stream)
{
    struct kit kit;
    kit_init(&kit);
    kit_open(&kit);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const struct ending *row = &endings[i];
        struct asked asked = {0};
        enum llm_end end = stream && row->end == LLM_DONE ? LLM_GARBLED : row->end;
        kit.upstream.script = row->script;
        ask(&kit, &asked, stream);
        run_until(&kit, &asked.done, 1);
        if (asked.result.end != end || asked.result.http_status != row->status ||
            asked.result.retry_after_ms != row->retry_after_ms)
            fail_msg("%s: %s, %d, %s", row->name, llm_end_name(asked.result.end),
                     asked.result.http_status, asked.result.reason);
        assert_int_equal(asked.pieces, 0);
        asked_fini(&asked);
        kit.upstream.script = answer_hi;
        ask_and_wait(&kit, &asked, false, LLM_DONE);
        asked_fini(&asked);
    }
    kit_fini(&kit);
}

static void test_unary_endings(void **state)
{
    (void)state;
    check_endings(false);
}

static void test_endings_of_streams_that_do_not_begin(void **state)
{
    (void)state;
    check_endings(true);
}

static void test_caps(void **state)
{
    static char kilobytes[64 * 1024 + 1];
    static char header[16 * 1024];
    struct act body[] = {{ACT_SAY, "HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n", 0},
                         {ACT_FLOOD, kilobytes, 800},
                         {ACT_HANG, NULL, 0}};
    struct act chunked[] = {{ACT_SAY, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
                            {ACT_FLOOD, kilobytes, 800},
                            {ACT_HANG, NULL, 0}};
    struct act error[] = {{ACT_SAY, "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
                          {ACT_FLOOD, kilobytes, 800},
                          {ACT_HANG, NULL, 0}};
    struct act headers[] = {{ACT_SAY, "HTTP/1.1 200 OK\r\n", 0},
                            {ACT_SAY, header, 0},
                            {ACT_SAY, header, 0},
                            {ACT_SAY, header, 0},
                            {ACT_SAY, header, 0},
                            {ACT_SAY, header, 0},
                            {ACT_HANG, NULL, 0}};
    const struct {
        const struct act *script;
        enum llm_end end;
    } rows[] = {{body, LLM_TOO_LARGE},
                {chunked, LLM_TOO_LARGE},
                {error, LLM_FAILED},
                {headers, LLM_TOO_LARGE}};
    struct kit kit;
    (void)state;
    memset(kilobytes, ' ', sizeof kilobytes - 1);
    memset(header, 'x', sizeof header - 1);
    memcpy(header, "X: ", 3);
    memcpy(header + sizeof header - 3, "\r\n", 2);
    kit_init(&kit);
    kit_open(&kit);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct asked asked;
        kit.upstream.script = rows[i].script;
        kit.upstream.written = 0;
        ask_and_wait(&kit, &asked, false, rows[i].end);
        assert_true(kit.upstream.written < 20U << 20);
        run_until(&kit, &kit.upstream.aborted, (unsigned)i + 1);
        asked_fini(&asked);
    }
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary_endings),
        cmocka_unit_test(test_endings_of_streams_that_do_not_begin),
        cmocka_unit_test(test_caps),
    };
    llm_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    llm_global_fini();
    return failed;
}
