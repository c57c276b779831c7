/* One encoding for one message: the same bytes from either protocol and any order of members. */
#include "shared/flow/canonical.h"
#include "shared/flow/json.h"
#include "shared/flow/wire.h"

#include "tests/unit/flow/shapes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena arena;

static struct span of_json(const char *text)
{
    struct json_error error;
    ProtobufCMessage *message = NULL;
    assert_int_equal(json_read(span_of(text), everything_type(), &arena, &message, &error),
                     JSON_FINE);
    return canonical_write(everything_type(), message, &arena);
}

static void assert_same(const char *a, const char *b)
{
    struct span left = of_json(a), right = of_json(b);
    assert_true(span_equal(left, right));
}

static void the_order_of_members_does_not_count(void **state)
{
    (void)state;
    assert_same("{\"fInt32\":1,\"fString\":\"x\"}", "{\"fString\":\"x\",\"fInt32\":1}");
    assert_same("{\"mString\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}}",
                "{\"mString\":{\"c\":\"3\",\"a\":\"1\",\"b\":\"2\"}}");
    assert_same("{\"mInt32\":{\"-1\":\"5\",\"7\":\"6\",\"0\":\"9\"}}",
                "{\"mInt32\":{\"7\":\"6\",\"0\":\"9\",\"-1\":\"5\"}}");
    assert_same("{\"mBool\":{\"true\":1,\"false\":0}}", "{\"mBool\":{\"false\":0,\"true\":1}}");
}

static void maps_inside_of_messages_and_maps_are_put_in_order(void **state)
{
    (void)state;
    assert_same("{\"fNode\":{\"children\":[{\"named\":{\"x\":{},\"y\":{\"name\":\"n\"}}}]}}",
                "{\"fNode\":{\"children\":[{\"named\":{\"y\":{\"name\":\"n\"},\"x\":{}}}]}}");
    assert_same("{\"mNode\":{\"1\":{\"named\":{\"p\":{},\"q\":{}}},\"2\":{}}}",
                "{\"mNode\":{\"2\":{},\"1\":{\"named\":{\"q\":{},\"p\":{}}}}}");
}

static void what_is_at_its_default_takes_nothing(void **state)
{
    (void)state;
    assert_int_equal(of_json("{\"fInt32\":0,\"fString\":\"\",\"fBool\":false}").len, 0);
    assert_same("{\"fDouble\":0}", "{}");
}

static void the_order_of_items_counts(void **state)
{
    (void)state;
    struct span a = of_json("{\"rInt32\":[1,2]}"), b = of_json("{\"rInt32\":[2,1]}");
    assert_false(span_equal(a, b));
}

/* The canonical form reads back as the message, and its canonical form is itself. */
static void it_reads_back_as_it_was(void **state)
{
    (void)state;
    struct wire_error error;
    ProtobufCMessage *message = NULL;
    struct span first = of_json("{\"fInt32\":-5,\"mString\":{\"b\":\"2\",\"a\":\"\"},"
                                "\"rNode\":[{\"name\":\"x\"},{}],\"cNode\":{}}");
    assert_int_equal(wire_read(first, everything_type(), &arena, &message, &error), WIRE_FINE);
    assert_true(span_equal(canonical_write(everything_type(), message, &arena), first));
}

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

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_order_of_members_does_not_count),
        CASE(maps_inside_of_messages_and_maps_are_put_in_order),
        CASE(what_is_at_its_default_takes_nothing),
        CASE(the_order_of_items_counts),
        CASE(it_reads_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
