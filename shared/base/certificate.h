/* The verified name in a client's certificate. Immutable and counted: whoever keeps one holds a
 * reference. Any thread. */
#ifndef WEIR_BASE_CERTIFICATE_H
#define WEIR_BASE_CERTIFICATE_H

#include "shared/base/must.h"
#include "shared/base/span.h"

struct certificate;

enum { CERTIFICATE_NAME_BYTES = 2048 }; /* the longest SPIFFE ID */

/* `name` is copied. is_spiffe: it is a SPIFFE ID (spiffe://domain/path), else a subject as RFC 4514
 * writes it. */
MUST_USE struct certificate *certificate_new(struct span name, bool is_spiffe);
/* Both accept NULL. */
struct certificate *certificate_ref(struct certificate *certificate);
struct certificate *certificate_unref(struct certificate *certificate); /* returns NULL */
/* Lives as long as the reference; empty for NULL. */
struct span certificate_name(const struct certificate *certificate);
bool certificate_is_spiffe(const struct certificate *certificate);

#endif
