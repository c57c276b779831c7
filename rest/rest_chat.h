/* The OpenAI-shaped routes: chat completions and models in OpenAI's JSON <-> the messages of
 * weir/v1/chat.proto (platform.openai.com/docs/api-reference/chat, as of 2025; errors as its SDKs
 * read them).
 *
 * Reading tolerates unknown members, as SDKs send many, and members at the value that means
 * nothing; it refuses what would change the answer and is not supported here. Pure, worker's
 * thread. */
#ifndef WEIR_REST_REST_CHAT_H
#define WEIR_REST_REST_CHAT_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/flow/contract.h"
#include "shared/verdict.h"

struct Weir__V1__ChatRequest;
struct Weir__V1__ChatResponse;
struct Weir__V1__ChatChunk;

/* What of a request is the wire's own. */
struct rest_chat_form {
    bool stream;
    bool include_usage; /* in the stream */
};

/* Reads a body. VERDICT_OK: *chat is in `arena`, not yet validated, and *form is filled in. Else
 * *verdict says what is wrong: BAD_JSON, BAD_MESSAGE with one violation (whose rule is OpenAI's
 * code), or TOO_LARGE. */
MUST_USE enum verdict_code rest_chat_read(struct span body, struct arena *arena,
                                          struct Weir__V1__ChatRequest **chat,
                                          struct rest_chat_form *form, struct verdict *verdict);

/* Reads a model's name as a path spells it, percent-encoded; it lives in `arena`, and is not yet
 * validated. False: it is not UTF-8, or longer than the arena has room for. */
MUST_USE bool rest_chat_read_name(struct span path, struct arena *arena, char **name);

/* What all messages of one answer have in common. */
struct rest_chat_head {
    const char *request_id;
    long long created_s; /* since 1970 */
    struct span model;
};

/* Appends the whole answer. */
void rest_chat_write(struct buf *out, const struct rest_chat_head *head,
                     const struct Weir__V1__ChatResponse *answer);
/* Appends what all chunks of a stream begin with. */
void rest_chat_write_chunk_head(struct buf *out, const struct rest_chat_head *head);
/* Appends the events of a stream: its begin, pieces of text, and its end, "[DONE]" included. */
void rest_chat_write_begin(struct buf *out, struct span chunk_head);
void rest_chat_write_piece(struct buf *out, struct span chunk_head, struct span text);
void rest_chat_write_end(struct buf *out, struct span chunk_head,
                         const struct Weir__V1__ChatChunk *last, bool include_usage);
/* Appends what ListModels or GetModel answers. */
void rest_chat_write_models(struct buf *out, const ProtobufCMessage *answer);
/* Appends {"error":{...}}. */
void rest_chat_write_error(struct buf *out, const struct verdict *verdict);
/* The HTTP status of it: OpenAI has 400 where others have 422. */
int rest_chat_status(const struct verdict *verdict);

#endif
