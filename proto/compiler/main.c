/* protoc-gen-weir: turns a contract into C tables. See plugin.h. */
#include "proto/compiler/plugin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_INPUT_BYTES = 64 * 1024 * 1024 };

void refuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("protoc-gen-weir: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

char *format_text(struct arena *arena, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    must(len >= 0 && (size_t)len < sizeof text);
    return arena_copy(arena, span_make(text, (size_t)len));
}

bool extension_find(const ProtobufCMessage *options, uint32_t number, struct arena *arena,
                    struct span *bytes)
{
    struct buf merged;
    bool found = false;
    buf_init(&merged, arena, MOST_INPUT_BYTES);
    for (unsigned i = 0; options != NULL && i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
        size_t prefix = 0;
        if (field->tag != number || field->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            continue;
        while (prefix < field->len && (field->data[prefix] & 0x80) != 0)
            prefix++;
        prefix++;
        must(prefix <= field->len);
        buf_put(&merged, field->data + prefix, field->len - prefix);
        found = true;
    }
    *bytes = buf_span(&merged);
    return found;
}

static void read_input(struct buf *input)
{
    for (;;) {
        char *room = buf_reserve(input, 65536);
        if (room == NULL)
            refuse("the request is larger than %d bytes", MOST_INPUT_BYTES);
        size_t got = fread(room, 1, 65536, stdin);
        input->len += got;
        if (got == 0)
            return;
    }
}

/* The parameter is a list of prompts=<folder> (as often as wanted), openapi=<frame of the document>
 * and version=<of the service>, with commas between. */
static void read_parameter(struct plugin *plugin)
{
    const char *parameter = plugin->request->parameter != NULL ? plugin->request->parameter : "";
    char *list = arena_copy(&plugin->arena, span_of(parameter));
    char *next = NULL;
    for (char *item = strtok_r(list, ",", &next); item != NULL; item = strtok_r(NULL, ",", &next)) {
        if (strncmp(item, "openapi=", 8) == 0) {
            plugin->template = item + 8;
            continue;
        }
        if (strncmp(item, "version=", 8) == 0) {
            plugin->version = item + 8;
            continue;
        }
        if (strncmp(item, "prompts=", 8) != 0)
            refuse("the parameter %s is unknown; prompts=<folder> is meant", item);
        if (plugin->n_prompt_dirs == sizeof plugin->prompt_dirs / sizeof plugin->prompt_dirs[0])
            refuse("too many prompt folders");
        plugin->prompt_dirs[plugin->n_prompt_dirs++] = item + 8;
    }
}

static void write_response(struct span tables, struct span openapi)
{
    Google__Protobuf__Compiler__CodeGeneratorResponse response =
        GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;
    Google__Protobuf__Compiler__CodeGeneratorResponse__File outputs[2] = {
        GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FILE__INIT,
        GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FILE__INIT};
    Google__Protobuf__Compiler__CodeGeneratorResponse__File *files[] = {&outputs[0], &outputs[1]};
    char tables_name[] = "weir_contract.c", openapi_name[] = "openapi.json";
    outputs[0].name = tables_name;
    outputs[0].content = (char *)(uintptr_t)tables.at;
    outputs[1].name = openapi_name;
    outputs[1].content = (char *)(uintptr_t)openapi.at;
    response.n_file = openapi.len > 0 ? 2 : 1;
    response.file = files;
    response.has_supported_features = 1;
    response.supported_features = 1; /* proto3 optional is seen, and refused with a message */
    size_t len = google__protobuf__compiler__code_generator_response__get_packed_size(&response);
    uint8_t *bytes = malloc(len);
    must(bytes != NULL);
    (void)google__protobuf__compiler__code_generator_response__pack(&response, bytes);
    if (fwrite(bytes, 1, len, stdout) != len || fflush(stdout) != 0)
        refuse("the answer could not be written");
    free(bytes);
}

int main(void)
{
    struct plugin plugin = {0};
    struct buf input, tables, openapi;
    arena_init(&plugin.arena, SIZE_MAX);
    buf_init(&input, NULL, MOST_INPUT_BYTES);
    buf_init(&tables, NULL, MOST_INPUT_BYTES);
    buf_init(&openapi, NULL, MOST_INPUT_BYTES);
    read_input(&input);
    Google__Protobuf__Compiler__CodeGeneratorRequest *request =
        google__protobuf__compiler__code_generator_request__unpack(NULL, input.len,
                                                                   (const uint8_t *)input.at);
    if (request == NULL)
        refuse("the request is not a CodeGeneratorRequest");
    plugin.request = request;
    read_parameter(&plugin);
    types_read(&plugin);
    methods_read(&plugin);
    tables_write(&plugin, &tables);
    buf_put_char(&tables, '\0');
    if (plugin.template != NULL) {
        openapi_write(&plugin, &openapi);
        buf_put_char(&openapi, '\0');
    }
    write_response(buf_span(&tables), buf_span(&openapi));
    buf_fini(&openapi);
    buf_fini(&tables);
    buf_fini(&input);
    google__protobuf__compiler__code_generator_request__free_unpacked(request, NULL);
    arena_fini(&plugin.arena);
    return 0;
}
