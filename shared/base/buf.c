#include "shared/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *buf, struct arena *arena, size_t limit_bytes)
{
    *buf = (struct buf){.arena = arena, .limit = limit_bytes};
}

void buf_fini(struct buf *buf)
{
    if (buf->arena == NULL)
        free(buf->at);
    buf_init(buf, buf->arena, buf->limit);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->overflow = false;
}

static void grow(struct buf *buf, size_t needed)
{
    size_t cap = buf->cap == 0 ? 256 : buf->cap * 2;
    if (cap < needed)
        cap = needed;
    if (cap > buf->limit)
        cap = buf->limit;
    if (buf->arena != NULL) {
        char *at = arena_alloc(buf->arena, cap);
        if (buf->len > 0)
            memcpy(at, buf->at, buf->len);
        buf->at = at;
    } else {
        buf->at = realloc(buf->at, cap);
        must(buf->at != NULL);
    }
    buf->cap = cap;
}

char *buf_reserve(struct buf *buf, size_t len)
{
    if (buf->overflow || len > buf->limit - buf->len) {
        buf->overflow = true;
        return NULL;
    }
    if (buf->at == NULL || buf->cap - buf->len < len)
        grow(buf, buf->len + len);
    return buf->at + buf->len;
}

void buf_put(struct buf *buf, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    char *room = buf_reserve(buf, len);
    if (room == NULL)
        return;
    memcpy(room, bytes, len);
    buf->len += len;
}

void buf_put_char(struct buf *buf, char c)
{
    buf_put(buf, &c, 1);
}

void buf_put_text(struct buf *buf, const char *text)
{
    buf_put(buf, text, strlen(text));
}

void buf_put_span(struct buf *buf, struct span text)
{
    buf_put(buf, text.at, text.len);
}

void buf_put_u64(struct buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_put(buf, digits + at, sizeof digits - at);
}

void buf_put_i64(struct buf *buf, int64_t value)
{
    if (value < 0)
        buf_put_char(buf, '-');
    buf_put_u64(buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    must(len >= 0);
    buf_put(buf, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
}

static void put_json_escape(struct buf *buf, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    switch (c) {
    case '"':
        buf_put(buf, "\\\"", 2);
        return;
    case '\\':
        buf_put(buf, "\\\\", 2);
        return;
    case '\n':
        buf_put(buf, "\\n", 2);
        return;
    case '\r':
        buf_put(buf, "\\r", 2);
        return;
    case '\t':
        buf_put(buf, "\\t", 2);
        return;
    default: {
        char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        buf_put(buf, escape, sizeof escape);
    }
    }
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

void buf_put_json(struct buf *buf, struct span text)
{
    for (;;) {
        size_t plain = 0;
        while (plain < text.len && is_plain((unsigned char)text.at[plain]))
            plain++;
        buf_put(buf, text.at, plain);
        if (plain == text.len)
            return;
        put_json_escape(buf, (unsigned char)text.at[plain]);
        text = span_from(text, plain + 1);
    }
}

void buf_put_json_string(struct buf *buf, struct span text)
{
    buf_put_char(buf, '"');
    buf_put_json(buf, text);
    buf_put_char(buf, '"');
}
