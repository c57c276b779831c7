/* What the lines of log_line.c look like; settled by log_start, before other threads run. */
#ifndef WEIR_BASE_LOG_LINE_H
#define WEIR_BASE_LOG_LINE_H

#include "shared/base/log.h"

extern enum log_format log_line_format;
extern bool log_line_colour; /* LOG_CONSOLE only */

/* A line that no level turns off, in JSON whatever the log's format, to be written elsewhere. */
void log_begin_record(struct log_line *line, enum log_level level, const char *logger,
                      const char *event);
/* The whole line, its end included; lives in `line`. */
struct span log_finish(struct log_line *line);

#endif
