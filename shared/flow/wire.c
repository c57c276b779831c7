/* The look over the bytes before protobuf-c unpacks them, and the tidying after. */
#include "shared/flow/wire.h"

#include "shared/base/utf8.h"
#include "shared/flow/field.h"
#include "shared/flow/path.h"
#include "shared/flow/wire_maps.h"

enum { MOST_LEVELS = 32, MOST_FIELDS = 100000, MOST_VARINT_BYTES = 10, MOST_TAG_BYTES = 5 };

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* One nested message under way; lives on the stack of the walk. */
struct level {
    const struct level *up;
    const struct contract_message *type;
    const char *from; /* its first byte */
    const char *at;   /* the tag of the field under way */
    const char *next; /* behind that tag, later behind the field */
    const char *end;
    size_t field; /* index in the table; SIZE_MAX: unknown */
};

struct walk {
    struct arena *arena;
    struct wire_error *error;
    size_t fields;
    size_t levels;
    bool untidy; /* unknown fields or maps were seen */
};

/* --- bytes --- */

/* Moves *at behind the varint; false when there is none of at most `most` bytes. */
static bool read_varint(const char **at, const char *end, size_t most, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < most && *at < end; i++) {
        unsigned char byte = (unsigned char)*(*at)++;
        *value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool read_tag(const char **at, const char *end, uint32_t *number, uint32_t *wire_type)
{
    uint64_t tag;
    if (!read_varint(at, end, MOST_TAG_BYTES, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return false;
    *number = (uint32_t)(tag >> 3);
    *wire_type = (uint32_t)(tag & 7);
    return true;
}

/* Moves *at behind a value of this type; *value is what a BYTES value holds. False when it is cut
 * short, and for groups. */
static bool read_value(const char **at, const char *end, uint32_t wire_type, struct span *value)
{
    uint64_t len = 0;
    switch (wire_type) {
    case WIRE_VARINT:
        return read_varint(at, end, MOST_VARINT_BYTES, &len);
    case WIRE_FIXED64:
        len = 8;
        break;
    case WIRE_FIXED32:
        len = 4;
        break;
    case WIRE_BYTES:
        if (!read_varint(at, end, MOST_TAG_BYTES, &len))
            return false;
        break;
    default:
        return false;
    }
    if (len > (uint64_t)(end - *at))
        return false;
    *value = span_make(*at, (size_t)len);
    *at += len;
    return true;
}

/* --- errors --- */

/* How many fields of this number stand in the message before the one under way. */
static size_t occurrences(const struct level *level, uint32_t wanted)
{
    size_t n = 0;
    uint32_t number, wire_type;
    struct span value;
    const char *at = level->from;
    while (at < level->at && read_tag(&at, level->end, &number, &wire_type) &&
           read_value(&at, level->end, wire_type, &value))
        n += number == wanted;
    return n;
}

static struct span level_path(const struct level *level, struct arena *arena)
{
    const struct level *levels[MOST_LEVELS];
    struct path steps[2 * MOST_LEVELS];
    const struct path *up = NULL;
    size_t n = 0, n_steps = 0;
    for (; level != NULL && n < MOST_LEVELS; level = level->up)
        levels[n++] = level;
    while (n > 0) {
        level = levels[--n];
        if (level->field == SIZE_MAX)
            break;
        const ProtobufCFieldDescriptor *field = &level->type->pb->fields[level->field];
        steps[n_steps] = path_field(up, level->type->fields[level->field].json_name);
        up = &steps[n_steps++];
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            steps[n_steps] = path_item(up, occurrences(level, field->id));
            up = &steps[n_steps++];
        }
    }
    return path_text(up, arena);
}

static enum wire_result refuse(struct walk *walk, const struct level *level,
                               enum wire_result result, const char *message)
{
    walk->error->path = level_path(level, walk->arena);
    walk->error->message = span_of(message);
    return result;
}

static enum wire_result malformed(struct walk *walk, const struct level *level, const char *message)
{
    return refuse(walk, level, WIRE_MALFORMED, message);
}

/* --- the look before --- */

static uint32_t wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_FIXED64;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_FIXED32;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    default:
        return WIRE_VARINT;
    }
}

/* Does `packed` hold whole values of this type and nothing else? */
static bool is_packed(struct span packed, uint32_t wire_type)
{
    const char *at = packed.at, *end = packed.at + packed.len;
    struct span value;
    while (at < end)
        if (!read_value(&at, end, wire_type, &value))
            return false;
    return true;
}

static enum wire_result walk_message(struct walk *walk, struct level *level);

