#include "shared/policy/content.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

/* --- URLs --- */

static bool is_www(struct span text, size_t i)
{
    if (text.len - i < 5 || strncasecmp(text.at + i, "www.", 4) != 0 || !is_word(text.at[i + 4]))
        return false;
    if (i == 0)
        return true;
    /* Behind "://" it belongs to what was counted already. */
    return !is_word(text.at[i - 1]) && !(i >= 3 && memcmp(text.at + i - 3, "://", 3) == 0);
}

static size_t count_urls(struct span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == ':' && i > 0 && text.len - i >= 3 && memcmp(text.at + i, "://", 3) == 0)
            n += is_word(text.at[i - 1]) ? 1 : 0;
        else if (c == 'w' || c == 'W')
            n += is_www(text, i) ? 1 : 0;
    }
    return n;
}

/* --- telephone numbers --- */

/* The groups of digits of what may become a number. */
struct groups {
    size_t digits; /* in all */
    size_t n;
    size_t last, before_last, third_last; /* their lengths; 0: there is none */
    bool international;                   /* begins with + */
    bool trunk;                           /* begins with 0, in a group of two digits or more */
};

static bool is_number(const struct groups *groups, char first)
{
    if (groups->international)
        return groups->digits >= 8;
    if (groups->last == 4 && groups->before_last == 3 && groups->third_last == 3)
        return true;
    if (groups->trunk && groups->n > 1)
        return groups->digits >= 9;
    return (groups->last == 10 && first != '1' && first != '0') ||
           (groups->last == 11 && (first == '0' || first == '1')) ||
           (groups->last == 10 && first == '0');
}

/* The bytes between two groups of one number: one or two of the separators; else 0. */
static size_t gap_length(struct span text, size_t i)
{
    size_t n = 0;
    while (n < 3 && i + n < text.len && text.at[i + n] != '\0' &&
           strchr(" .-()", text.at[i + n]) != NULL)
        n++;
    return n <= 2 && i + n < text.len && is_digit(text.at[i + n]) ? n : 0;
}

static size_t digits_length(struct span text, size_t i)
{
    size_t n = 0;
    while (i + n < text.len && is_digit(text.at[i + n]))
        n++;
    return n;
}

static void add_group(struct groups *groups, size_t length, char first)
{
    if (groups->n == 0)
        groups->trunk = first == '0' && length >= 2;
    groups->third_last = groups->before_last;
    groups->before_last = groups->last;
    groups->last = length;
    groups->digits += length;
    groups->n++;
}

/* A group that is part of a word, of a time (10:30) or too long is no part of a number. */
static bool is_group(struct span text, size_t i, size_t length)
{
    bool inside = i > 0 && is_word(text.at[i - 1]);
    bool goes_on =
        i + length < text.len && (is_word(text.at[i + length]) || text.at[i + length] == ':');
    return !inside && !goes_on && length <= 15;
}

static size_t count_phones(struct span text)
{
    struct groups groups = {0};
    size_t n = 0;
    for (size_t i = 0; i < text.len;) {
        if (!is_digit(text.at[i])) {
            i++;
            continue;
        }
        size_t length = digits_length(text, i);
        bool plus = i > 0 && text.at[i - 1] == '+';
        if (plus)
            groups = (struct groups){.international = true};
        if (is_group(text, i, length))
            add_group(&groups, length, text.at[i]);
        else
            groups = (struct groups){0};
        if (groups.n > 0 && is_number(&groups, text.at[i])) {
            n++;
            groups = (struct groups){0};
        }
        i += length;
        size_t gap = gap_length(text, i);
        if (gap == 0)
            groups = (struct groups){0};
        i += gap;
    }
    return n;
}

void content_count(struct span text, struct content_counts *counts)
{
    counts->urls += count_urls(text);
    counts->phones += count_phones(text);
}
