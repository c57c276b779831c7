/* Wire bytes -> message: what is accepted and what it becomes (told as JSON), what is refused and
 * where. Bytes are written as hexadecimal text. */
#include "shared/flow/wire.h"

#include "tests/support/exact.h"
#include "tests/unit/flow/shapes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    everything_reset();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

/* "0a 03 'abc'" -> bytes; quoted parts stand for themselves. */
static size_t bytes_of(const char *text, unsigned char *to)
{
    size_t n = 0;
    while (*text != '\0') {
        if (*text == ' ') {
            text++;
        } else if (*text == '\'') {
            for (text++; *text != '\''; text++)
                to[n++] = (unsigned char)*text;
            text++;
        } else {
            char digits[3] = {text[0], text[1], '\0'};
            to[n++] = (unsigned char)strtoul(digits, NULL, 16);
            text += 2;
        }
    }
    return n;
}

static enum wire_result read_exact(const unsigned char *bytes, size_t len,
                                   ProtobufCMessage **message, struct wire_error *error)
{
    struct span copy = exact_copy(span_make((const char *)bytes, len));
    enum wire_result result = wire_read(copy, everything_type(), &arena, message, error);
    exact_free(copy);
    assert_int_equal(result == WIRE_FINE, *message != NULL);
    assert_true(result == WIRE_FINE || error->message.len > 0);
    return result;
}

static void assert_reads(const char *text, const char *member)
{
    unsigned char bytes[1024];
    ProtobufCMessage *message = NULL;
    struct wire_error error = {0};
    enum wire_result result = read_exact(bytes, bytes_of(text, bytes), &message, &error);
    if (result != WIRE_FINE) {
        print_error("%s gave %d: %.*s at %.*s\n", text, (int)result, (int)error.message.len,
                    error.message.at, (int)error.path.len, error.path.at);
        fail();
    }
    const char *json = everything_json(message, &arena);
    if (strstr(json, member) == NULL) {
        print_error("%s became %s\n  without %s\n", text, json, member);
        fail();
    }
}

static void assert_refuses(const char *text, enum wire_result expected, const char *path)
{
    unsigned char bytes[1024];
    ProtobufCMessage *message = NULL;
    struct wire_error error = {0};
    enum wire_result result = read_exact(bytes, bytes_of(text, bytes), &message, &error);
    if (result != expected || !span_is(error.path, path)) {
        print_error("%s gave %d: %.*s at %.*s\n", text, (int)result, (int)error.message.len,
                    error.message.at, (int)error.path.len, error.path.at);
        fail();
    }
}

static void test_every_type(void **state)
{
    (void)state;
    assert_reads("", "\"fInt32\":0");
    assert_reads("08 96 01", "\"fInt32\":150");
    assert_reads("08 ff ff ff ff ff ff ff ff ff 01", "\"fInt32\":-1,");
    assert_reads("08 80 80 00", "\"fInt32\":0");
    assert_reads("10 03", "\"fSint32\":-2");
    assert_reads("1d fe ff ff ff", "\"fSfixed32\":-2");
    assert_reads("20 ff ff ff ff 0f", "\"fUint32\":4294967295");
    assert_reads("2d 01 00 00 00", "\"fFixed32\":1");
    assert_reads("30 80 80 80 80 80 80 80 80 80 01", "\"fInt64\":\"-9223372036854775808\"");
    assert_reads("38 ff ff ff ff ff ff ff ff ff 01", "\"fSint64\":\"-9223372036854775808\"");
    assert_reads("41 ff ff ff ff ff ff ff ff", "\"fSfixed64\":\"-1\"");
    assert_reads("48 ff ff ff ff ff ff ff ff ff 01", "\"fUint64\":\"18446744073709551615\"");
    assert_reads("51 05 00 00 00 00 00 00 00", "\"fFixed64\":\"5\"");
    assert_reads("5d 00 00 c0 3f", "\"fFloat\":1.5");
    assert_reads("61 00 00 00 00 00 00 f8 3f", "\"fDouble\":1.5");
    assert_reads("68 01", "\"fBool\":true");
    assert_reads("72 02 c3 a9", "\"fString\":\"\xc3\xa9\"");
    assert_reads("7a 03 00 ff 00", "\"fBytes\":\"AP8A\"");
    assert_reads("80 01 01", "\"fColor\":\"COLOR_RED\"");
    assert_reads("80 01 4d", "\"fColor\":77"); /* enums are open on the wire */
    assert_reads("8a 01 03 0a 01 'x'", "\"fNode\":{\"name\":\"x\"");
}

