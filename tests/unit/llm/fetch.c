/* The fetcher over a server on the test's own loop. 127.0.0.1 is exempt here and plays the public
 * Internet; 127.0.0.2, where the same server does not listen but a second listener counts who
 * comes, plays what must not be reached. */
#include "shared/llm/fetch.h"

#include "tests/unit/llm/kit.h"

#include <stdio.h>

#define PNG        "\x89PNG\r\n\x1a\nIHDR"
#define HEAD(more) "HTTP/1.1 200 OK\r\nConnection: close\r\n" more "\r\n"

struct fixture {
    struct kit kit;
    uv_tcp_t trap; /* on 127.0.0.2, at the upstream's port */
    unsigned trapped;
    struct fetch_guard guard;
    struct fetch_settings settings;
    struct fetcher *fetcher;
    bool closed;
    char lines[8][128]; /* the name server's answers by hop; "" is none */
    char url[256];
    unsigned done;
    enum fetch_end end;
    char type[16];
    char reason[128];
    size_t bytes;
};

static void on_trapped(uv_stream_t *trap, int status)
{
    struct fixture *f = trap->data;
    (void)status;
    f->trapped++;
}

static const char *resolve(void *context, unsigned hop)
{
    struct fixture *f = context;
    return f->lines[hop][0] != '\0' ? f->lines[hop] : NULL;
}

static void init(struct fixture *f)
{
    struct sockaddr_in address;
    struct span wrong;
    *f = (struct fixture){0};
    kit_init(&f->kit);
    kit_open(&f->kit);
    assert_int_equal(uv_tcp_init(&f->kit.loop, &f->trap), 0);
    f->trap.data = f;
    assert_int_equal(uv_ip4_addr("127.0.0.2", f->kit.upstream.port, &address), 0);
    assert_int_equal(uv_tcp_bind(&f->trap, (const struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&f->trap, 8, on_trapped), 0);
    assert_true(cidr_list_parse(span_of("127.0.0.1"), &f->guard.exempt, &wrong));
    f->settings = (struct fetch_settings){
        .guard = &f->guard, .resolve = resolve, .context = f, .time_ms = patient_ms(4000)};
    f->fetcher = fetcher_new(&f->kit.loop, &f->kit.timers, &f->settings);
}

static void on_closed(void *context)
{
    ((struct fixture *)context)->closed = true;
}

static void fini(struct fixture *f)
{
    uv_close((uv_handle_t *)&f->trap, NULL);
    fetcher_close(f->fetcher, on_closed, f);
    kit_fini(&f->kit);
    assert_true(f->closed);
    cidr_list_free(&f->guard.exempt);
}

static void on_done(void *context, const struct fetch_result *result)
{
    struct fixture *f = context;
    f->done++;
    f->end = result->end;
    f->bytes = result->bytes.len;
    (void)snprintf(f->type, sizeof f->type, "%s", result->type != NULL ? result->type : "");
    (void)snprintf(f->reason, sizeof f->reason, "%s", result->reason != NULL ? result->reason : "");
    assert_int_equal(result->end == FETCH_DONE, result->type != NULL);
    assert_int_equal(result->end == FETCH_DONE, result->reason == NULL);
}

static void fetch(struct fixture *f, const char *url)
{
    f->done = 0;
    struct fetch_job *job = fetch_start(f->fetcher, span_of(url), on_done, f);
    assert_non_null(job);
    assert_int_equal(f->done, 0); /* never from inside */
    run_until(&f->kit, &f->done, 1);
    run_for(&f->kit, 20);
    assert_int_equal(f->done, 1);
}

#define assert_fetch(f, wanted)                                                                    \
    do {                                                                                           \
        if ((f)->end != (wanted))                                                                  \
            fail_msg("%s: %s", fetch_end_name((f)->end), (f)->reason);                             \
    } while (0)

/* "http://<host>:<the server's port><path>" */
static const char *url_at(struct fixture *f, const char *host, const char *path)
{
    (void)snprintf(f->url, sizeof f->url, "http://%s:%d%s", host, f->kit.upstream.port, path);
    return f->url;
}

/* What the name server says when the hop begins. */
static void name_is(struct fixture *f, unsigned hop, const char *host, const char *addresses)
{
    (void)snprintf(f->lines[hop], sizeof f->lines[hop], "%s:%d:%s", host, f->kit.upstream.port,
                   addresses);
}

static void answer(struct fixture *f, struct act script[2], const char *text)
{
    script[0] = (struct act){ACT_SAY, text, 0};
    script[1] = (struct act){ACT_CLOSE, NULL, 0};
    f->kit.upstream.script = script;
}

static void fetches_an_image(void **state)
{
    struct fixture f;
    struct act script[2];
    (void)state;
    init(&f);
    answer(&f, script, HEAD("Content-Type: image/png\r\nSet-Cookie: a=b\r\n") PNG);
    for (unsigned i = 1; i <= 2; i++) {
        fetch(&f, url_at(&f, "127.0.0.1", "/a.png?b=c#d"));
        assert_fetch(&f, FETCH_DONE);
        assert_string_equal(f.type, "image/png");
        assert_int_equal(f.bytes, sizeof PNG - 1);
        assert_int_equal(f.kit.upstream.connections, i); /* never one used again */
    }
    buf_put_char(&f.kit.upstream.request, '\0');
    const char *sent = f.kit.upstream.request.at;
    assert_ptr_equal(strstr(sent, "GET /a.png?b=c HTTP/1.1\r\n"), sent);
    assert_non_null(strstr(sent, "User-Agent: weir\r\n"));
    assert_null(strstr(sent, "Cookie"));
    assert_null(strstr(sent, "Referer"));
    assert_null(strstr(sent, "Authorization"));
    fini(&f);
}

static void refused_urls_connect_to_nothing(void **state)
{
    static const char *const hosts[] = {
        "127.0.0.2", "127.2", "2130706434", "0x7f000002", "[::ffff:127.0.0.2]", "user@127.0.0.1"};
    struct fixture f;
    (void)state;
    init(&f);
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        fetch(&f, url_at(&f, hosts[i], "/a.png"));
        assert_fetch(&f, FETCH_FORBIDDEN);
    }
    fetch(&f, "");
    assert_fetch(&f, FETCH_FORBIDDEN);
    fetch(&f, "file:///etc/hostname");
    assert_fetch(&f, FETCH_FORBIDDEN);
    assert_int_equal(f.trapped, 0);
    assert_int_equal(f.kit.upstream.connections, 0);
    fini(&f);
}

