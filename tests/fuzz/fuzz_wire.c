/* Wire bytes -> message -> wire and JSON. The first byte chooses the message. */
#include "shared/flow/json.h"
#include "shared/flow/wire.h"

#include <stdint.h>

enum { BUDGET_BYTES = 64 * 1024, BUDGET_FACTOR = 16, MOST_OUT_BYTES = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span written(const struct contract_message *type, const ProtobufCMessage *message,
                           struct arena *arena)
{
    struct buf out;
    buf_init(&out, arena, MOST_OUT_BYTES);
    json_write(&out, type, message);
    must(!out.overflow);
    return buf_span(&out);
}

/* What was accepted can be written as JSON that is read again, but for what only the wire has:
 * numbers outside an enum, and levels that arrays and maps add in JSON. */
static void check_json(const struct contract_message *type, struct span json, struct arena *arena)
{
    ProtobufCMessage *back;
    struct json_error error;
    enum json_result result = json_read(json, type, arena, &back, &error);
    must(result == JSON_FINE || span_is(error.rule, "enum") || span_is(error.rule, "depth"));
    must(result != JSON_FINE || span_equal(written(type, back, arena), json));
}

static void check_wire(const struct contract_message *type, const ProtobufCMessage *message,
                       struct span json, struct arena *arena)
{
    ProtobufCMessage *back;
    struct wire_error error;
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *wire = arena_alloc(arena, len);
    must(protobuf_c_message_pack(message, wire) == len);
    must(wire_read(span_make((char *)wire, len), type, arena, &back, &error) == WIRE_FINE);
    /* protobuf-c leaves a negative zero out when it packs. */
    must(memmem(json.at, json.len, "-0.0", 4) != NULL ||
         span_equal(written(type, back, arena), json));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct contract_method *method =
        &weir_contract.methods[data[0] / 2 % weir_contract.n_methods];
    const struct contract_message *type = data[0] % 2 == 0 ? method->request : method->response;
    struct arena arena;
    ProtobufCMessage *message = NULL;
    struct wire_error error;
    arena_init(&arena, BUDGET_BYTES + BUDGET_FACTOR * size);
    enum wire_result result =
        wire_read(span_make((const char *)data + 1, size - 1), type, &arena, &message, &error);
    must((result == WIRE_FINE) == (message != NULL));
    must(result == WIRE_FINE || error.message.len > 0);
    if (result == WIRE_FINE) {
        arena.budget_bytes = SIZE_MAX / 4;
        struct span json = written(type, message, &arena);
        check_wire(type, message, json, &arena);
        check_json(type, json, &arena);
    }
    arena_fini(&arena);
    return 0;
}