static enum wire_result walk_bytes(struct walk *walk, const struct level *level, struct span value)
{
    const ProtobufCFieldDescriptor *field = &level->type->pb->fields[level->field];
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        if (!utf8_valid(value))
            return refuse(walk, level, WIRE_TEXT, "The text is not UTF-8.");
        if (memchr(value.at, '\0', value.len) != NULL)
            return refuse(walk, level, WIRE_TEXT, "The text must not contain the NUL character.");
    }
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return WIRE_FINE;
    if (walk->levels == MOST_LEVELS)
        return refuse(walk, level, WIRE_DEPTH, "The value is nested more than 32 levels deep.");
    struct level below = {.up = level,
                          .type = level->type->fields[level->field].message,
                          .from = value.at,
                          .next = value.at,
                          .end = value.at + value.len};
    walk->levels++;
    enum wire_result result = walk_message(walk, &below);
    walk->levels--;
    return result;
}

/* The field whose tag level->next has just passed. */
static enum wire_result walk_field(struct walk *walk, struct level *level, uint32_t number,
                                   uint32_t wire_type)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(level->type->pb, number);
    struct span value = SPAN_EMPTY;
    level->field = field != NULL ? (size_t)(field - level->type->pb->fields) : SIZE_MAX;
    if (wire_type == 3 || wire_type == 4)
        return malformed(walk, level, "Groups are not understood.");
    if (!read_value(&level->next, level->end, wire_type, &value))
        return malformed(walk, level, "The field is cut short.");
    if (field == NULL) {
        walk->untidy = true;
        return WIRE_FINE;
    }
    walk->untidy |= level->type->fields[level->field].is_map;
    uint32_t own = wire_type_of(field->type);
    if (wire_type != own) {
        if (field->label != PROTOBUF_C_LABEL_REPEATED || wire_type != WIRE_BYTES)
            return malformed(walk, level, "The field has the wrong wire type.");
        return is_packed(value, own) ? WIRE_FINE
                                     : malformed(walk, level, "The packed field is cut short.");
    }
    return own == WIRE_BYTES ? walk_bytes(walk, level, value) : WIRE_FINE;
}

/* Recurses at most MOST_LEVELS deep. */
static enum wire_result walk_message(struct walk *walk, struct level *level)
{
    enum wire_result result = WIRE_FINE;
    while (result == WIRE_FINE && level->next < level->end) {
        uint32_t number, wire_type;
        level->at = level->next;
        level->field = SIZE_MAX;
        if (++walk->fields > MOST_FIELDS)
            return refuse(walk, level->up, WIRE_MEMORY, "The message holds too many fields.");
        if (!read_tag(&level->next, level->end, &number, &wire_type))
            return malformed(walk, level, "A field's tag is cut short or out of range.");
        result = walk_field(walk, level, number, wire_type);
    }
    return result;
}

/* --- unpacking --- */

struct allocator {
    struct arena *arena;
    bool refused;
};

static void *allocate(void *context, size_t size)
{
    struct allocator *allocator = context;
    void *at = arena_try(allocator->arena, size);
    allocator->refused |= at == NULL;
    return at;
}

static void forget(void *context, void *at)
{
    (void)context;
    (void)at;
}

enum wire_result wire_read(struct span bytes, const struct contract_message *type,
                           struct arena *arena, ProtobufCMessage **message,
                           struct wire_error *error)
{
    static const char empty[] = "";
    static const char no_memory[] = "The message needs more memory than it may have.";
    if (bytes.len == 0)
        bytes.at = empty;
    *message = NULL;
    *error = (struct wire_error){0};
    struct walk walk = {.arena = arena, .error = error, .levels = 1};
    struct level level = {
        .type = type, .from = bytes.at, .next = bytes.at, .end = bytes.at + bytes.len};
    enum wire_result result = walk_message(&walk, &level);
    if (result != WIRE_FINE)
        return result;
    struct allocator budget = {arena, false};
    ProtobufCAllocator allocator = {allocate, forget, &budget};
    ProtobufCMessage *unpacked =
        protobuf_c_message_unpack(type->pb, &allocator, bytes.len, (const uint8_t *)bytes.at);
    if (unpacked == NULL && !budget.refused)
        return malformed(&walk, NULL, "The message could not be read.");
    if (unpacked == NULL || (walk.untidy && !wire_tidy(type, unpacked, arena)))
        return refuse(&walk, NULL, WIRE_MEMORY, no_memory);
    *message = unpacked;
    return WIRE_FINE;
}