static void names_of_refused_addresses(void **state)
{
    struct fixture f;
    struct act script[2];
    (void)state;
    init(&f);
    answer(&f, script, HEAD("Content-Type: image/png\r\n") PNG);
    name_is(&f, 0, "inside.example", "127.0.0.2");
    fetch(&f, url_at(&f, "inside.example", "/a.png"));
    assert_fetch(&f, FETCH_FORBIDDEN);
    name_is(&f, 0, "six.example", "[::1]");
    fetch(&f, url_at(&f, "six.example", "/a.png"));
    assert_fetch(&f, FETCH_FORBIDDEN);
    name_is(&f, 0, "outside.example", "127.0.0.1");
    fetch(&f, url_at(&f, "outside.example", "/a.png"));
    assert_fetch(&f, FETCH_DONE);
    /* A refused address first, then a good one: none is tried. */
    name_is(&f, 0, "both.example", "127.0.0.2,127.0.0.1");
    fetch(&f, url_at(&f, "both.example", "/a.png"));
    assert_fetch(&f, FETCH_FORBIDDEN);
    assert_int_equal(f.trapped, 0);
    assert_int_equal(f.kit.upstream.requests, 1);
    fini(&f);
}

static void redirect_to(struct fixture *f, struct act script[2], char text[512], const char *where)
{
    (void)snprintf(text, 512,
                   "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 2\r\n"
                   "Location: %s\r\n\r\nxx",
                   where);
    answer(f, script, text);
}

