/* The protoc plugin: CodeGeneratorRequest in, one C file of contract tables out, and, where it is
 * given a frame for it, the OpenAPI document.
 *
 * A build-time program, one thread, one run. Everything it makes lives in one arena until it ends.
 * What makes no sense in a contract ends the run with a line that names the place. */
#ifndef WEIR_PROTO_COMPILER_PLUGIN_H
#define WEIR_PROTO_COMPILER_PLUGIN_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/base/must.h"

#include "google/api/http.pb-c.h"
#include "google/protobuf/compiler/plugin.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "weir/v1/options.pb-c.h"

typedef Google__Protobuf__FileDescriptorProto file_proto;
typedef Google__Protobuf__DescriptorProto message_proto;
typedef Google__Protobuf__FieldDescriptorProto field_proto;
typedef Google__Protobuf__EnumDescriptorProto enum_proto;
typedef Google__Protobuf__ServiceDescriptorProto service_proto;
typedef Google__Protobuf__MethodDescriptorProto method_proto;

/* A message type of any file of the request. */
struct type_entry {
    const char *name;   /* ".weir.v1.Skills" */
    const char *symbol; /* "weir__v1__skills" */
    const message_proto *proto;
    const file_proto *file;
    const int32_t *path; /* in the file, for comments */
    size_t path_len;
    struct type_field *fields; /* by number, as protobuf-c orders them */
    size_t n_fields;
    bool reachable; /* from a method of the contract: gets a table */
    bool visiting;  /* to find recursion */
};

struct type_field {
    const field_proto *proto;
    Weir__V1__FieldContract *contract; /* NULL: no annotation */
    const char *comment;               /* one line; "" */
    struct type_entry *message;        /* of message fields */
    const enum_proto *enumeration;     /* of enum fields */
    bool repeated;
    bool is_map;
};

struct route {
    const char *verb;
    const char *path;
    bool open; /* the path goes on, with the one field of the request */
};

struct method_entry {
    const char *service; /* "weir.v1.FlowService" */
    const method_proto *proto;
    const char *comment; /* one line; "" */
    const char *flow;
    const char *scope;
    const char *prompt;               /* NULL: built in */
    Weir__V1__FlowContract *contract; /* never NULL */
    struct type_entry *request;
    struct type_entry *response;
    struct route *routes;
    size_t n_routes;
    const char *kind;  /* "CONTRACT_TEXT" */
    size_t text_field; /* SIZE_MAX: none */
};

struct plugin {
    struct arena arena;
    const Google__Protobuf__Compiler__CodeGeneratorRequest *request;
    const char *prompt_dirs[8];
    size_t n_prompt_dirs;
    const char *template; /* path of the OpenAPI document's frame */
    const char *version;  /* of the service, for the document */
    struct type_entry *types;
    size_t n_types;
    const enum_proto **enums;
    const char **enum_names;
    size_t n_enums;
    struct method_entry *methods;
    size_t n_methods;
};

/* Ends the run with a message for the author of the contract. */
__attribute__((noreturn, format(printf, 1, 2))) void refuse(const char *format, ...);

/* types.c: reads all messages and enums, links fields, finds recursion. */
void types_read(struct plugin *plugin);
struct type_entry *type_find(struct plugin *plugin, const char *name);
/* Marks the message and all below it; refuses recursion. */
void type_reach(struct type_entry *type);
bool field_is_string(const struct type_field *field);
Weir__V1__AnswerSource__SourceCase field_source(const struct type_field *field);
/* The leading comment at a path of the file, on one line; "" when there is none. */
const char *comment_find(struct arena *arena, const file_proto *file, const int32_t *path,
                         size_t len);

/* methods.c: reads the services of the files to generate, and checks that they make sense. */
void methods_read(struct plugin *plugin);
/* Chats and their models are not: their JSON is OpenAI's, which the frame describes. */
bool method_in_openapi(const struct method_entry *method);

/* schema.c: the JSON Schema of what the model fills in of a response. */
const char *schema_write(struct plugin *plugin, const struct type_entry *response);
/* The parts that every schema writes alike: ,"key": and the rules of a string but its lengths; the
 * description, unless it is empty. */
void schema_put_key(struct buf *out, const char *key);
void schema_put_string_rules(struct buf *out, const Weir__V1__StringRules *string);
void schema_put_comment(struct buf *out, const char *comment);

/* openapi.c: the OpenAPI 3.1 document, from the template and the methods. */
void openapi_write(struct plugin *plugin, struct buf *out);

/* openapi_schema.c: members of components.schemas, without the comma before the first. */
void openapi_put_schemas(struct plugin *plugin, struct buf *out);
/* {"$ref":"#/components/schemas/<name>"} */
void openapi_put_ref(const struct plugin *plugin, struct buf *out, const struct type_entry *type);
/* A string that may be as long as a whole answer. */
void openapi_put_answer_text(struct buf *out, const char *comment);

/* tables.c: the C file. */
void tables_write(struct plugin *plugin, struct buf *out);

/* The extension `number` of an options message, as bytes without its length; false: not there.
 * Several occurrences are merged, as the protobuf rules want it. */
bool extension_find(const ProtobufCMessage *options, uint32_t number, struct arena *arena,
                    struct span *bytes);
/* printf into the arena. */
__attribute__((format(printf, 2, 3))) char *format_text(struct arena *arena, const char *format,
                                                        ...);
#endif
