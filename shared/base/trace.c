#include "shared/base/trace.h"

#include <stdint.h>
#include <stdio.h>

enum { PARENT_BYTES = 55 }; /* vv-<32>-<16>-ff */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_hex(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (digit_of(text.at[i]) < 0)
            return false;
    return true;
}

/* An id of all zeros names nothing. */
static bool is_id(struct span text)
{
    bool zero = true;
    for (size_t i = 0; i < text.len; i++)
        zero = zero && text.at[i] == '0';
    return !zero && is_hex(text);
}

static void copy(char *to, struct span text)
{
    memcpy(to, text.at, text.len);
    to[text.len] = '\0';
}

bool trace_from_parent(struct span traceparent, struct trace *trace)
{
    if (traceparent.len < PARENT_BYTES)
        return false;
    struct span version = span_make(traceparent.at, 2);
    struct span id = span_make(traceparent.at + 3, TRACE_ID_DIGITS);
    struct span parent = span_make(traceparent.at + 36, TRACE_SPAN_DIGITS);
    struct span flags = span_make(traceparent.at + 53, 2);
    if (traceparent.at[2] != '-' || traceparent.at[35] != '-' || traceparent.at[52] != '-' ||
        !is_hex(version) || span_is(version, "ff") || !is_id(id) || !is_id(parent) ||
        !is_hex(flags))
        return false;
    /* Later versions may say more, behind a dash. */
    if (traceparent.len > PARENT_BYTES &&
        (span_is(version, "00") || traceparent.at[PARENT_BYTES] != '-'))
        return false;
    copy(trace->id, id);
    copy(trace->span, parent);
    trace->sampled = (digit_of(flags.at[1]) & 1) != 0;
    return true;
}

/* Decimal digits that fit; 0 for anything else. */
static uint64_t number_of(struct span text)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(text.at[i] - '0');
        if (digit > 9 || number > (UINT64_MAX - digit) / 10)
            return 0;
        number = number * 10 + digit;
    }
    return number;
}

bool trace_from_cloud(struct span context, struct trace *trace)
{
    if (context.len < TRACE_ID_DIGITS)
        return false;
    struct span id = span_make(context.at, TRACE_ID_DIGITS);
    struct span rest = span_from(context, TRACE_ID_DIGITS);
    const char *options = rest.len > 0 ? memchr(rest.at, ';', rest.len) : NULL;
    struct span number =
        span_make(rest.at, options != NULL ? (size_t)(options - rest.at) : rest.len);
    if (!is_id(id) || (number.len > 0 && number.at[0] != '/'))
        return false;
    uint64_t span = number.len > 0 ? number_of(span_from(number, 1)) : 0;
    if (number.len > 0 && span == 0)
        return false;
    copy(trace->id, id);
    trace->span[0] = '\0';
    if (span > 0)
        (void)snprintf(trace->span, sizeof trace->span, "%016llx", (unsigned long long)span);
    trace->sampled = span_is(span_from(rest, number.len), ";o=1");
    return true;
}
