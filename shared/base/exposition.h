/* Metrics as text, in the Prometheus format or in OpenMetrics.
 *
 * A family is opened by its name, kind and help, then come its samples. Counters are named without
 * "_total", which is added where the format wants it. Pure; one thread at a time.
 *
 * Source: Prometheus text exposition format 0.0.4; OpenMetrics 1.0.0. */
#ifndef WEIR_BASE_EXPOSITION_H
#define WEIR_BASE_EXPOSITION_H

#include "shared/base/buf.h"
#include "shared/base/metrics.h"

enum exposition_kind { EXPOSITION_COUNTER, EXPOSITION_GAUGE, EXPOSITION_HISTOGRAM };

struct exposition {
    struct buf *out;
    bool openmetrics;
    const char *family;
    enum exposition_kind kind;
};

/* Values may be any text (UTF-8); they are escaped. Ends with a label whose name is NULL. */
struct exposition_label {
    const char *name;
    const char *value;
};

/* The Content-Type of the format. */
const char *exposition_type(bool openmetrics);

/* `name` and `help` are static; help is one line. */
void exposition_family(struct exposition *exposition, const char *name, enum exposition_kind kind,
                       const char *help);
/* A sample of the family; `labels` NULL: none. */
void exposition_value(struct exposition *exposition, const struct exposition_label *labels,
                      uint64_t value);
/* The same for a duration: told in seconds. */
void exposition_seconds(struct exposition *exposition, const struct exposition_label *labels,
                        uint64_t duration_ns);
void exposition_histogram(struct exposition *exposition, const struct exposition_label *labels,
                          const struct metric_distribution *distribution);
/* After the last family. */
void exposition_end(struct exposition *exposition);

/* A family with one sample without labels. */
static inline void exposition_one(struct exposition *exposition, const char *name,
                                  enum exposition_kind kind, const char *help, uint64_t value)
{
    exposition_family(exposition, name, kind, help);
    exposition_value(exposition, NULL, value);
}

#endif
