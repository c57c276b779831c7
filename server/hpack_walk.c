#include "server/hpack_walk.h"

enum { AT_FIELD, IN_INTEGER, AT_LENGTH, IN_STRING };
enum { INDEXED, NAME_INDEX, TABLE_SIZE, STRING_LENGTH };

/* The static table, and the most entries (of 32 bytes at least) that the dynamic one can hold. */
enum { HIGHEST_INDEX = 61 + HPACK_TABLE_BYTES / 32 };
enum { MOST_RESIZES = 2 };

static void end_string(struct hpack_walk *walk)
{
    walk->state = --walk->strings > 0 ? AT_LENGTH : AT_FIELD;
}

static enum guard_rule end_integer(struct hpack_walk *walk)
{
    uint32_t value = walk->value;
    switch (walk->purpose) {
    case INDEXED:
        walk->state = AT_FIELD;
        return value > 0 && value <= HIGHEST_INDEX ? GUARD_FINE : GUARD_HPACK;
    case NAME_INDEX:
        walk->strings = value == 0 ? 2 : 1;
        walk->state = AT_LENGTH;
        return value <= HIGHEST_INDEX ? GUARD_FINE : GUARD_HPACK;
    case TABLE_SIZE:
        walk->state = AT_FIELD;
        return value <= HPACK_TABLE_BYTES ? GUARD_FINE : GUARD_HPACK;
    default:
        walk->left = value;
        walk->state = IN_STRING;
        if (value == 0)
            end_string(walk);
        return value <= HPACK_STRING_BYTES ? GUARD_FINE : GUARD_HPACK_STRING;
    }
}

static enum guard_rule begin_integer(struct hpack_walk *walk, uint8_t byte, unsigned prefix_bits,
                                     uint8_t purpose)
{
    uint8_t mask = (uint8_t)((1U << prefix_bits) - 1);
    walk->purpose = purpose;
    walk->value = byte & mask;
    walk->integer_bytes = 1;
    walk->state = IN_INTEGER;
    return walk->value < mask ? end_integer(walk) : GUARD_FINE;
}

static enum guard_rule go_on_integer(struct hpack_walk *walk, uint8_t byte)
{
    if (walk->integer_bytes >= HPACK_INTEGER_BYTES)
        return GUARD_HPACK_INTEGER;
    walk->value += (uint32_t)(byte & 0x7f) << (7 * (walk->integer_bytes - 1));
    walk->integer_bytes++;
    return (byte & 0x80) == 0 ? end_integer(walk) : GUARD_FINE;
}

/* RFC 7541 section 6. */
static enum guard_rule begin_field(struct hpack_walk *walk, uint8_t byte)
{
    if ((byte & 0xe0) == 0x20) {
        if (walk->fields > 0 || walk->resizes >= MOST_RESIZES)
            return GUARD_HPACK;
        walk->resizes++;
        return begin_integer(walk, byte, 5, TABLE_SIZE);
    }
    if (++walk->fields > HPACK_FIELDS)
        return GUARD_HEADER_FIELDS;
    if ((byte & 0x80) != 0)
        return begin_integer(walk, byte, 7, INDEXED);
    return begin_integer(walk, byte, (byte & 0x40) != 0 ? 6 : 4, NAME_INDEX);
}

enum guard_rule hpack_walk(struct hpack_walk *walk, struct span bytes)
{
    enum guard_rule rule = GUARD_FINE;
    for (size_t i = 0; i < bytes.len && rule == GUARD_FINE; i++) {
        uint8_t byte = (uint8_t)bytes.at[i];
        switch (walk->state) {
        case AT_FIELD:
            rule = begin_field(walk, byte);
            break;
        case IN_INTEGER:
            rule = go_on_integer(walk, byte);
            break;
        case AT_LENGTH:
            rule = begin_integer(walk, byte, 7, STRING_LENGTH);
            break;
        default: {
            size_t here = bytes.len - i < walk->left ? bytes.len - i : walk->left;
            walk->left -= (uint32_t)here;
            i += here - 1;
            if (walk->left == 0)
                end_string(walk);
            break;
        }
        }
    }
    return rule;
}
