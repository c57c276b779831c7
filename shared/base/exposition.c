#include "shared/base/exposition.h"

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

const char *exposition_type(bool openmetrics)
{
    return openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                       : "text/plain; version=0.0.4; charset=utf-8";
}

static const char *total(const struct exposition *exposition)
{
    return exposition->kind == EXPOSITION_COUNTER ? "_total" : "";
}

static void put_escaped(struct buf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            buf_put_text(out, "\\n");
            continue;
        }
        if (*value == '"' || *value == '\\')
            buf_put_char(out, '\\');
        buf_put_char(out, *value);
    }
}

/* Seconds without an exponent and without trailing zeros. */
static void put_seconds(struct buf *out, uint64_t duration_ns)
{
    char digits[12];
    uint64_t fraction = duration_ns % 1000000000U;
    size_t len = 9;
    buf_put_u64(out, duration_ns / 1000000000U);
    for (size_t i = 9; i > 0; i--, fraction /= 10)
        digits[i - 1] = (char)('0' + fraction % 10);
    while (len > 1 && digits[len - 1] == '0') /* OpenMetrics wants floats to look like it */
        len--;
    buf_put_char(out, '.');
    buf_put(out, digits, len);
}

/* name_suffix{labels,extra="..."} and a space. */
static void put_name(struct exposition *exposition, const char *suffix,
                     const struct exposition_label *labels, const char *extra)
{
    struct buf *out = exposition->out;
    bool open = false;
    buf_put_text(out, exposition->family);
    buf_put_text(out, suffix);
    for (; labels != NULL && labels->name != NULL; labels++) {
        buf_put_char(out, open ? ',' : '{');
        open = true;
        buf_put_text(out, labels->name);
        buf_put_text(out, "=\"");
        put_escaped(out, labels->value);
        buf_put_char(out, '"');
    }
    if (extra != NULL) {
        buf_put_char(out, open ? ',' : '{');
        open = true;
        buf_put_text(out, extra);
    }
    buf_put_text(out, open ? "} " : " ");
}

void exposition_family(struct exposition *exposition, const char *name, enum exposition_kind kind,
                       const char *help)
{
    struct buf *out = exposition->out;
    exposition->family = name;
    exposition->kind = kind;
    const char *suffix = exposition->openmetrics ? "" : total(exposition);
    buf_put_text(out, "# HELP ");
    buf_put_text(out, name);
    buf_put_text(out, suffix);
    buf_put_char(out, ' ');
    buf_put_text(out, help);
    buf_put_text(out, "\n# TYPE ");
    buf_put_text(out, name);
    buf_put_text(out, suffix);
    buf_put_char(out, ' ');
    buf_put_text(out, kind_names[kind]);
    buf_put_char(out, '\n');
}

void exposition_value(struct exposition *exposition, const struct exposition_label *labels,
                      uint64_t value)
{
    put_name(exposition, total(exposition), labels, NULL);
    buf_put_u64(exposition->out, value);
    buf_put_char(exposition->out, '\n');
}

void exposition_seconds(struct exposition *exposition, const struct exposition_label *labels,
                        uint64_t duration_ns)
{
    put_name(exposition, total(exposition), labels, NULL);
    put_seconds(exposition->out, duration_ns);
    buf_put_char(exposition->out, '\n');
}

void exposition_histogram(struct exposition *exposition, const struct exposition_label *labels,
                          const struct metric_distribution *distribution)
{
    struct buf *out = exposition->out;
    uint64_t count = 0;
    for (size_t i = 0; i < METRIC_BUCKETS; i++) {
        char text[48];
        struct buf bound = {.at = text, .cap = sizeof text, .limit = sizeof text};
        count += distribution->buckets[i];
        buf_put_text(&bound, "le=\"");
        if (metric_bound_ns(i) == UINT64_MAX)
            buf_put_text(&bound, "+Inf");
        else
            put_seconds(&bound, metric_bound_ns(i));
        buf_put(&bound, "\"", 2); /* with its NUL */
        put_name(exposition, "_bucket", labels, text);
        buf_put_u64(out, count);
        buf_put_char(out, '\n');
    }
    put_name(exposition, "_sum", labels, NULL);
    put_seconds(out, distribution->sum_ns);
    buf_put_char(out, '\n');
    put_name(exposition, "_count", labels, NULL);
    buf_put_u64(out, count);
    buf_put_char(out, '\n');
}

void exposition_end(struct exposition *exposition)
{
    if (exposition->openmetrics)
        buf_put_text(exposition->out, "# EOF\n");
}
