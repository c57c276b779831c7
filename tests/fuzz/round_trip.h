/* What fuzzers of messages share: a message written, packed, read again, and written once more. */
#ifndef WEIR_TESTS_FUZZ_ROUND_TRIP_H
#define WEIR_TESTS_FUZZ_ROUND_TRIP_H

#include "shared/flow/json.h"
#include "shared/flow/wire.h"

enum { BUDGET_BYTES = 64 * 1024, BUDGET_FACTOR = 16, MOST_OUT_BYTES = 64 << 20 };

/* The first byte of an input chooses a message of the contract. */
static inline const struct contract_message *type_of(uint8_t choice)
{
    const struct contract_method *method =
        &weir_contract.methods[choice / 2 % weir_contract.n_methods];
    return choice % 2 == 0 ? method->request : method->response;
}

/* In the arena. */
static inline struct span written(const struct contract_message *type,
                                  const ProtobufCMessage *message, struct arena *arena)
{
    struct buf out;
    buf_init(&out, arena, MOST_OUT_BYTES);
    json_write(&out, type, message);
    must(!out.overflow);
    return buf_span(&out);
}

/* Packed by protobuf-c and read by us it is the same message, whose JSON is `json`. */
static inline void check_wire(const struct contract_message *type, const ProtobufCMessage *message,
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

#endif
