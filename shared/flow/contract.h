/* The contract as tables: what the proto files say, in the form that the process reads.
 *
 * proto/compiler writes these tables at build time, one `struct contract` a binary; everything is
 * static and constant, so any thread may read it. protobuf-c's descriptors stay the source for
 * names, numbers, types and offsets; the tables add what those drop (JSON names, rules, routes).
 *
 * For each message, `fields[i]` belongs to `pb->fields[i]` (both ordered by field number). */
#ifndef WEIR_FLOW_CONTRACT_H
#define WEIR_FLOW_CONTRACT_H

#include "shared/base/span.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct contract_message;

/* Rules of one field (weir/v1/options.proto). Zero is "no such rule". */
struct contract_rules {
    bool required;
    bool uri;
    bool has_gte;
    bool has_lte;
    uint32_t min_len; /* characters */
    uint32_t max_len;
    uint32_t min_items;
    uint32_t max_items;
    double gte;
    double lte;
    const char *pattern; /* POSIX extended */
    const char *const *in;
    size_t n_in;
};

enum contract_source {
    CONTRACT_FROM_MODEL, /* a member of the model's structured answer */
    CONTRACT_FROM_TEXT,  /* the model's answer as plain text, or one piece of it */
    CONTRACT_FROM_REQUEST,
    CONTRACT_FROM_CONSTANT,
    CONTRACT_FROM_JSON /* the rest of the response as JSON text */
};

struct contract_field {
    const char *json_name;
    const char *description;     /* the proto comment, one line; "" when there is none */
    const char *default_value;   /* NULL: none */
    const char *source_request;  /* CONTRACT_FROM_REQUEST: the request field's proto name */
    const char *source_constant; /* CONTRACT_FROM_CONSTANT */
    /* MESSAGE fields (map entries too): the table of the message; else NULL. */
    const struct contract_message *message;
    struct contract_rules rules;
    enum contract_source source;
    uint32_t prompt_max_len; /* characters; 0: not cut */
    bool prompt_trim;
    bool default_subject;
    bool grpc_only;
    bool is_map; /* `message` is then the entry: fields key (1) and value (2) */
};

struct contract_message {
    const ProtobufCMessageDescriptor *pb;
    const struct contract_field *fields; /* pb->n_fields of them */
    /* Responses of structured flows: the JSON Schema that the model is given, with only the
     * members that the model fills in; else NULL. */
    const char *answer_schema;
};

enum contract_cache { CONTRACT_CACHE_NONE, CONTRACT_CACHE_SHARE, CONTRACT_CACHE_STORE };
enum contract_limit { CONTRACT_LIMIT_DEFAULT, CONTRACT_LIMIT_HEAVY, CONTRACT_LIMIT_EXEMPT };
enum contract_kind {
    CONTRACT_TEXT,       /* the model answers in plain text */
    CONTRACT_STRUCTURED, /* the model answers with JSON of answer_schema */
    CONTRACT_HEALTH,     /* built in, no model */
    CONTRACT_CHAT,       /* built in: the messages of weir/v1/chat.proto */
    CONTRACT_MODELS      /* built in, no model: which ones chats may name */
};

struct contract_route {
    const char *verb; /* "GET", "POST" */
    const char *path; /* "/tell-joke" */
    bool open;        /* what is behind the path is the one field of the request, a string */
};

struct contract_method {
    const char *flow;          /* "tell_joke": logs, metrics */
    const char *scope;         /* flow:<scope> lets callers in; as a rule the flow's name */
    const char *rpc_path;      /* "/weir.v1.FlowService/TellJoke" */
    const char *rpc_name;      /* "TellJoke" */
    const char *prompt;        /* name of the prompt, NULL for built-ins */
    const char *stream_result; /* streaming: JSON member of the whole text in the final event */
    const struct contract_message *request;
    const struct contract_message *response; /* streaming: one piece */
    const struct contract_route *routes;
    size_t n_routes;
    const char *const *tools;
    size_t n_tools;
    enum contract_kind kind;
    enum contract_cache cache;
    enum contract_limit limit;
    bool streams;      /* server streaming */
    size_t index;      /* place in contract.methods */
    size_t text_field; /* index of the response's CONTRACT_FROM_TEXT field; SIZE_MAX: none */
};

/* A prompt file as compiled in. */
struct contract_prompt {
    const char *name;   /* file name without ".prompt" */
    struct span source; /* the whole file */
};

/* The contract as its readers want it (S3). */
struct contract_surface {
    const struct span *openapi;     /* the OpenAPI 3.1 document, JSON */
    const struct span *descriptors; /* a FileDescriptorSet of all that gRPC serves */
};

struct contract {
    const struct contract_method *methods;
    size_t n_methods;
    const struct contract_prompt *prompts;
    size_t n_prompts;
    const struct contract_surface *surface; /* NULL in release builds, which have none of it */
};

/* The contract that the binary was built with. */
extern const struct contract weir_contract;

/* NULL when there is none of the name. */
const struct contract_prompt *contract_prompt_find(const struct contract *contract,
                                                   const char *name);
/* The index of the message's field with this proto name; SIZE_MAX when there is none. */
size_t contract_field_find(const struct contract_message *message, const char *name);

/* --- Field access on protobuf-c messages, by table. --- */

/* Where the field's value (or its array pointer) stands in the message. */
static inline void *contract_at(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *f)
{
    return (char *)(uintptr_t)message + f->offset;
}

/* Repeated: number of items. Singular: 1 when the field is present (oneof: it is the chosen case;
 * message: not NULL; other proto3 scalars: always), else 0. */
size_t contract_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *f);

/* A string field's value; never NULL inside. The bytes live with the message. */
struct span contract_string(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *f);

#endif
