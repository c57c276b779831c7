/* What the files of this folder share: the listener, its workers, connections and calls. */
#ifndef WEIR_REST_REST_INTERNAL_H
#define WEIR_REST_REST_INTERNAL_H

#include "rest/rest.h"
#include "rest/rest_chat.h"
#include "rest/rest_dialect.h"
#include "rest/rest_headers.h"
#include "rest/rest_routes.h"
#include "shared/base/buf.h"
#include "shared/base/list.h"
#include "shared/request.h"

#include <uv.h>

#include <h2o.h>
#include <zlib.h>

struct rest {
    struct rest_settings settings;
    const struct core *core;
    h2o_globalconf_t conf;
    h2o_globalconf_t http2_conf; /* if that is on */
    struct rest_routes routes;
    const struct contract_method *chat_stream; /* NULL: the contract has none */
    struct rest_document openapi;              /* the contract's; zero without a debug surface */
    char hsts_text[64];
    struct rest_headers_policy headers;
};

/* What a connection is waiting for. */
enum rest_waits {
    REST_WAITS_FOR_NOTHING,
    REST_WAITS_FOR_HEAD,
    REST_WAITS_FOR_BODY,
    REST_WAITS_FOR_READER
};

/* Owner thread only. */
struct rest_worker {
    struct rest *rest;
    struct core_worker *core_worker;
    uv_loop_t *loop;
    h2o_context_t context;
    h2o_accept_ctx_t accept_context;
    h2o_context_t http2_context; /* if that is on */
    h2o_accept_ctx_t http2_accept;
    struct rest_connection *connections;
    struct link lingering; /* what is left of connections that are heard out */
    size_t n_connections;  /* with those */
    z_stream deflater;     /* used again for each answer; zero until the first */
    bool deflater_is_ready;
    struct timer sweep; /* looks after slow connections, while there are any */
    bool draining;
    bool cut;
    tick_ms drained_ms;      /* since when it drains */
    struct timer look_again; /* for connections to close, while it drains */
};

/* What the sweep has seen of a connection. */
struct rest_patience {
    tick_ms since_ms;      /* when what is awaited began */
    uint64_t from_bytes;   /* what had been received by then */
    enum rest_waits waits; /* for what */
    bool served;           /* it has had a request */
    bool shut;             /* and is only still to be closed */
};

struct rest_connection {
    struct rest_worker *worker;
    h2o_socket_t *socket;
    struct peer peer;
    struct rest_call *calls;         /* being answered: one at most over HTTP/1.1; newest first */
    struct certificate *certificate; /* a reference; NULL: none was shown */
    bool relayed;                    /* somebody else counts it */
    bool secure;                     /* it came over TLS */
    bool http2;
    struct rest_patience patience;
    tick_ms active_ms; /* when it came in, or its last response ended */
    int held;          /* the socket once more, since h2o closes its own; -1: it will not linger */
    size_t bytes_before_last; /* written up to the last answer behind which it went on */
    bool client_ends;         /* the client asked for its end, and has said all */
    struct rest_connection *next, *previous;
};

/* Watches a connection for the client's leaving while h2o does not read (facts of HTTP/1.1: nobody
 * else would notice). Lives on its own until libuv has closed it. */
struct rest_leave_watch {
    uv_poll_t poll;
    int fd;
    struct rest_call *call; /* NULL: the call is over */
};

/* A streamed answer on its way out. */
struct rest_stream {
    struct buf pending;   /* heap: what waits */
    struct buf flying;    /* heap: what h2o is sending */
    struct timer silence; /* since a piece came last: it may be due too early, and looks again */
    tick_ms spoke_ms;
    bool open;      /* headers have gone out */
    bool in_flight; /* h2o has not yet asked for more */
    bool ended;
    bool full;
};

/* Of a call of the OpenAI-shaped route. */
struct rest_chat_call {
    struct span chunk_head; /* of a stream that has begun; in the request's arena */
    struct rest_chat_form form;
    long long created_s;
};

enum { REST_ANSWER_BYTES = 16 * 1024 * 1024 };

