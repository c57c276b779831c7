#include "tests/unit/flow/prompt_sample.h"

static const ProtobufCEnumValue sample_colors[] = {{"COLOR_RED", "RED", 0}, {"COLOR_BLUE", "B", 4}};
static const ProtobufCIntRange sample_color_ranges[] = {{0, 0}, {4, 1}, {0, 2}};
static const ProtobufCEnumDescriptor sample_color = {
    .magic = PROTOBUF_C__ENUM_DESCRIPTOR_MAGIC,
    .n_values = 2,
    .values = sample_colors,
    .n_value_ranges = 2,
    .value_ranges = sample_color_ranges,
};

#define SAMPLE_ONE(owner, member, kind)                                                            \
    {                                                                                              \
        .name = #member, .label = PROTOBUF_C_LABEL_NONE, .type = PROTOBUF_C_TYPE_##kind,           \
        .offset = offsetof(owner, member)                                                          \
    }
#define SAMPLE_MANY(owner, member, kind)                                                           \
    {                                                                                              \
        .name = #member, .label = PROTOBUF_C_LABEL_REPEATED, .type = PROTOBUF_C_TYPE_##kind,       \
        .offset = offsetof(owner, member), .quantifier_offset = offsetof(owner, n_##member)        \
    }

static const ProtobufCFieldDescriptor sample_item_pb_fields[] = {
    SAMPLE_ONE(SampleItem, label, STRING),
    SAMPLE_MANY(SampleItem, tags, STRING),
    {.name = "inner",
     .label = PROTOBUF_C_LABEL_OPTIONAL,
     .type = PROTOBUF_C_TYPE_MESSAGE,
     .offset = offsetof(SampleItem, inner)},
};

static const ProtobufCMessageDescriptor sample_item_pb = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .sizeof_message = sizeof(SampleItem),
    .n_fields = sizeof sample_item_pb_fields / sizeof sample_item_pb_fields[0],
    .fields = sample_item_pb_fields,
};

static const struct contract_message sample_item_type;
static const struct contract_field sample_item_fields[] = {
    {.json_name = "label"},
    {.json_name = "tags"},
    {.json_name = "inner", .message = &sample_item_type},
};

static const struct contract_message sample_item_type = {.pb = &sample_item_pb,
                                                         .fields = sample_item_fields};

static const ProtobufCFieldDescriptor sample_pb_fields[] = {
    SAMPLE_ONE(Sample, name, STRING),
    SAMPLE_ONE(Sample, text, STRING),
    SAMPLE_ONE(Sample, small, INT32),
    SAMPLE_ONE(Sample, large, SINT64),
    SAMPLE_ONE(Sample, unsigned_large, UINT64),
    SAMPLE_ONE(Sample, wide, DOUBLE),
    SAMPLE_ONE(Sample, narrow, FLOAT),
    SAMPLE_ONE(Sample, flag, BOOL),
    {.name = "color",
     .label = PROTOBUF_C_LABEL_NONE,
     .type = PROTOBUF_C_TYPE_ENUM,
     .offset = offsetof(Sample, color),
     .descriptor = &sample_color},
    SAMPLE_ONE(Sample, blob, BYTES),
    SAMPLE_MANY(Sample, words, STRING),
    SAMPLE_MANY(Sample, numbers, INT32),
    {.name = "item",
     .label = PROTOBUF_C_LABEL_OPTIONAL,
     .type = PROTOBUF_C_TYPE_MESSAGE,
     .offset = offsetof(Sample, item)},
    SAMPLE_MANY(Sample, items, MESSAGE),
    SAMPLE_MANY(Sample, map, MESSAGE),
    {.name = "choice",
     .id = 16,
     .label = PROTOBUF_C_LABEL_NONE,
     .type = PROTOBUF_C_TYPE_STRING,
     .quantifier_offset = offsetof(Sample, choice_case),
     .offset = offsetof(Sample, choice),
     .flags = PROTOBUF_C_FIELD_FLAG_ONEOF},
};

static const ProtobufCMessageDescriptor sample_pb = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .sizeof_message = sizeof(Sample),
    .n_fields = sizeof sample_pb_fields / sizeof sample_pb_fields[0],
    .fields = sample_pb_fields,
};

static const struct contract_field sample_fields[] = {
    {.json_name = "name"},
    {.json_name = "text", .prompt_trim = true, .prompt_max_len = 5},
    {.json_name = "small"},
    {.json_name = "large"},
    {.json_name = "unsigned_large"},
    {.json_name = "wide"},
    {.json_name = "narrow"},
    {.json_name = "flag"},
    {.json_name = "color"},
    {.json_name = "blob"},
    {.json_name = "words", .prompt_trim = true, .prompt_max_len = 5},
    {.json_name = "numbers"},
    {.json_name = "item", .message = &sample_item_type},
    {.json_name = "items", .message = &sample_item_type},
    {.json_name = "map", .message = &sample_item_type, .is_map = true},
    {.json_name = "choice"},
};

const struct contract_message sample_type = {.pb = &sample_pb, .fields = sample_fields};

Sample sample_empty(void)
{
    return (Sample){.base = {.descriptor = &sample_pb}, .name = "", .text = ""};
}

Sample *sample_full(void)
{
    static const char *const tags[] = {"x", "y"};
    static SampleItem deepest = {.base = {.descriptor = &sample_item_pb}, .label = "deep"};
    static SampleItem first = {.base = {.descriptor = &sample_item_pb},
                               .label = "one",
                               .n_tags = 2,
                               .tags = tags,
                               .inner = &deepest};
    static SampleItem second = {.base = {.descriptor = &sample_item_pb}, .label = ""};
    static SampleItem *items[] = {&first, &second};
    static const char *const words[] = {" alpha beta ", "  ", "c"};
    static int32_t numbers[] = {7, 0, -1};
    static uint8_t blob[] = {1};
    static Sample sample;
    sample = (Sample){.base = {.descriptor = &sample_pb},
                      .name = "Ada",
                      .text = "  h\xc3\xa9llo world ",
                      .small = -12,
                      .large = INT64_MIN,
                      .unsigned_large = UINT64_MAX,
                      .wide = 0.1,
                      .narrow = 0.1F,
                      .flag = 1,
                      .color = 4,
                      .blob = {1, blob},
                      .n_words = 3,
                      .words = words,
                      .n_numbers = 3,
                      .numbers = numbers,
                      .item = &first,
                      .n_items = 2,
                      .items = items};
    return &sample;
}
