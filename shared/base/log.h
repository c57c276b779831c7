/* Structured logs: events with fields, written by one log thread.
 *
 * A line is built on the caller's stack and handed to the calling thread's ring; the log thread
 * takes it from there and writes it to the output. Nothing here blocks: a full ring drops the line
 * and counts it, and so does an output that is closed or full; the log thread reports the count as
 * an event ("log_dropped") when it can. Any thread may log. Before log_start and after log_stop
 * lines go straight to standard error.
 *
 * Text from outside is only ever a field value: it is escaped and cut to 512 bytes, so it cannot
 * break out of its line (V5). Secrets and message bodies are never passed here (O2). */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include "shared/base/must.h"
#include "shared/base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_JSON, LOG_CONSOLE };

enum { LOG_LINE_BYTES = 2048 };

struct log_settings {
    enum log_level level;
    enum log_format format;
    bool severity; /* JSON: name the level as Google Cloud does */
    int fd;        /* where lines go; not owned */
};

/* A line under construction; on the stack of one function. */
struct log_line {
    bool on; /* false: the level is off, and fields cost nothing */
    enum log_level level;
    enum log_format format;
    size_t len;
    char text[LOG_LINE_BYTES];
};

/* What the log thread does beside writing lines: called on it after each batch of lines, and about
 * once a second while there are none; `last` when it is about to end. Returns whether it had
 * something to do. NULL: nothing. Before log_start. */
void log_set_chore(bool (*chore)(bool last));
/* Starts the log thread. Once, from main, before other threads. */
void log_start(const struct log_settings *settings);
/* Writes what is left (for at most `wait_ms`) and ends the log thread. Once, from main. */
void log_stop(unsigned wait_ms);
/* Lines dropped since start. */
uint64_t log_dropped(void);
bool log_is_on(enum log_level level);

/* logger: the part that speaks ("access", "lifecycle", "llm"); event: snake_case, constant. */
void log_begin(struct log_line *line, enum log_level level, const char *logger, const char *event);
void log_text(struct log_line *line, const char *name, const char *value); /* NULL: left out */
void log_span(struct log_line *line, const char *name, struct span value);
void log_u64(struct log_line *line, const char *name, uint64_t value);
void log_i64(struct log_line *line, const char *name, int64_t value);
/* Milliseconds with three decimals, from nanoseconds. */
void log_ms(struct log_line *line, const char *name, uint64_t value_ns);
void log_bool(struct log_line *line, const char *name, bool value);
/* Hands the line over. The line must not be used afterwards. */
void log_end(struct log_line *line);

/* An event with one text field, for the simple cases. `name` NULL: no field. */
void log_event(enum log_level level, const char *logger, const char *event, const char *name,
               const char *value);

#endif
