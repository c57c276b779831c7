/* The client for language models: one a worker, on the worker's loop.
 *
 * A call goes to the first upstream (upstream.h) that may be asked, and is made again there, or at
 * the next one, as long as nothing of an answer was handed out (see retry.h). Each attempt passes
 * the upstream's breaker. Nothing of this goes on after `done` or llm_cancel.
 *
 * Owner thread only. A call is started with llm_start and ends in exactly one `done`, or in
 * llm_cancel, after which no event comes. Events are never delivered inside llm_start, llm_cancel,
 * llm_pause or llm_resume, nor between llm_pause and llm_resume, but for `done` when the time is
 * up. Inside an event the caller may cancel or pause its own call.
 *
 * Time-outs: connect, first token, idle between chunks, total; all end in LLM_TIMED_OUT. Answers
 * are capped (LLM_ANSWER_BYTES). A stream that ends without its end marker is LLM_CUT. */
#ifndef WEIR_LLM_LLM_H
#define WEIR_LLM_LLM_H

#include "shared/base/must.h"
#include "shared/base/span.h"
#include "shared/base/timers.h"
#include "shared/flow/conversation.h"

#include <stdbool.h>
#include <stdint.h>

enum { LLM_ANSWER_BYTES = 4 * 1024 * 1024, LLM_UPSTREAMS_MOST = 16 };

struct llm_upstream;
struct tool_calls;

/* Settings; fixed after start. Strings are borrowed and must outlive the client. */
struct llm_settings {
    struct llm_upstream *upstreams; /* in the order in which they are asked; not owned */
    size_t n_upstreams;             /* LLM_UPSTREAMS_MOST at most */
    size_t n_named;                 /* the last ones, asked only by conversation.upstream; without
                                       others, the offline model answers the rest */
    const char *ca_file;            /* NULL: the system's */
    uint64_t total_timeout_ms;      /* of a call, all its attempts together */
    uint64_t connect_timeout_ms;
    uint64_t first_token_timeout_ms; /* of streams, for each attempt; 0: only the total */
    uint64_t idle_timeout_ms;        /* of streams, between events; 0: only the total */
    unsigned retries;                /* of a call, at most */
    uint64_t (*random)(void);        /* for the waits before them; NULL: the client's own */
    long pool_max;                   /* connections to an upstream at most */
    long pool_max_keepalive;         /* idle ones kept */
    uint64_t offline_word_delay_ms;  /* between streamed words of the offline model */
};

enum llm_end {
    LLM_DONE,
    LLM_UNREACHABLE, /* name, connect, TLS, reset before any answer */
    LLM_TIMED_OUT,
    LLM_BUSY,     /* 429, or the pool's queue is full */
    LLM_REJECTED, /* other 4xx */
    LLM_FAILED,   /* 5xx, or an error object in a stream */
    LLM_GARBLED,  /* not the provider's shape */
    LLM_TOO_LARGE,
    LLM_CUT,      /* the stream ended without its end marker */
    LLM_FILTERED, /* the model or its provider would not say it */
    LLM_OPEN      /* no upstream was asked: their breakers are open */
};

/* Why the model stopped. */
enum llm_stop { LLM_STOP_UNSAID, LLM_STOP_END, LLM_STOP_LENGTH };

struct llm_usage {
    uint64_t input_tokens;
    uint64_t output_tokens;
    bool known;     /* all of it as the provider says; else at least so much, as far as was said */
    bool estimated; /* made of the texts' lengths, at least in part */
};

/* What a call has come to so far; or a dialogue, which is several. */
struct llm_account {
    const char *provider; /* of the last attempt; lives as long as the upstreams; NULL: none */
    unsigned attempts;    /* requests that went out */
    bool fallback;        /* the last one was not to the first upstream */
    enum llm_stop stop;
    struct llm_usage usage;  /* of the last attempt */
    unsigned tool_rounds;    /* of a dialogue: turns in which the model called tools */
    unsigned answer_retries; /* of a dialogue: answers that it had to give again */
};

/* Lives for the duration of the call of `done`. */
struct llm_result {
    enum llm_end end;
    struct span text; /* unary: the whole answer. Streams: empty (the pieces were delivered) */
    struct llm_usage usage;
    enum llm_stop stop;
    struct llm_account account;
    /* LLM_DONE: tools that the model wants called before it goes on; only where some are on offer.
     * `text`, or what came in pieces, is then what it said before. */
    const struct chat_part *calls;
    size_t n_calls;
    struct tool_calls *drafts; /* the client's own; NULL: no tools are on offer */
    int http_status;         /* also one that an error within the answer stands for; 0: none came */
    uint64_t retry_after_ms; /* 0: not said */
    char reason[128];        /* for the log, never for the caller: no secrets, no bodies */
};

struct llm_call;

struct llm_events {
    /* A piece of a streamed answer: UTF-8 without NUL, not empty; lives for the duration of the
     * call. */
    void (*piece)(void *context, struct span text);
    void (*done)(void *context, const struct llm_result *result);
};

struct llm_client;
struct uv_loop_s;

/* llm_global_init: once from main before threads (libcurl's global state). */
void llm_global_init(void);
void llm_global_fini(void);

/* `loop`, `timers` and `settings` must outlive the client. */
MUST_USE struct llm_client *llm_client_new(struct uv_loop_s *loop, struct timers *timers,
                                           const struct llm_settings *settings);
/* All calls must have ended. Closes handles on the loop; the loop must run until they are closed,
 * then `closed` is called once and the client is gone. */
void llm_client_close(struct llm_client *client, void (*closed)(void *context), void *context);

/* Starts a call; the conversation is read before it returns. Never NULL: what cannot be started
 * ends in `done`. */
MUST_USE struct llm_call *llm_start(struct llm_client *client, const struct conversation *what,
                                    tick_ms now_ms, const struct llm_events *events, void *context);
/* The call is gone when this returns; the upstream connection is closed at once if it was busy. */
void llm_cancel(struct llm_call *call);
/* The same, where the model is to blame, because it did not answer in the time that this service
 * gives it, or not usably: its breaker counts a failure. */
void llm_give_up(struct llm_call *call);
/* For those who cancel: before that. The usage is settled in here, as it is for `done`. */
void llm_account(const struct llm_call *call, struct llm_account *account);
/* Stops reading a stream / goes on: back-pressure. Idempotent. */
void llm_pause(struct llm_call *call);
void llm_resume(struct llm_call *call);

/* "done", "timed_out", ...: for logs and metrics. */
const char *llm_end_name(enum llm_end end);

#endif