/* The name is fine when it is first asked for, and stands for something else the next time. */
static void rebinding(void **state)
{
    struct fixture f;
    struct act script[2];
    char text[512];
    (void)state;
    init(&f);
    name_is(&f, 0, "rebind.example", "127.0.0.1");
    name_is(&f, 1, "rebind.example", "127.0.0.2");
    redirect_to(&f, script, text, "/again");
    fetch(&f, url_at(&f, "rebind.example", "/a.png"));
    assert_fetch(&f, FETCH_FORBIDDEN);
    assert_int_equal(f.kit.upstream.requests, 1);
    assert_int_equal(f.trapped, 0);
    fini(&f);
}

static void redirects_to_refused_places(void **state)
{
    static const char *const places[] = {"http://127.0.0.2/",
                                         "http://169.254.169.254/latest/meta-data/",
                                         "http://[::1]/",
                                         "//127.0.0.2/a.png",
                                         "file:///etc/passwd",
                                         "gopher://127.0.0.1/",
                                         "http://user:pw@127.0.0.1/"};
    struct fixture f;
    struct act script[2];
    char text[512];
    (void)state;
    init(&f);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        redirect_to(&f, script, text, places[i]);
        fetch(&f, url_at(&f, "127.0.0.1", "/a.png"));
        if (f.end != FETCH_FORBIDDEN && f.end != FETCH_REFUSED)
            fail_msg("%s: %s", places[i], fetch_end_name(f.end));
        assert_int_equal(f.kit.upstream.requests, i + 1);
    }
    assert_int_equal(f.trapped, 0);
    fini(&f);
}

static void too_many_redirects(void **state)
{
    struct fixture f;
    struct act script[2];
    char text[512];
    (void)state;
    init(&f);
    redirect_to(&f, script, text, "/round");
    fetch(&f, url_at(&f, "127.0.0.1", "/a.png"));
    assert_fetch(&f, FETCH_REFUSED);
    assert_int_equal(f.kit.upstream.requests, 1 + FETCH_REDIRECTS);
    fini(&f);
}

static void a_redirect_is_followed(void **state)
{
    static const struct act image[] = {{ACT_SAY, HEAD("Content-Type: image/gif\r\n") "GIF89a", 0},
                                       {ACT_CLOSE, NULL, 0}};
    struct fixture f;
    struct act script[2];
    char text[512];
    (void)state;
    init(&f);
    redirect_to(&f, script, text, "next.gif");
    f.done = 0;
    assert_non_null(
        fetch_start(f.fetcher, span_of(url_at(&f, "127.0.0.1", "/a/b.png")), on_done, &f));
    run_until(&f.kit, &f.kit.upstream.requests, 1);
    f.kit.upstream.script = image;
    run_until(&f.kit, &f.done, 1);
    assert_fetch(&f, FETCH_DONE);
    assert_string_equal(f.type, "image/gif");
    assert_true(span_starts_with(buf_span(&f.kit.upstream.request), "GET /a/next.gif "));
    fini(&f);
}

static void answers_that_are_no_image(void **state)
{
    static const struct {
        const char *text;
        enum fetch_end end;
    } samples[] = {
        {HEAD("Content-Type: text/html\r\n") PNG, FETCH_NO_IMAGE},
        {HEAD("Content-Type: image/svg+xml\r\n") "<svg>", FETCH_NO_IMAGE},
        {HEAD("") PNG, FETCH_NO_IMAGE},
        {HEAD("Content-Type: image/png\r\n") "<html>", FETCH_NO_IMAGE},
        {HEAD("Content-Type: image/png\r\nContent-Length: 0\r\n"), FETCH_NO_IMAGE},
        {HEAD("Content-Type: image/png\r\nContent-Length: 5242881\r\n") PNG, FETCH_TOO_LARGE},
        {HEAD("Content-Type: image/png\r\nContent-Length: 100\r\n") PNG, FETCH_UNREACHED},
        {"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: image/png\r\n\r\n" PNG,
         FETCH_REFUSED},
        {"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", FETCH_REFUSED},
        {"HTTP/1.1 302 Found\r\nConnection: close\r\n\r\n", FETCH_REFUSED},
        {"-ERR unknown command 'GET'\r\n", FETCH_UNREACHED},
    };
    struct fixture f;
    struct act script[2];
    (void)state;
    init(&f);
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        answer(&f, script, samples[i].text);
        fetch(&f, url_at(&f, "127.0.0.1", "/a.png"));
        if (f.end != samples[i].end)
            fail_msg("%zu: %s: %s", i, fetch_end_name(f.end), f.reason);
    }
    fini(&f);
}

