#include "shared/base/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ID   "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

/* "id span sampled", or "none" with what was there untouched. */
static void assert_read(bool (*read)(struct span, struct trace *), const char *text, const char *id,
                        const char *span, bool sampled)
{
    struct trace trace = {.id = "as before"};
    bool found = read(span_of(text), &trace);
    if (found != (id != NULL))
        fail_msg("%s", text);
    assert_string_equal(trace.id, id != NULL ? id : "as before");
    assert_string_equal(trace.span, id != NULL ? span : "");
    assert_int_equal(trace.sampled, id != NULL && sampled);
}

static void test_parent(void **state)
{
    static const char *const none[] = {
        "",
        "00-" ID "-" SPAN,
        "00-" ID "-" SPAN "-0",
        "00-" ID "-" SPAN "-01x",
        "00-" ID "-" SPAN "-01-more",
        "ff-" ID "-" SPAN "-01",
        "0x-" ID "-" SPAN "-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" ID "-0000000000000000-01",
        "00_" ID "-" SPAN "-01",
        "00-" ID "_" SPAN "-01",
        "00-" ID "-" SPAN "_01",
        "cc-" ID "-" SPAN "-01.more",
        "00-" ID "-" SPAN "-0\n",
    };
    (void)state;
    assert_read(trace_from_parent, "00-" ID "-" SPAN "-01", ID, SPAN, true);
    assert_read(trace_from_parent, "00-" ID "-" SPAN "-00", ID, SPAN, false);
    assert_read(trace_from_parent, "00-" ID "-" SPAN "-0f", ID, SPAN, true);
    assert_read(trace_from_parent, "cc-" ID "-" SPAN "-01-more", ID, SPAN, true);
    assert_read(trace_from_parent, "cc-" ID "-" SPAN "-01", ID, SPAN, true);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_read(trace_from_parent, none[i], NULL, NULL, false);
}

static void test_cloud(void **state)
{
    static const char *const none[] = {
        "",
        ID "x",
        ID "/",
        ID "/0",
        ID "/12x;o=1",
        ID "/18446744073709551616;o=1",
        "4bf92f3577b34da6a3ce929d0e0e473",
        "00000000000000000000000000000000/1;o=1",
        "4BF92F3577B34DA6A3CE929D0E0E4736/1;o=1",
    };
    (void)state;
    assert_read(trace_from_cloud, ID "/67667974448284343;o=1", ID, SPAN, true);
    assert_read(trace_from_cloud, ID "/18446744073709551615", ID, "ffffffffffffffff", false);
    assert_read(trace_from_cloud, ID "/1;o=0", ID, "0000000000000001", false);
    assert_read(trace_from_cloud, ID ";o=1", ID, "", true);
    assert_read(trace_from_cloud, ID, ID, "", false);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_read(trace_from_cloud, none[i], NULL, NULL, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parent),
        cmocka_unit_test(test_cloud),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
