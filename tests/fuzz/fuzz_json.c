/* JSON text -> message -> JSON and wire, back and forth. The first byte chooses the message. */
#include "shared/flow/json.h"
#include "shared/flow/wire.h"

#include <stdint.h>

enum { BUDGET_BYTES = 64 * 1024, BUDGET_FACTOR = 16, MOST_OUT_BYTES = 16 << 20 };

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

/* protobuf-c leaves a negative zero out when it packs. */
static bool has_negative_zero(struct span json)
{
    return memmem(json.at, json.len, "-0.0", 4) != NULL;
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
    must(has_negative_zero(json) || span_equal(written(type, back, arena), json));
}

static void check(const struct contract_message *type, struct span text)
{
    struct arena arena;
    ProtobufCMessage *message = NULL;
    struct json_error error;
    arena_init(&arena, BUDGET_BYTES + BUDGET_FACTOR * text.len);
    enum json_result result = json_read(text, type, &arena, &message, &error);
    must((result == JSON_FINE) == (message != NULL));
    must(result == JSON_FINE || (error.rule.len > 0 && error.message.len > 0));
    must(result != JSON_SYNTAX || error.offset <= text.len);
    arena.budget_bytes = SIZE_MAX / 4;
    if (result == JSON_FINE) {
        struct span json = written(type, message, &arena);
        ProtobufCMessage *back = NULL;
        /* Empty arrays, which are always written, may be the one level too many. */
        enum json_result again = json_read(json, type, &arena, &back, &error);
        must(again == JSON_FINE || span_is(error.rule, "depth"));
        must(again != JSON_FINE || span_equal(written(type, back, &arena), json));
        check_wire(type, message, json, &arena);
    }
    arena.budget_bytes = arena.used_bytes + BUDGET_BYTES + BUDGET_FACTOR * text.len;
    enum json_result lenient = json_read_lenient(text, type, &arena, &message, &error);
    must(lenient != JSON_SYNTAX || result == JSON_SYNTAX);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct contract_method *method =
        &weir_contract.methods[data[0] / 2 % weir_contract.n_methods];
    check(data[0] % 2 == 0 ? method->request : method->response,
          span_make((const char *)data + 1, size - 1));
    return 0;
}
