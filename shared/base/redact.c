#include "shared/base/redact.h"

#include <stdbool.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_address_char(char c)
{
    return is_digit(c) || is_letter(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-';
}

/* Bytes of the number that begins at `i`, or 0 when it is not one worth masking. */
static size_t number_length(struct span text, size_t i)
{
    size_t digits = 0, end = i;
    if (i > 0 && (is_digit(text.at[i - 1]) || is_letter(text.at[i - 1])))
        return 0;
    for (size_t j = i; j < text.len && digits <= 19; j++) {
        char c = text.at[j];
        if (is_digit(c)) {
            digits++;
            end = j + 1;
        } else if (!(c == ' ' || c == '.' || c == '-') || j != end) {
            break;
        }
    }
    if (end < text.len && (is_letter(text.at[end]) || is_digit(text.at[end])))
        return 0;
    return digits >= 9 && digits <= 19 ? end - i : 0;
}

/* Bytes of the address that begins at `i`, or 0. */
static size_t email_length(struct span text, size_t i)
{
    size_t at = i, end;
    bool dot = false;
    if (i > 0 && is_address_char(text.at[i - 1]))
        return 0;
    while (at < text.len && is_address_char(text.at[at]))
        at++;
    if (at == i || at == text.len || text.at[at] != '@')
        return 0;
    for (end = at + 1; end < text.len && is_address_char(text.at[end]); end++)
        dot |= text.at[end] == '.';
    return dot ? end - i : 0;
}

/* The mask, cut or filled up so that it never needs more room than what it hides. */
static size_t put_mask(char *out, const char *mask, size_t room)
{
    size_t len = strlen(mask);
    if (len <= room) {
        memcpy(out, mask, len);
        return len;
    }
    memset(out, '*', room);
    return room;
}

size_t redact_copy(struct span text, char *out)
{
    size_t to = 0;
    bool may_hold_email = text.len > 0 && memchr(text.at, '@', text.len) != NULL;
    for (size_t i = 0; i < text.len;) {
        size_t hidden = may_hold_email ? email_length(text, i) : 0;
        const char *mask = "[email]";
        if (hidden == 0 && is_digit(text.at[i])) {
            hidden = number_length(text, i);
            mask = "[number]";
        }
        if (hidden == 0) {
            out[to++] = text.at[i++];
            continue;
        }
        to += put_mask(out + to, mask, hidden);
        i += hidden;
    }
    return to;
}
