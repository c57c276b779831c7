/* What the dialects' tests share. In the texts ' stands for ". */
#ifndef WEIR_TESTS_LLM_WIRE_H
#define WEIR_TESTS_LLM_WIRE_H

#include "shared/llm/dialect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct answer {
    int status;
    const char *body;
    enum llm_end end;
    const char *text;   /* of LLM_DONE */
    const char *reason; /* of the others; NULL: any */
    int in, out;        /* tokens; -1: not known */
    enum llm_stop stop;
};

/* Reads each as a unary answer and checks what came of it. */
void check_answers(const struct dialect *dialect, const struct answer *rows, size_t n);
/* The same for single events; `status` is what an error event has to stand for, else 200. */
void check_event(const struct dialect *dialect, const char *name, const struct answer *row);
/* What the dialect writes for a conversation is this JSON. */
void check_request(const struct dialect *dialect, const struct conversation *what,
                   const char *expected);
/* What it makes of a JSON Schema; NULL: nothing. */
void check_schema_of(const struct dialect *dialect, const char *schema, const char *expected);
void check_path(const struct dialect *dialect, const char *model, bool stream,
                const char *expected);
struct buf unquoted(const char *text);

/* A whole stream through the client, over a fake upstream: as one write, byte by byte, and cut
 * behind each event: only the whole one ends well. Event streams in `events`, NULL at the end. */
void check_stream(const struct dialect *dialect, const char *const *events, const char *text,
                  uint64_t in, uint64_t out);

#endif