/* One request; in h2o's request pool, disposed of with it. */
struct rest_call {
    h2o_generator_t generator; /* first: h2o hands it back */
    struct request request;
    struct port port; /* with the protocol of its dialect */
    struct rest_speech speech;
    struct rest_connection *connection;
    struct rest_call *next, *previous; /* of its connection */
    tick_ms unread_ms;                 /* since when its end waits for the client; 0: it does not */
    h2o_req_t *req;                    /* NULL: h2o has given the request up */
    struct timer leave;                /* set until the watch begins */
    struct rest_leave_watch *watch;
    struct rest_stream stream;
    struct rest_chat_call chat;
    struct message_view answer; /* unary, from send to finish */
    bool has_answer;
    struct span own_body;                 /* of what no flow answers; in the request's arena */
    bool own;                             /* no flow answers: own_body is the response */
    const struct rest_document *document; /* the response, unless NULL */
    bool streams;
    bool answered;
};

/* rest_drain.c: the drain's view of a connection that has just come in. */
void rest_drain_adopted(struct rest_connection *connection);

/* rest_http2.c: takes a connection of HTTP/2 that has been looked at by the guard. */
void rest_http2_init(struct rest *rest);
void rest_http2_fini(struct rest *rest);
void rest_http2_worker_init(struct rest_worker *worker);
void rest_http2_worker_fini(struct rest_worker *worker);
void rest_http2_accept(struct rest_connection *connection);
/* What rest_framing.h is to HTTP/1.1, over what h2o lets through. */
MUST_USE struct verdict rest_http2_check(const h2o_req_t *req);

/* rest_listener.c: a configuration of h2o with our one handler. */
void rest_configure(struct rest *rest, h2o_globalconf_t *conf, size_t most_body_bytes);
/* The same: a connection that came from `peer`, and that nobody relays, is gone for good. */
void rest_connection_over(struct rest_worker *worker, const struct peer *peer);

/* rest_call.c */
int rest_call_begin(h2o_handler_t *self, h2o_req_t *req);
/* Sends a whole response and ends the request. `body` must live in the request pool; type NULL: no
 * body. Nothing of the request may be touched afterwards. */
void rest_respond(struct rest_worker *worker, h2o_req_t *req, int status, const char *type,
                  struct span body);
/* The path exactly as the client sent it, without the query. h2o's path_normalized is another
 * one: it has decoded %2f and walked "..", so that what is routed would not be what others saw. */
struct span rest_path_of(const h2o_req_t *req);
/* The connection behind a request. */
struct rest_connection *rest_connection_of(h2o_req_t *req);

/* The headers of every response. `request` is what h2o's request became. */
void rest_common_headers(h2o_req_t *req, const struct request *request);
/* These, and the notes of the request if its dialect has them there. */
void rest_call_headers(struct rest_call *call);

/* rest_leave.c: a client that leaves while its request is answered abandons it. h2o does not read
 * meanwhile, so it would not see it. `end` is harmless without a `begin`, and needed behind one. */
void rest_leave_begin(struct rest_call *call);
void rest_leave_end(struct rest_call *call);

/* rest_stream.c */
enum port_state rest_stream_piece(struct rest_call *call, const struct message_view *piece);
void rest_stream_whole(struct rest_call *call, const struct message_view *last);
/* Ends the stream, in the words of its dialect. */
void rest_stream_end(struct rest_call *call, const struct verdict *verdict);
void rest_stream_fini(struct rest_call *call);

/* rest_chat_call.c: calls of the OpenAI-shaped route, in its JSON. */
void rest_chat_begin(struct rest_call *call);

/* rest_system.c: appends the body, if any, and says how the request ends. */
MUST_USE enum verdict_code rest_system_answer(const struct core *core, enum rest_system what,
                                              struct buf *body);

/* rest_docs.c (debug builds only): the routes of the docs page and the OpenAPI document (S2). */
void rest_docs_install(struct rest *rest);

/* rest_patience.c: ends connections that take too long over a head, a body or an answer. */
void rest_patience_init(struct rest_worker *worker);
/* A connection has come: looks after it from now on. */
void rest_patience_begin(struct rest_worker *worker, struct rest_connection *connection);
void rest_patience_fini(struct rest_worker *worker);

/* rest_linger.c: hears those out who are refused while they speak. `hold` when a connection that
 * nobody relays comes in; `waive` when it is cut off. */
void rest_linger_hold(struct rest_connection *connection, int fd);
void rest_linger_waive(struct rest_connection *connection);
/* h2o has closed its socket. True: what is left of the connection lingers, and is counted, until
 * rest_connection_over. */
MUST_USE bool rest_linger_begin(struct rest_connection *connection);
/* The worker drains, or the time for that is up: there is less time. */
void rest_linger_hasten(struct rest_worker *worker);
void rest_linger_abort(struct rest_worker *worker);

/* rest_errors.c: h2o's own error bodies become ours. */
void rest_errors_install(h2o_pathconf_t *path);

#endif
