/* JSON -> message: how deep, how long and how large it may be, and what is passed over when a model
 * wrote it. */
#include "tests/support/arena_fixture.h"
#include "tests/unit/flow/shapes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_depth(void **state)
{
    (void)state;
    char text[4096];
    for (size_t levels = 1; levels <= 200; levels++) {
        ProtobufCMessage *message = NULL;
        struct json_error error = {0};
        char *to = text;
        for (size_t i = 1; i < levels; i++)
            to = stpcpy(to, i == 1 ? "{\"fNode\":" : "{\"child\":");
        to = stpcpy(to, "{");
        memset(to, '}', levels);
        arena_reset(&arena);
        enum json_result result = everything_read(span_make(text, (size_t)(to - text) + levels),
                                                  &arena, &message, &error);
        assert_int_equal(result, levels <= 32 ? JSON_FINE : JSON_SHAPE);
        if (levels <= 32)
            continue;
        assert_true(span_is(error.rule, "depth"));
        assert_true(span_starts_with(error.path, "fNode.child.child."));
        assert_int_equal(error.path.len, strlen("fNode") + 31 * strlen(".child"));
    }
    static char brackets[100000];
    ProtobufCMessage *message = NULL;
    struct json_error error = {0};
    memset(brackets, '[', sizeof brackets);
    assert_int_equal(
        everything_read(span_make(brackets, sizeof brackets), &arena, &message, &error),
        JSON_SHAPE);
    assert_true(span_is(error.rule, "depth"));
}

static void test_amounts(void **state)
{
    (void)state;
    struct buf text;
    struct json_error error;
    ProtobufCMessage *message = NULL;
    buf_init(&text, NULL, 1 << 20);
    buf_put_text(&text, "{\"rInt32\":[0");
    for (size_t i = 0; i < 100000; i++)
        buf_put_text(&text, ",0");
    buf_put_text(&text, "]}");
    arena.budget_bytes = SIZE_MAX / 4;
    assert_int_equal(everything_read(buf_span(&text), &arena, &message, &error), JSON_MEMORY);
    assert_true(error.message.len > 0);
    buf_fini(&text);
}

static void test_memory_has_a_budget(void **state)
{
    (void)state;
    static const char text[] =
        "{\"fString\":\"0123456789\",\"fBytes\":\"AAAAAAAA\",\"rString\":[\"a\",\"b\",\"c\"],"
        "\"mNode\":{\"1\":{\"name\":\"x\"}},\"fUint64\":12345678901234567890,\"cNode\":{}}";
    size_t needed = 0;
    for (size_t budget = 0; needed == 0; budget += 16) {
        ProtobufCMessage *message = NULL;
        struct json_error error = {0};
        arena_fini(&arena);
        arena_init(&arena, budget);
        enum json_result result = everything_read(span_of(text), &arena, &message, &error);
        if (result == JSON_FINE)
            needed = budget;
        else
            assert_int_equal(result, JSON_MEMORY);
        assert_true(result == JSON_FINE || error.message.len > 0);
    }
    assert_in_range(needed, 500, 4000);
}

/* What a model adds is passed over; what it gets wrong is not. */
static void test_lenient(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum json_result result;
    } cases[] = {
        {"{\"nope\":{\"a\":[1,{}]},\"fInt32\":3,\"fNode\":{\"nope\":null}}", JSON_FINE},
        {"{\"fInt32\":3.5}", JSON_SHAPE},
        {"{\"fInt32\":3,\"fInt32\":3}", JSON_SHAPE},
        {"{\"nope\":1", JSON_SYNTAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ProtobufCMessage *message = NULL;
        struct json_error error;
        assert_int_equal(
            json_read_lenient(span_of(cases[i].json), everything_type(), &arena, &message, &error),
            cases[i].result);
        if (message != NULL)
            assert_non_null(strstr(everything_json(message, &arena), "\"fInt32\":3"));
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_depth),
        CASE(test_amounts),
        CASE(test_memory_has_a_budget),
        CASE(test_lenient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
