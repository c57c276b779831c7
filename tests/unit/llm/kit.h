/* What the client's tests stand on: a loop with timers, a fake upstream, a client, and calls that
 * write down what happens to them and check the rules that hold for every call. */
#ifndef WEIR_TESTS_LLM_KIT_H
#define WEIR_TESTS_LLM_KIT_H

#include "shared/llm/upstream.h"
#include "tests/unit/llm/upstream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct kit {
    uv_loop_t loop;
    struct timers timers;
    uv_timer_t clock; /* runs the timers every 2 ms */
    struct upstream upstream;
    struct llm_settings settings;
    char base_url[128];
    /* Of the upstreams that kit_open makes; those behind the first are its fallbacks. */
    const char *urls[3];
    size_t n_urls; /* 0: the offline model */
    const struct dialect *dialect;
    const char *api_key;
    struct breaker_settings breaker;
    struct llm_key key;
    struct llm_upstream upstreams[3];
    struct llm_client *client;
    bool closed;
};

/* A call and what became of it. */
struct asked {
    struct kit *kit;
    struct llm_call *call; /* NULL: it ended or was cancelled */
    struct buf text;       /* the pieces, or the answer */
    unsigned pieces;
    unsigned done;            /* events */
    struct llm_result result; /* without its text */
    tick_ms asked_ms;
    tick_ms first_ms; /* of the first piece */
    tick_ms last_ms;  /* of the last event */
    bool paused;
    unsigned cancel_at; /* in the piece of this number, from 1; 0: never */
    unsigned pause_at;
    bool cancel_in_done;
    void (*on_done)(struct asked *asked); /* at the end of `done`; may be NULL */
};

/* The loop and the upstream; then change settings; then kit_open. */
void kit_init(struct kit *kit);
void kit_open(struct kit *kit);
/* One more client, of the fake upstream, beside one that looks for it elsewhere. */
struct llm_client *kit_open_second(struct kit *kit, struct llm_settings *settings);
/* Closes the client and lets the loop run empty. */
void kit_fini(struct kit *kit);

/* Asks "Hello"; a stream when `stream`. */
void ask(struct kit *kit, struct asked *asked, bool stream);
void ask_what(struct kit *kit, struct asked *asked, const struct conversation *what);
void asked_cancel(struct asked *asked);
void asked_pause(struct asked *asked);
void asked_resume(struct asked *asked);
/* Cancels where it still runs; frees. */
void asked_fini(struct asked *asked);

/* An upper bound of real time, widened by WEIR_TEST_SLOWNESS on instrumented or busy machines. */
uint64_t patient_ms(uint64_t ms);
/* Runs the loop until *counter >= wanted; fails after patient_ms(5000). */
void run_until(struct kit *kit, const unsigned *counter, unsigned wanted);
void run_for(struct kit *kit, unsigned ms);
/* Asks, waits for the end, checks it, and leaves the rest in `asked`. */
void ask_and_wait(struct kit *kit, struct asked *asked, bool stream, enum llm_end end);

#define assert_end(asked, wanted)                                                                  \
    assert_string_equal(llm_end_name((asked)->result.end), llm_end_name(wanted))
#define assert_text(asked, wanted)                                                                 \
    do {                                                                                           \
        buf_put_char(&(asked)->text, '\0');                                                        \
        assert_string_equal((asked)->text.at, wanted);                                             \
        (asked)->text.len--;                                                                       \
    } while (0)

/* --- scripts --- */

#define HEAD_STREAM                                                                                \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"                        \
    "Transfer-Encoding: chunked\r\n\r\n"
#define DELTA(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define LAST_CHUNK  "0\r\n\r\n"
/* An answer closed by its sender; no length needed. */
#define HEAD_JSON(status)                                                                          \
    "HTTP/1.1 " status "\r\nContent-Type: application/json\r\nConnection: close\r\n"
#define ANSWER_HI "{\"choices\":[{\"message\":{\"content\":\"Hi!\"}}]}"

extern const struct act answer_hi[];  /* unary, "Hi!", keeps the connection */
extern const struct act stream_abc[]; /* "a", "b", "c", usage 5 and 7, the end marker */
extern const struct act hang[];

#endif
