/* How a dialect of the listener says things: plain REST, OpenAI's, Connect, gRPC-Web. What is
 * common to all is in rest_call.c and rest_stream.c, which ask these functions for the bytes.
 *
 * Static tables; the worker's thread. */
#ifndef WEIR_REST_REST_DIALECT_H
#define WEIR_REST_REST_DIALECT_H

#include "rest/rest_web.h"
#include "shared/request.h"

struct rest_call;
struct rest_route;

/* How a refusal goes out: an HTTP status and a media type. */
struct rest_refusal {
    int status;
    const char *type;
};

struct rest_dialect {
    const char *protocol;                         /* of its port */
    int (*status)(const struct verdict *verdict); /* of its port */
    bool notes_in_headers; /* else the end of the answer tells the request's notes */
    const char *silence;   /* what keeps proxies from closing a silent stream; NULL: nothing */
    /* The body of a unary answer; it lives as long as the request. */
    struct span (*answer)(struct rest_call *call);
    /* Appends the body of a response that is nothing but an error. `type`: what the client speaks;
     * NULL for plain REST. */
    struct rest_refusal (*refuse)(struct buf *out, const struct web_type *type,
                                  struct request *request, const struct verdict *verdict);
    /* Append to a stream: a piece, what comes behind the last one (NULL: its message, if it has
     * one, is a piece), its end. */
    void (*piece)(struct buf *out, struct rest_call *call, const struct message_view *piece);
    void (*whole)(struct buf *out, struct rest_call *call, const struct message_view *last);
    void (*end)(struct buf *out, struct rest_call *call, const struct verdict *verdict);
};

extern const struct rest_dialect rest_plain;          /* rest_plain.c */
extern const struct rest_dialect rest_openai;         /* rest_chat_call.c */
extern const struct rest_dialect rest_connect;        /* rest_connect.c */
extern const struct rest_dialect rest_connect_stream; /* rest_connect.c */
extern const struct rest_dialect rest_grpc_web;       /* rest_grpc_web.c */

/* What a request speaks. */
struct rest_speech {
    const struct rest_dialect *dialect;
    const struct web_type *type; /* NULL for plain REST */
    bool understood;             /* else the dialect serves for the refusal alone */
};

/* Is it one of the OpenAI-shaped routes? */
bool rest_chat_has(const struct rest_route *route);
/* `route`: NULL where there is none at `path`. `connect_version`: the header
 * Connect-Protocol-Version. */
struct rest_speech rest_speech_of(const struct rest_route *route, struct span path,
                                  struct span content_type, struct span connect_version);
/* A refusal of the media type, with what the rpc takes. */
struct verdict rest_speech_refused(const struct contract_method *rpc);
/* The value of Accept-Post; static. */
const char *rest_speech_accepts(const struct contract_method *rpc);

/* Reads what the protocol wraps around the message of an rpc into request.given, or says what is
 * wrong with it. */
struct verdict rest_speech_read(struct rest_call *call);
/* Appends the message in the form that `type` asks for. */
void rest_speech_put(struct buf *out, const struct web_type *type, const struct message_view *view);

#endif
