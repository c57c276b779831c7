/* An escape within a JSON string (RFC 8259 section 7). Pure; any thread. */
#ifndef WEIR_BASE_JSON_ESCAPE_H
#define WEIR_BASE_JSON_ESCAPE_H

#include "shared/base/must.h"

#include <stddef.h>
#include <stdint.h>

/* The bytes of the escape whose backslash is at `at`, both halves of a surrogate pair, and in *c
 * the character that it stands for, which may be NUL; 0 when it is no escape. Reads nothing from
 * `end` on. */
MUST_USE size_t json_escape(const char *at, const char *end, uint32_t *c);

#endif
