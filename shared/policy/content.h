/* What spam looks like: how many URLs and telephone numbers a text holds.
 *
 * Counted, never matched by a general pattern: one pass, linear in the text whatever it is, no
 * memory. `text` is any bytes; counts add up over calls, so that one request's fields are one sum.
 * Pure, any thread, nothing fails.
 *
 * A URL is "://" behind a letter or digit, or "www." at the start of a word. A telephone number is
 * "+" and 8 digits or more in groups; or groups of 3, 3 and 4 digits ("(555) 123-4567"); or digits
 * in groups with a leading 0, 9 or more ("020 7946 0958"); or 10 digits in one run that do not
 * begin with 1 (nor are thus a time in seconds), or 11 that begin with 0 or 1. Groups are apart by
 * one or two of space ( ) . and -. Dates, IP addresses, UUIDs and decimals are none. */
#ifndef WEIR_POLICY_CONTENT_H
#define WEIR_POLICY_CONTENT_H

#include "shared/base/span.h"

struct content_counts {
    size_t urls;
    size_t phones;
};

void content_count(struct span text, struct content_counts *counts);

#endif
