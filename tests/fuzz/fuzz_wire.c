/* Wire bytes -> message -> wire and JSON. The first byte chooses the message. */
#include "tests/fuzz/round_trip.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct contract_message *type = type_of(data[0]);
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
