/* Is a text an absolute http or https URL, as RFC 3986 writes them? Pure; any thread. */
#ifndef WEIR_FLOW_URI_H
#define WEIR_FLOW_URI_H

#include "shared/base/span.h"

/* Scheme, "//", a host (name, IPv4, or IPv6 in brackets), an optional port of at most 65535, and
 * nothing but the characters that URLs are made of: no spaces, no control characters, ASCII only,
 * percent signs with their two digits. */
bool uri_is_http(struct span text);

#endif
