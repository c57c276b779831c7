/* The browser protocols on the wire: Connect and gRPC-Web, which carry rpcs over HTTP/1.1. Media
 * types, frames, time-outs, and how a verdict is spelled. Pure; any thread. Spans point into the
 * input unless it is said otherwise.
 *
 * Source: the Connect protocol (connectrpc.com/docs/protocol), and PROTOCOL-WEB.md and
 * PROTOCOL-HTTP2.md of gRPC. */
#ifndef WEIR_REST_REST_WEB_H
#define WEIR_REST_REST_WEB_H

#include "shared/base/buf.h"
#include "shared/base/must.h"
#include "shared/pipeline/status_details.h"

enum web_protocol {
    WEB_CONNECT,        /* unary: the body is the message */
    WEB_CONNECT_STREAM, /* frames, the last of which tells the end */
    WEB_GRPC,           /* frames, the last of which holds the trailers */
    WEB_GRPC_TEXT       /* the same in base64 */
};

struct web_type {
    const char *name;
    enum web_protocol protocol;
    bool protobuf; /* else JSON */
};

/* What a Content-Type speaks, parameters aside; static. NULL: none of these. */
const struct web_type *web_type_of(struct span content_type);
/* Is it of the family of gRPC-Web, known or not? */
bool web_is_grpc(struct span content_type);

enum { WEB_FRAME_BYTES = 5 }; /* flags, and the length, big-endian */
enum web_flags {
    WEB_MESSAGE = 0,
    WEB_COMPRESSED = 1,
    WEB_END = 2,       /* Connect */
    WEB_TRAILERS = 128 /* gRPC-Web */
};

/* Takes the one message of a request out of its frame: VERDICT_OK, or MALFORMED or BAD_COMPRESSION
 * with a sentence for the caller in *detail. */
MUST_USE enum verdict_code web_unframe(struct span body, struct span *message, struct span *detail);
/* Appends the head of a frame, to be ended when its payload has been appended. */
MUST_USE size_t web_frame_begin(struct buf *out, enum web_flags flags);
void web_frame_end(struct buf *out, size_t frame);

/* Decodes the base64 of gRPC-Web, which may be several padded pieces, into `to` (which has
 * base64_decoded_most bytes). */
MUST_USE bool web_text_decode(struct span text, char *to, size_t *len);

/* Connect-Timeout-Ms and Grpc-Timeout ("100m"), rounded up to at least a millisecond. False: not of
 * their form. */
MUST_USE bool web_timeout_connect(struct span text, uint64_t *ms);
MUST_USE bool web_timeout_grpc(struct span text, uint64_t *ms);

/* "invalid_argument"; static. */
const char *web_code_name(enum grpc_code code);
/* The HTTP status of an error of a unary Connect call. */
int web_http_status(const struct verdict *verdict);
/* Appends a Connect error, a JSON object; the details are made in `arena`. */
void web_put_error(struct buf *out, const struct verdict *verdict, struct arena *arena);
/* Appends "name: value\r\n", and the three of these that tell the status of gRPC. */
void web_put_trailer(struct buf *out, const char *name, struct span value);
void web_put_status(struct buf *out, const struct verdict *verdict, struct arena *arena);

#endif