static void test_repeated(void **state)
{
    (void)state;
    assert_reads("aa 01 03 01 02 03", "\"rInt32\":[1,2,3]");
    assert_reads("a8 01 01 a8 01 02", "\"rInt32\":[1,2]");
    assert_reads("a8 01 01 aa 01 02 02 03 a8 01 04", "\"rInt32\":[1,2,3,4]");
    assert_reads("aa 01 00", "\"rInt32\":[]");
    assert_reads("b2 01 01 'a' b2 01 00", "\"rString\":[\"a\",\"\"]");
    assert_reads("ba 01 00 ba 01 03 0a 01 'n'", "\"rNode\":[{\"name\":\"\"");
    assert_reads("d2 01 08 00 00 00 00 00 00 f8 3f", "\"rDouble\":[1.5]");
    assert_reads("da 01 02 01 00", "\"rBool\":[true,false]");
    assert_refuses("aa 01 02 01 80", WIRE_MALFORMED, "rInt32[0]");
    assert_refuses("a8 01 01 aa 01 02 01 80", WIRE_MALFORMED, "rInt32[1]");
    assert_refuses("d2 01 07 00 00 00 00 00 00 f8", WIRE_MALFORMED, "rDouble[0]");
    assert_refuses("d5 01 00 00 00 00", WIRE_MALFORMED, "rDouble[0]");
}

static void test_the_last_one_wins_and_messages_merge(void **state)
{
    (void)state;
    assert_reads("08 01 08 02", "\"fInt32\":2");
    assert_reads("72 01 'a' 72 01 'b'", "\"fString\":\"b\"");
    assert_reads("8a 01 03 0a 01 'x' 8a 01 02 12 00", "\"fNode\":{\"name\":\"x\",\"child\":{");
    assert_reads("8a 01 04 1a 02 0a 00 8a 01 02 1a 00",
                 "\"children\":[{\"name\":\"\",\"children\":[],\"named\":{}},{");
    /* oneof: string, then number, then string */
    assert_reads("ca 02 01 'a' d0 02 05", "\"cInt64\":\"5\"");
    assert_reads("d0 02 05 ca 02 01 'a'", "\"cString\":\"a\"");
    /* protobuf-c does not merge in a oneof. */
    assert_reads("da 02 03 0a 01 'a' da 02 02 12 00", "\"cNode\":{\"name\":\"\",\"child\":{");
    assert_reads("ca 02 01 'a' da 02 00", "\"cNode\":{\"name\":\"\"");
}

static void test_maps(void **state)
{
    (void)state;
    assert_reads("fa 01 06 0a 01 'k' 12 01 'v'", "\"mString\":{\"k\":\"v\"}");
    assert_reads("fa 01 06 12 01 'v' 0a 01 'k'", "\"mString\":{\"k\":\"v\"}");
    assert_reads("fa 01 03 0a 01 'k'", "\"mString\":{\"k\":\"\"}");
    assert_reads("fa 01 00", "\"mString\":{\"\":\"\"}");
    /* The last of a key stays, in order of arrival. */
    assert_reads("fa 01 06 0a 01 'k' 12 01 '1' fa 01 06 0a 01 'a' 12 01 '2' "
                 "fa 01 06 0a 01 'k' 12 01 '3'",
                 "\"mString\":{\"a\":\"2\",\"k\":\"3\"}");
    assert_reads("82 02 04 08 07 10 01 82 02 04 08 07 10 02", "\"mInt32\":{\"7\":\"2\"}");
    assert_reads("8a 02 04 08 01 10 01 8a 02 02 10 01",
                 "\"mBool\":{\"true\":\"COLOR_RED\",\"false\":\"COLOR_RED\"}");
    /* A message that is not there is the empty one. */
    assert_reads("92 02 02 08 07", "\"mNode\":{\"7\":{\"name\":\"\",");
    assert_reads("92 02 02 08 07 92 02 02 08 07", "\"mNode\":{\"7\":{\"name\":\"\",\"children\":[]"
                                                  ",\"named\":{}}}");
}

static void test_unknown_fields_are_not_kept(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "08 05 f8 07 96 01",                   /* varint */
        "f9 07 01 02 03 04 05 06 07 08 08 05", /* 64 bits */
        "fa 07 03 'abc' 08 05",                /* bytes */
        "fd 07 01 02 03 04 08 05",             /* 32 bits */
        "08 05 8a 01 04 fa 07 01 'x'",         /* nested */
        "08 05 92 02 06 08 01 12 02 38 01",    /* in a map's value */
        "08 05 ba 01 04 fa 07 01 'x'",         /* in an item */
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        unsigned char bytes[64];
        ProtobufCMessage *message = NULL;
        struct wire_error error;
        size_t len = bytes_of(texts[i], bytes);
        assert_int_equal(read_exact(bytes, len, &message, &error), WIRE_FINE);
        assert_non_null(strstr(everything_json(message, &arena), "\"fInt32\":5"));
        assert_true(protobuf_c_message_get_packed_size(message) < len);
        assert_int_equal(message->n_unknown_fields, 0);
    }
}

