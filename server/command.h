/* What weir does besides serving: `weir keys new` makes an API key, `weir token` (debug builds
 * only) signs a token for development. Main thread, before the settings are read; neither starts
 * anything or needs settings. */
#ifndef WEIR_SERVER_COMMAND_H
#define WEIR_SERVER_COMMAND_H

#include "shared/base/span.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Runs the command that argv names. False: it names none. *code is what to exit with: 0, or 2 after
 * a line on `errors` that says what is wrong. */
bool command_run(int argc, char **argv, FILE *out, FILE *errors, int *code);

/* --- for the commands --- */

enum { COMMAND_SCOPES_BYTES = 2048 };

/* An option of a command: --name value or --name=value. One that may come several times is joined
 * with spaces into `joined` (COMMAND_SCOPES_BYTES of room). */
struct command_option {
    const char *name;   /* "tenant" */
    const char **value; /* NULL until it is said; NULL for one that is joined */
    char *joined;
};

/* Reads the words from argv[from] on. False after a line on `errors`. */
bool command_read(int argc, char **argv, int from, const struct command_option *options, size_t n,
                  FILE *errors);
/* "90d", "12h", "30m", "45s" -> seconds; false for anything else. */
bool command_duration(const char *text, int64_t *seconds);

int command_keys_new(int argc, char **argv, FILE *out, FILE *errors);
#ifdef WEIR_DEBUG_SURFACE
int command_token(int argc, char **argv, FILE *out, FILE *errors);
#endif

#endif
