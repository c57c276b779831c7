/* What the lines of log_line.c look like; settled by log_start, before other threads run. */
#ifndef WEIR_BASE_LOG_LINE_H
#define WEIR_BASE_LOG_LINE_H

#include "shared/base/log.h"

extern enum log_format log_line_format;
extern bool log_line_colour; /* LOG_CONSOLE only */

#endif