static void a_flood_is_cut(void **state)
{
    static char block[64 * 1024 + 1];
    struct act script[] = {{ACT_SAY,
                            "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n",
                            0},
                           {ACT_FLOOD, block, 1000},
                           {ACT_HANG, NULL, 0}};
    struct fixture f;
    (void)state;
    init(&f);
    memset(block, 'a', sizeof block - 1);
    f.kit.upstream.script = script;
    fetch(&f, url_at(&f, "127.0.0.1", "/a.png"));
    assert_fetch(&f, FETCH_TOO_LARGE);
    assert_true(f.kit.upstream.written < 32U * 1024 * 1024);
    fini(&f);
}

static void slow_servers(void **state)
{
    static const struct act drip[] = {{ACT_SAY, HEAD("Content-Type: image/png\r\n"), 0},
                                      {ACT_WAIT, NULL, 30},
                                      {ACT_SAY, "\x89", 0},
                                      {ACT_HANG, NULL, 0}};
    struct fixture f;
    (void)state;
    init(&f);
    f.settings.time_ms = 150;
    f.kit.upstream.script = drip;
    fetch(&f, url_at(&f, "127.0.0.1", "/a.png"));
    assert_fetch(&f, FETCH_TIMED_OUT);
    f.kit.upstream.script = hang;
    fetch(&f, url_at(&f, "127.0.0.1", "/a.png"));
    assert_fetch(&f, FETCH_TIMED_OUT);
    fini(&f);
}

static void nobody_there(void **state)
{
    struct fixture f;
    (void)state;
    init(&f);
    (void)snprintf(f.lines[0], sizeof f.lines[0], "closed.example:1:127.0.0.1");
    fetch(&f, "http://closed.example:1/a.png");
    assert_fetch(&f, FETCH_UNREACHED);
    fini(&f);
}

static void cancelled_and_many(void **state)
{
    struct fetch_job *jobs[FETCH_AT_A_TIME];
    struct fixture f;
    (void)state;
    init(&f);
    f.kit.upstream.script = hang;
    (void)url_at(&f, "127.0.0.1", "/a.png");
    for (size_t i = 0; i < FETCH_AT_A_TIME; i++) {
        jobs[i] = fetch_start(f.fetcher, span_of(f.url), on_done, &f);
        assert_non_null(jobs[i]);
    }
    assert_null(fetch_start(f.fetcher, span_of(f.url), on_done, &f));
    run_until(&f.kit, &f.kit.upstream.requests, FETCH_AT_A_TIME);
    for (size_t i = 0; i < FETCH_AT_A_TIME; i++)
        fetch_cancel(jobs[i]);
    run_until(&f.kit, &f.kit.upstream.aborted, FETCH_AT_A_TIME);
    assert_int_equal(f.done, 0);
    jobs[0] = fetch_start(f.fetcher, span_of("http://10.0.0.1/"), on_done, &f);
    assert_non_null(jobs[0]);
    fetch_cancel(jobs[0]); /* before it could be told that it is forbidden */
    run_for(&f.kit, 20);
    assert_int_equal(f.done, 0);
    fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fetches_an_image),
                                       cmocka_unit_test(refused_urls_connect_to_nothing),
                                       cmocka_unit_test(names_of_refused_addresses),
                                       cmocka_unit_test(rebinding),
                                       cmocka_unit_test(redirects_to_refused_places),
                                       cmocka_unit_test(too_many_redirects),
                                       cmocka_unit_test(a_redirect_is_followed),
                                       cmocka_unit_test(answers_that_are_no_image),
                                       cmocka_unit_test(a_flood_is_cut),
                                       cmocka_unit_test(slow_servers),
                                       cmocka_unit_test(nobody_there),
                                       cmocka_unit_test(cancelled_and_many)};
    llm_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    llm_global_fini();
    return failed;
}