static void test_malformed(void **state)
{
    (void)state;
    assert_refuses("08", WIRE_MALFORMED, "fInt32");
    assert_refuses("08 80", WIRE_MALFORMED, "fInt32");
    assert_refuses("08 80 80 80 80 80 80 80 80 80 80 01", WIRE_MALFORMED, "fInt32");
    assert_refuses("80", WIRE_MALFORMED, "");
    assert_refuses("00", WIRE_MALFORMED, ""); /* field number 0 */
    assert_refuses("00 01", WIRE_MALFORMED, "");
    assert_refuses("ff ff ff ff 7f 01", WIRE_MALFORMED, ""); /* tag beyond 32 bits */
    assert_refuses("80 80 80 80 10 01", WIRE_MALFORMED, "");
    assert_refuses("80 80 80 80 80 00 01", WIRE_MALFORMED, "");
    assert_refuses("1d 01 02 03", WIRE_MALFORMED, "fSfixed32");
    assert_refuses("41 01 02 03 04 05 06 07", WIRE_MALFORMED, "fSfixed64");
    assert_refuses("72 05 'abc'", WIRE_MALFORMED, "fString");
    assert_refuses("72 ff ff ff ff 0f 'a'", WIRE_MALFORMED, "fString");
    assert_refuses("72 ff ff ff ff ff ff ff ff ff 01", WIRE_MALFORMED, "fString");
    assert_refuses("0d 01 00 00 00", WIRE_MALFORMED, "fInt32"); /* wrong wire type */
    assert_refuses("0a 01 01", WIRE_MALFORMED, "fInt32");       /* packed, but not repeated */
    assert_refuses("70 01", WIRE_MALFORMED, "fString");
    assert_refuses("b0 01 01", WIRE_MALFORMED, "rString[0]");
    assert_refuses("88 01 01", WIRE_MALFORMED, "fNode");
    assert_refuses("8b 01 8c 01", WIRE_MALFORMED, "fNode"); /* a group */
    assert_refuses("fb 07 fc 07", WIRE_MALFORMED, "");      /* an unknown group */
    assert_refuses("fc 07", WIRE_MALFORMED, "");
    assert_refuses("0e 01", WIRE_MALFORMED, "fInt32"); /* wire types 6 and 7 */
    assert_refuses("0f 01", WIRE_MALFORMED, "fInt32");
    assert_refuses("8a 01 03 0a 05 'x'", WIRE_MALFORMED, "fNode.name");
    assert_refuses("ba 01 00 ba 01 04 1a 02 08 01", WIRE_MALFORMED, "rNode[1].children[0].name");
    assert_refuses("fa 07 05 'abc'", WIRE_MALFORMED, "");
}

static void test_texts_are_checked(void **state)
{
    (void)state;
    assert_refuses("72 01 ff", WIRE_TEXT, "fString");
    assert_refuses("72 03 'a' 00 'b'", WIRE_TEXT, "fString");
    assert_refuses("72 02 c3 28", WIRE_TEXT, "fString");
    assert_refuses("72 03 ed a0 80", WIRE_TEXT, "fString");
    assert_refuses("b2 01 01 'a' b2 01 01 80", WIRE_TEXT, "rString[1]");
    assert_refuses("08 01 b2 01 01 'a' 08 02 7a 00 b2 01 01 ff", WIRE_TEXT, "rString[1]");
    assert_refuses("fa 01 03 0a 01 ff", WIRE_TEXT, "mString[0].key");
    assert_refuses("fa 01 03 12 01 00", WIRE_TEXT, "mString[0].value");
    assert_refuses("ca 02 01 00", WIRE_TEXT, "cString");
    assert_refuses("8a 01 05 12 03 0a 01 ff", WIRE_TEXT, "fNode.child.name");
    assert_refuses("ba 01 00 ba 01 00 ba 01 03 0a 01 ff", WIRE_TEXT, "rNode[2].name");
    /* Also one that a later one would replace. */
    assert_refuses("72 01 ff 72 01 'a'", WIRE_TEXT, "fString");
    assert_reads("7a 02 ff 00", "\"fBytes\":\"/wA=\"");
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    static const char text[] = "08 96 01 72 05 'hello' 8a 01 07 0a 01 'x' 12 02 0a 00 "
                               "aa 01 03 01 02 03 fa 01 06 0a 01 'k' 12 01 'v' "
                               "61 00 00 00 00 00 00 f8 3f";
    /* Where a top-level field ends, the bytes so far are a message. */
    static const size_t ends[] = {0, 3, 10, 20, 26, 35, 44};
    unsigned char bytes[64];
    size_t len = bytes_of(text, bytes);
    assert_int_equal(len, 44);
    for (size_t cut = 0; cut <= len; cut++) {
        ProtobufCMessage *message = NULL;
        struct wire_error error;
        bool whole = false;
        for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
            whole = whole || ends[i] == cut;
        assert_int_equal(read_exact(bytes, cut, &message, &error),
                         whole ? WIRE_FINE : WIRE_MALFORMED);
    }
}

