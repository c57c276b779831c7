/* The seam between a listener and the core: what a transport offers a request.
 *
 * Implemented in rest/ and grpc/ and by the fake of the tests; called by the pipeline, always on
 * the thread of the request's worker. */
#ifndef WEIR_PORT_H
#define WEIR_PORT_H

#include "shared/base/span.h"
#include "shared/flow/contract.h"
#include "shared/verdict.h"

struct request;

enum message_kind {
    MESSAGE_ANSWER, /* the unary answer */
    MESSAGE_PIECE,  /* one piece of a stream */
    /* After the last piece: `text` is all pieces together, for REST; and of chats `message` or
     * `wire` is one more, which ends the stream. */
    MESSAGE_WHOLE
};

/* One message on its way out. Lives for the duration of send(): the transport copies, except that
 * what a MESSAGE_ANSWER points to lives as long as the request. */
struct message_view {
    enum message_kind kind;
    const struct contract_message *type;
    const ProtobufCMessage *message; /* NULL: there is none, or its forms are made already */
    struct span text;                /* PIECE and WHOLE */
    struct span json;                /* not empty: the JSON form, already made */
    struct span wire;                /* not empty: the protobuf form, already made */
};

enum port_state {
    PORT_READY, /* send more */
    /* The client reads slowly: no more pieces until request_writable. The last ones of a stream
     * (MESSAGE_WHOLE) and finish may come all the same. */
    PORT_FULL
};

struct port {
    const char *protocol; /* "rest", "grpc", "connect" or "grpc-web": logs, metrics */
    /* The HTTP status that a refusal goes out with; NULL: that of its row. Pure. */
    int (*status)(const struct verdict *verdict);
    /* All values of a request header, or of a gRPC metadata key, in the order they came: fills in
     * up to `most` and returns how many there are. `name` is in lower case. The values live until
     * finish. */
    size_t (*metadata)(const struct request *request, const char *name, struct span *values,
                       size_t most);
    /* Called 0 or 1 times for unary, any number of times for streams. Must not free the request; a
     * client found gone in here is told by request_abandon, now or later. */
    enum port_state (*send)(struct request *request, const struct message_view *message);
    /* Exactly once, the last call of all: the core does not touch the request afterwards, so the
     * transport may free it in here. For VERDICT_CANCELLED there is nobody to tell. */
    void (*finish)(struct request *request, const struct verdict *verdict);
};

#endif
