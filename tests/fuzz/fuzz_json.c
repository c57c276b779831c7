/* JSON text -> message -> JSON and wire, back and forth. The first byte chooses the message. */
#include "tests/fuzz/round_trip.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    check(type_of(data[0]), span_make((const char *)data + 1, size - 1));
    return 0;
}
