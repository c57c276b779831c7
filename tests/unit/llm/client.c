/* Unary calls over a fake upstream: the request, the ends, the connections, the queue. */
#include "tests/unit/llm/kit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static bool requested(const struct kit *kit, const char *part)
{
    const struct buf *request = &kit->upstream.request;
    return memmem(request->at, request->len, part, strlen(part)) != NULL;
}

static void test_request_and_answer(void **state)
{
    struct kit kit;
    struct asked asked;
    (void)state;
    kit_init(&kit);
    kit.upstream.script = answer_hi;
    kit_open(&kit);
    ask_and_wait(&kit, &asked, false, LLM_DONE);
    assert_text(&asked, "Hi!");
    assert_int_equal(asked.pieces, 0);
    assert_int_equal(asked.result.http_status, 200);
    assert_int_equal(asked.result.retry_after_ms, 0);
    assert_false(asked.result.usage.known);
    assert_true(requested(&kit, "POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_true(requested(&kit, "\r\nAuthorization: Bearer sk-test\r\n"));
    assert_true(requested(&kit, "\r\nContent-Type: application/json\r\n"));
    assert_true(requested(&kit, "\r\nUser-Agent: weir/1.2.3\r\n"));
    assert_true(requested(&kit, "\r\n\r\n{\"model\":\"test-model\","
                                "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}"));
    assert_false(requested(&kit, "Expect"));
    assert_false(requested(&kit, "Accept-Encoding"));
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_no_key_no_header(void **state)
{
    static const char *const keys[] = {NULL, ""};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct kit kit;
        struct asked asked;
        kit_init(&kit);
        kit.api_key = keys[i];
        kit.upstream.script = answer_hi;
        kit_open(&kit);
        ask_and_wait(&kit, &asked, false, LLM_DONE);
        assert_false(requested(&kit, "Authorization"));
        asked_fini(&asked);
        kit_fini(&kit);
    }
}

/* No proxy of the environment, and no detour for a large body. */
static void test_large_request_without_a_proxy(void **state)
{
    struct kit kit;
    struct asked asked = {0};
    struct buf text;
    (void)state;
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:9", 1), 0);
    assert_int_equal(setenv("all_proxy", "http://127.0.0.1:9", 1), 0);
    kit_init(&kit);
    kit.upstream.script = answer_hi;
    kit_open(&kit);
    buf_init(&text, NULL, 4 << 20);
    while (text.len < 3U << 20)
        buf_put_text(&text, "0123456789abcdef");
    struct chat_part part = {.kind = CHAT_TEXT, .text = buf_span(&text)};
    struct chat_message message = {CHAT_USER, &part, 1};
    struct conversation what = {.messages = &message, .n_messages = 1, .temperature = -1};
    ask_what(&kit, &asked, &what);
    memset(text.at, '!', text.len); /* the conversation was read */
    run_until(&kit, &asked.done, 1);
    assert_end(&asked, LLM_DONE);
    assert_true(kit.upstream.request.len > text.len);
    assert_false(requested(&kit, "Expect"));
    assert_false(requested(&kit, "!!!"));
    buf_fini(&text);
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_too_large_a_conversation(void **state)
{
    struct kit kit;
    struct asked asked = {0};
    struct buf text;
    (void)state;
    kit_init(&kit);
    kit_open(&kit);
    buf_init(&text, NULL, 6 << 20);
    while (text.len < 6U << 20)
        buf_put_char(&text, '\x01'); /* six bytes of JSON */
    struct chat_part part = {.kind = CHAT_TEXT, .text = buf_span(&text)};
    struct chat_message message = {CHAT_USER, &part, 1};
    struct conversation what = {.messages = &message, .n_messages = 1, .temperature = -1};
    ask_what(&kit, &asked, &what);
    run_until(&kit, &asked.done, 1);
    assert_end(&asked, LLM_TOO_LARGE);
    assert_int_equal(kit.upstream.connections, 0);
    buf_fini(&text);
    asked_fini(&asked);
    kit_fini(&kit);
}

static void test_connections_are_used_again(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.upstream.script = answer_hi;
    kit_open(&kit);
    for (int i = 0; i < 20; i++) {
        struct asked asked;
        ask_and_wait(&kit, &asked, false, LLM_DONE);
        asked_fini(&asked);
    }
    assert_int_equal(kit.upstream.connections, 1);
    kit_fini(&kit);
}

static void test_no_connection_is_kept(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.settings.pool_max_keepalive = 0;
    kit.upstream.script = answer_hi;
    kit_open(&kit);
    for (int i = 0; i < 5; i++) {
        struct asked asked;
        ask_and_wait(&kit, &asked, false, LLM_DONE);
        asked_fini(&asked);
    }
    run_for(&kit, 20);
    assert_int_equal(kit.upstream.connections, 5);
    assert_int_equal(kit.upstream.open, 0);
    kit_fini(&kit);
}

/* The peer closes a kept connection, with and without a moment between; the next call works. */
static void test_a_kept_connection_that_the_peer_closed(void **state)
{
    static const struct act then_close[] = {
        {ACT_SAY,
         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
         "43\r\n\r\n" ANSWER_HI,
         0},
        {ACT_CLOSE, NULL, 0}};
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.upstream.script = then_close;
    kit_open(&kit);
    for (unsigned i = 0; i < 10; i++) {
        struct asked asked;
        ask_and_wait(&kit, &asked, false, LLM_DONE);
        asked_fini(&asked);
        if (i % 2 == 0)
            run_for(&kit, 5);
    }
    assert_int_equal(kit.upstream.connections, 10);
    kit_fini(&kit);
}

/* --- ends --- */

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

/* --- reaching the upstream --- */

static void test_nobody_listens(void **state)
{
    struct kit kit;
    struct asked asked;
    char url[64];
    (void)state;
    /* A port that was just given back. */
    struct kit other;
    kit_init(&other);
    int port = other.upstream.port;
    kit_open(&other);
    kit_fini(&other);
    kit_init(&kit);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    kit.urls[0] = url;
    kit_open(&kit);
    for (int i = 0; i < 3; i++) {
        ask_and_wait(&kit, &asked, i == 1, LLM_UNREACHABLE);
        assert_int_equal(asked.result.http_status, 0);
        asked_fini(&asked);
    }
    kit_fini(&kit);
}

/* The name has an address of either family, the server one: libcurl tries them in turn, and the
 * second socket has the first one's descriptor. */
static void check_by_name(bool ipv6)
{
    struct kit kit;
    char url[64];
    kit_init(&kit);
    if (ipv6)
        upstream_move_to_ipv6(&kit.upstream);
    (void)snprintf(url, sizeof url, "http://localhost:%d/v1", kit.upstream.port);
    kit.urls[0] = url;
    kit.settings.pool_max_keepalive = 0;
    kit.upstream.script = answer_hi;
    kit_open(&kit);
    tick_ms quickest_ms = UINT64_MAX; /* of some, on a machine that may be busy */
    for (int i = 0; i < 5; i++) {
        struct asked asked;
        ask_and_wait(&kit, &asked, false, LLM_DONE);
        tick_ms took_ms = asked.last_ms - asked.asked_ms;
        quickest_ms = took_ms < quickest_ms ? took_ms : quickest_ms;
        asked_fini(&asked);
    }
    assert_true(quickest_ms < 150);
    kit_fini(&kit);
}

static void test_by_name(void **state)
{
    (void)state;
    check_by_name(false);
}

static void test_by_name_over_ipv6(void **state)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has_ipv6 = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    (void)state;
    if (fd >= 0)
        (void)close(fd);
    if (!has_ipv6)
        skip();
    check_by_name(true);
}

static void on_second_closed(void *context)
{
    assert_non_null(context);
}

enum { AT_ONCE = 6 };

/* New connections, whose descriptors are those that were closed just now. */
static void answer_many(struct kit *kit)
{
    struct asked asked[AT_ONCE] = {0};
    for (size_t i = 0; i < AT_ONCE; i++)
        ask(kit, &asked[i], false);
    for (size_t i = 0; i < AT_ONCE; i++) {
        run_until(kit, &asked[i].done, 1);
        assert_end(&asked[i], LLM_DONE);
        asked_fini(&asked[i]);
    }
}

/* A name that a thread has to look up, whose descriptors come and go unseen: nobody waits for the
 * thread, and whoever gets the descriptors next is not disturbed. */
static void test_a_name_that_does_not_resolve(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.settings.pool_max_keepalive = 0;
    kit.urls[0] = "http://host.invalid";
    kit.settings.connect_timeout_ms = 100;
    kit_open(&kit);
    struct llm_settings settings;
    struct llm_client *by_name = kit.client;
    struct llm_client *by_address = kit_open_second(&kit, &settings);
    kit.upstream.script = answer_hi;
    for (int i = 0; i < 6; i++) {
        struct asked lost[4] = {0};
        tick_ms began_ms = tick_now_ms();
        kit.client = by_name;
        for (size_t j = 0; j < 4; j++)
            ask(&kit, &lost[j], false);
        run_for(&kit, i % 2 == 0 ? 1 : 4);
        asked_fini(&lost[0]);
        kit.client = by_address;
        answer_many(&kit);
        for (size_t j = 1; j < 4; j++) {
            run_until(&kit, &lost[j].done, 1);
            assert_true(lost[j].result.end == LLM_UNREACHABLE ||
                        lost[j].result.end == LLM_TIMED_OUT);
            asked_fini(&lost[j]);
        }
        answer_many(&kit);
        assert_true(tick_now_ms() - began_ms < patient_ms(1500));
    }
    kit.client = by_name;
    llm_client_close(by_address, on_second_closed, &kit);
    kit_fini(&kit);
}

/* A listener that lets nobody in: its queue is full. */
static int full_listener(int filler[2], int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    for (size_t i = 0; i < 2; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(filler[i], (struct sockaddr *)&address, len);
    }
    return fd;
}

/* libcurl closes sockets that are still connecting without telling; whoever gets the descriptors
 * next is not disturbed. */
static void test_cancelled_while_connecting(void **state)
{
    struct kit kit;
    char url[64];
    int filler[2], port;
    (void)state;
    kit_init(&kit);
    kit.settings.pool_max_keepalive = 0;
    int listener = full_listener(filler, &port);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    kit.urls[0] = url;
    kit_open(&kit);
    struct llm_settings settings;
    struct llm_client *connecting = kit.client;
    struct llm_client *answered = kit_open_second(&kit, &settings);
    kit.upstream.script = answer_hi;
    for (int i = 0; i < 6; i++) {
        struct asked stuck[4] = {0};
        kit.client = connecting;
        for (size_t j = 0; j < 4; j++)
            ask(&kit, &stuck[j], false);
        for (int turns = i; turns > 0; turns--)
            (void)uv_run(&kit.loop, UV_RUN_NOWAIT);
        for (size_t j = 0; j < 4; j++) {
            assert_int_equal(stuck[j].done, 0);
            asked_fini(&stuck[j]);
        }
        kit.client = answered;
        answer_many(&kit);
    }
    kit.client = connecting;
    llm_client_close(answered, on_second_closed, &kit);
    kit_fini(&kit);
    (void)close(listener);
    (void)close(filler[0]);
    (void)close(filler[1]);
}

/* --- the pool and its queue --- */

static const struct act slow_hi[] = {
    {ACT_WAIT, NULL, 10},
    {ACT_SAY,
     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 43\r\n\r\n" ANSWER_HI,
     0},
    {ACT_END, NULL, 0}};

static unsigned ends;
static struct asked *order[64];

static void note_order(struct asked *asked)
{
    order[ends++] = asked;
}

static void test_calls_wait_for_a_connection_in_turn(void **state)
{
    struct kit kit;
    struct asked asked[12] = {0};
    (void)state;
    kit_init(&kit);
    kit.settings.pool_max = 2;
    kit.upstream.script = slow_hi;
    kit_open(&kit);
    ends = 0;
    for (size_t i = 0; i < 12; i++) {
        asked[i].on_done = note_order;
        ask(&kit, &asked[i], false);
    }
    asked_cancel(&asked[4]); /* one that waits */
    asked_cancel(&asked[0]); /* one that runs */
    run_until(&kit, &ends, 10);
    assert_int_equal(kit.upstream.most_running, 2);
    assert_true(kit.upstream.connections <= 3);
    for (size_t i = 0; i + 2 < ends; i++)
        assert_true(order[i] < order[i + 2]);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(asked[i].done, i != 0 && i != 4);
        asked_fini(&asked[i]);
    }
    kit_fini(&kit);
}

static void test_the_queue_is_bounded(void **state)
{
    enum { MANY = 1 + 1024 + 3 };
    struct kit kit;
    struct asked *asked = calloc(MANY, sizeof *asked);
    (void)state;
    assert_non_null(asked);
    kit_init(&kit);
    kit.settings.pool_max = 1;
    kit.upstream.script = hang;
    kit_open(&kit);
    for (size_t i = 0; i < MANY; i++)
        ask(&kit, &asked[i], false);
    for (size_t i = 1025; i < MANY; i++) {
        run_until(&kit, &asked[i].done, 1);
        assert_end(&asked[i], LLM_BUSY);
        assert_int_equal(asked[i].result.http_status, 0);
    }
    assert_int_equal(asked[0].done + asked[1024].done, 0);
    for (size_t i = 0; i < MANY; i++)
        asked_fini(&asked[i]);
    kit.upstream.script = answer_hi;
    struct asked last;
    ask_and_wait(&kit, &last, false, LLM_DONE);
    asked_fini(&last);
    free(asked);
    kit_fini(&kit);
}

/* From inside `done` a call may start the next one and cancel a third. */
static struct asked chain[5];

static void go_on(struct asked *asked)
{
    size_t next = (size_t)(asked - chain) + 1;
    if (next < 4) {
        chain[next].on_done = go_on;
        ask(asked->kit, &chain[next], false);
    } else {
        asked_cancel(&chain[4]);
        ends = 1;
    }
}

static void test_calls_from_inside_events(void **state)
{
    struct kit kit;
    (void)state;
    kit_init(&kit);
    kit.settings.pool_max = 1;
    kit.upstream.script = answer_hi;
    kit_open(&kit);
    ends = 0;
    memset(chain, 0, sizeof chain);
    chain[0].on_done = go_on;
    chain[0].cancel_in_done = true; /* harmless */
    ask(&kit, &chain[0], false);
    run_until(&kit, &chain[2].done, 1);
    ask(&kit, &chain[4], false);
    run_until(&kit, &ends, 1);
    assert_int_equal(chain[4].done, 0);
    for (size_t i = 0; i < 5; i++)
        asked_fini(&chain[i]);
    kit_fini(&kit);
}

static void test_cancel_closes_the_connection_at_once(void **state)
{
    struct kit kit;
    struct asked asked = {0};
    (void)state;
    kit_init(&kit);
    kit.upstream.script = hang;
    kit_open(&kit);
    ask(&kit, &asked, false);
    asked_fini(&asked); /* before anything was sent */
    for (unsigned i = 0; i < 5; i++) {
        asked = (struct asked){0};
        ask(&kit, &asked, i % 2 == 0);
        run_until(&kit, &kit.upstream.running, 1);
        tick_ms before_ms = tick_now_ms();
        asked_fini(&asked);
        run_until(&kit, &kit.upstream.aborted, i + 1);
        assert_true(tick_now_ms() - before_ms < patient_ms(500));
        assert_int_equal(kit.upstream.open, 0);
    }
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_and_answer),
        cmocka_unit_test(test_no_key_no_header),
        cmocka_unit_test(test_large_request_without_a_proxy),
        cmocka_unit_test(test_too_large_a_conversation),
        cmocka_unit_test(test_connections_are_used_again),
        cmocka_unit_test(test_no_connection_is_kept),
        cmocka_unit_test(test_a_kept_connection_that_the_peer_closed),
        cmocka_unit_test(test_unary_endings),
        cmocka_unit_test(test_endings_of_streams_that_do_not_begin),
        cmocka_unit_test(test_caps),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_by_name),
        cmocka_unit_test(test_by_name_over_ipv6),
        cmocka_unit_test(test_a_name_that_does_not_resolve),
        cmocka_unit_test(test_cancelled_while_connecting),
        cmocka_unit_test(test_calls_wait_for_a_connection_in_turn),
        cmocka_unit_test(test_the_queue_is_bounded),
        cmocka_unit_test(test_calls_from_inside_events),
        cmocka_unit_test(test_cancel_closes_the_connection_at_once),
    };
    llm_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    llm_global_fini();
    return failed;
}
