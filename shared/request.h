/* One request of either protocol, from decode to reply.
 *
 * It is a member of the transport's own call object, which owns it. One worker owns it all its
 * life; every function here is called on that worker's thread. The transport fills in `given`
 * between request_init and request_begin. */
#ifndef WEIR_REQUEST_H
#define WEIR_REQUEST_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/base/certificate.h"
#include "shared/base/peer.h"
#include "shared/base/span.h"
#include "shared/base/timers.h"
#include "shared/llm/llm.h"
#include "shared/pipeline/flow_run.h"
#include "shared/pipeline/sharing.h"
#include "shared/policy/identity.h"
#include "shared/port.h"
#include "shared/verdict.h"

struct core_worker;
struct prompt_set;
struct identity_wait;
struct contract_method;

enum request_encoding { REQUEST_JSON, REQUEST_PROTOBUF };

enum { REQUEST_ID_BYTES = 129 }; /* 128 characters and a NUL */
enum { REQUEST_NOTES = 8 };

/* A response header (REST) or trailing metadata (gRPC) that goes out with the answer or the error.
 */
struct request_note {
    const char *name;  /* lower case; static */
    struct span value; /* visible ASCII; in the request's arena, or static */
};

/* What the transport knows; its spans stay valid until finish. */
struct request_given {
    const struct contract_method *method; /* NULL: no such route; only request_refuse may follow */
    enum request_encoding encoding;
    struct span body;
    /* The transport's own reading of the body, in place of `encoding`: sets request->message in the
     * request's arena, and may choose the method's streaming twin. VERDICT_OK, or *verdict says
     * what is wrong. NULL: none. */
    enum verdict_code (*decode)(struct request *request, struct verdict *verdict);
    struct span verb; /* "POST"; for the access line */
    struct span path; /* "/tell-joke" or "/weir.v1.FlowService/TellJoke"; for the access line */
    struct span client_request_id; /* what the client sent, checked by request_init_id */
    struct peer peer;
    const struct certificate *certificate; /* the client's, verified; NULL: it showed none */
    bool secure;                           /* it came over our own TLS */
    uint64_t received_ns;                  /* tick_now_ns() on arrival */
    uint64_t timeout_ms;                   /* the client's own deadline; 0: none */
};

struct request {
    struct request_given given;
    const struct port *port;
    struct core_worker *worker;

    /* The walk; the pipeline's. */
    struct arena arena;
    char id[REQUEST_ID_BYTES]; /* valid from request_identify on */
    ProtobufCMessage *message;
    struct peer client;       /* given.peer, or whom a trusted proxy calls for */
    bool behind_proxy;        /* a trusted one: X-Forwarded-Proto says what is so */
    bool counted;             /* among the flows that run at once */
    struct identity identity; /* kind IDENTITY_NONE until the identity step has found one */
    const char *refusal; /* why its credential was not good, one constant word; NULL: no such */
    bool presented_bad;  /* it presented one that is not good, and did not just lack one */
    struct identity_wait *identity_wait; /* NULL unless it waits for fresh keys */
    struct request_note notes[REQUEST_NOTES];
    size_t n_notes;
    size_t step;
    bool walking;   /* inside the dispatcher or send(): the request must not end under its feet */
    bool abandoned; /* the client left while walking */
    bool finished;
    struct timer deadline;
    struct request *next_live, *previous_live; /* the worker's list, from begin to finish */

    /* The cache and flow steps'. */
    struct prompt_set *prompts; /* a reference, once request_prompt was called */
    struct share share;         /* an answer, or a call, that is not this request's alone */
    struct flow_run run;        /* a call of its own */
    struct arena piece_arena;   /* one piece at a time */
    bool port_is_full;
    uint64_t upstream_ns;     /* spent waiting for the model; 0: no call was made */
    struct llm_account model; /* who was asked, how often, for how many tokens; when it is over */
};

/* Clears the request and makes its arena. */
void request_init(struct request *request, struct core_worker *worker, const struct port *port);
/* Gives the arena back. After finish, or before begin. */
void request_fini(struct request *request);

/* Settles request->id: the client's if it is 1-128 of [A-Za-z0-9._-], else a UUIDv4 (H3). Called by
 * request_begin and request_refuse; a transport that needs the id earlier may call it first. */
void request_identify(struct request *request);
/* Adds a note for the response; before it is sent. At most REQUEST_NOTES of them. */
void request_note(struct request *request, const char *name, struct span value);
/* Walks the pipeline. finish may be called before this returns. */
void request_begin(struct request *request);
/* Ends a request that did not pass the transport (no route, wrong method, too large, ...), or that
 * the transport answers by itself (version, readiness, OPTIONS): writes its access line and calls
 * finish. In place of request_begin. */
void request_refuse(struct request *request, const struct verdict *verdict);
/* The client left: stops all work and calls finish with VERDICT_CANCELLED before this returns; from
 * inside send() or request_begin, as soon as that returns. Not to be called before begin or after
 * finish. */
void request_abandon(struct request *request);
/* The transport has room again after PORT_FULL. Not to be called from inside send(). */
void request_writable(struct request *request);

#endif