/* f_node.child.child... `levels` messages deep, the outermost included. */
static size_t nested(unsigned char *end, size_t levels)
{
    size_t len = 0;
    for (size_t i = 1; i < levels; i++) {
        size_t inside = len;
        *--end = (unsigned char)(inside < 0x80 ? inside : inside >> 7);
        if (inside >= 0x80) {
            *--end = (unsigned char)((inside & 0x7f) | 0x80);
            len++;
        }
        len += 2;
        if (i + 1 < levels) {
            *--end = 0x12; /* child */
        } else {
            *--end = 0x01;
            *--end = 0x8a; /* f_node */
            len++;
        }
    }
    return len;
}

static void test_depth(void **state)
{
    (void)state;
    static unsigned char bytes[65536];
    static const size_t levels[] = {1, 2, 31, 32, 33, 34, 1000};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        ProtobufCMessage *message = NULL;
        struct wire_error error = {0};
        size_t len = nested(bytes + sizeof bytes, levels[i]);
        enum wire_result result = read_exact(bytes + sizeof bytes - len, len, &message, &error);
        assert_int_equal(result, levels[i] <= 32 ? WIRE_FINE : WIRE_DEPTH);
        if (result == WIRE_DEPTH)
            assert_true(span_starts_with(error.path, "fNode.child.child.child"));
    }
}

static void test_memory_has_a_budget(void **state)
{
    (void)state;
    static unsigned char bytes[100000];
    static const unsigned char empty_items[] = {0xba, 0x01, 0x00}; /* r_node */
    ProtobufCMessage *message = NULL;
    struct wire_error error;
    for (size_t i = 0; i + 3 <= sizeof bytes; i += 3)
        memcpy(bytes + i, empty_items, 3);
    size_t len = sizeof bytes / 3 * 3;
    arena_fini(&arena);
    arena_init(&arena, 64 * 1024);
    assert_int_equal(read_exact(bytes, len, &message, &error), WIRE_MEMORY);
    assert_in_range(arena.used_bytes, 0, 64 * 1024 + 1024);
    arena_reset(&arena);
    arena.budget_bytes = 1 << 24;
    assert_int_equal(read_exact(bytes, len, &message, &error), WIRE_FINE);
    /* Every budget in between fails cleanly. */
    for (size_t budget = 0;; budget += 16) {
        static const char text[] = "72 01 'a' 8a 01 03 0a 01 'x' fa 01 00 fa 01 00 92 02 02 08 07 "
                                   "f8 07 01 aa 01 03 01 02 03";
        arena_fini(&arena);
        arena_init(&arena, budget);
        enum wire_result result = read_exact(bytes, bytes_of(text, bytes), &message, &error);
        if (result == WIRE_FINE)
            break;
        assert_int_equal(result, WIRE_MEMORY);
        assert_in_range(budget, 0, 8192);
    }
}

static void test_fields_are_counted(void **state)
{
    (void)state;
    size_t fields = 100001;
    unsigned char *bytes = malloc(2 * fields);
    ProtobufCMessage *message = NULL;
    struct wire_error error;
    assert_non_null(bytes);
    for (size_t i = 0; i < fields; i++)
        memcpy(bytes + 2 * i, "\x08\x01", 2);
    arena.budget_bytes = SIZE_MAX / 4;
    assert_int_equal(read_exact(bytes, 2 * fields, &message, &error), WIRE_MEMORY);
    assert_int_equal(read_exact(bytes, 2 * (fields - 1), &message, &error), WIRE_FINE);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_type, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_repeated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_last_one_wins_and_messages_merge, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_maps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_fields_are_not_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_malformed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_texts_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_has_a_budget, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fields_are_counted, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
