/* Counters, histograms, and both text formats. */
#include "shared/base/exposition.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct buf out;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, NULL, 64 * 1024);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static void assert_text(const char *expected)
{
    buf_put_char(&out, '\0');
    assert_string_equal(out.at, expected);
    buf_clear(&out);
}

static void write_counter(struct exposition *exposition)
{
    exposition_family(exposition, "weir_things", EXPOSITION_COUNTER, "Things.");
    exposition_value(exposition, NULL, 3);
    exposition_value(exposition,
                     (const struct exposition_label[]){{"a", "x"}, {"b", "q\"\\\n"}, {NULL, NULL}},
                     UINT64_MAX);
    exposition_end(exposition);
}

static void test_counters(void **state)
{
    (void)state;
    struct exposition exposition = {.out = &out};
    write_counter(&exposition);
    assert_text("# HELP weir_things_total Things.\n"
                "# TYPE weir_things_total counter\n"
                "weir_things_total 3\n"
                "weir_things_total{a=\"x\",b=\"q\\\"\\\\\\n\"} 18446744073709551615\n");
    exposition.openmetrics = true;
    write_counter(&exposition);
    assert_text("# HELP weir_things Things.\n"
                "# TYPE weir_things counter\n"
                "weir_things_total 3\n"
                "weir_things_total{a=\"x\",b=\"q\\\"\\\\\\n\"} 18446744073709551615\n"
                "# EOF\n");
}

static void test_gauges_and_seconds(void **state)
{
    (void)state;
    struct exposition exposition = {.out = &out};
    exposition_one(&exposition, "weir_now", EXPOSITION_GAUGE, "Now.", 0);
    exposition_family(&exposition, "weir_age_seconds", EXPOSITION_GAUGE, "Age.");
    exposition_seconds(&exposition, NULL, 0);
    exposition_seconds(&exposition, NULL, 1);
    exposition_seconds(&exposition, NULL, 1500000000);
    exposition_seconds(&exposition, NULL, 120000000000);
    assert_text("# HELP weir_now Now.\n# TYPE weir_now gauge\nweir_now 0\n"
                "# HELP weir_age_seconds Age.\n# TYPE weir_age_seconds gauge\n"
                "weir_age_seconds 0.0\n"
                "weir_age_seconds 0.000000001\n"
                "weir_age_seconds 1.5\n"
                "weir_age_seconds 120.0\n");
}

static void test_bounds_rise(void **state)
{
    (void)state;
    for (size_t i = 1; i < METRIC_BUCKETS; i++)
        assert_true(metric_bound_ns(i) > metric_bound_ns(i - 1));
    assert_true(metric_bound_ns(METRIC_BUCKETS - 1) == UINT64_MAX);
}

/* A bound belongs to its bucket; what is past the last one goes to +Inf. */
static void test_histogram(void **state)
{
    (void)state;
    struct metric_histogram histogram = {0};
    struct metric_distribution sum = {{0}, 0};
    struct exposition exposition = {.out = &out};
    metric_observe(&histogram, 0);
    metric_observe(&histogram, metric_bound_ns(0));
    metric_observe(&histogram, metric_bound_ns(0) + 1);
    metric_observe(&histogram, metric_bound_ns(METRIC_BUCKETS - 2));
    metric_observe(&histogram, metric_bound_ns(METRIC_BUCKETS - 2) + 1);
    metric_collect(&sum, &histogram);
    metric_collect(&sum, &histogram); /* of two threads */
    assert_int_equal(sum.buckets[0], 4);
    assert_int_equal(sum.buckets[1], 2);
    assert_int_equal(sum.buckets[METRIC_BUCKETS - 2], 2);
    assert_int_equal(sum.buckets[METRIC_BUCKETS - 1], 2);
    exposition_family(&exposition, "h", EXPOSITION_HISTOGRAM, "H.");
    exposition_histogram(&exposition, (const struct exposition_label[]){{"l", "v"}, {NULL, NULL}},
                         &sum);
    buf_put_char(&out, '\0');
    assert_non_null(strstr(out.at, "h_bucket{l=\"v\",le=\"0.001\"} 4\n"));
    assert_non_null(strstr(out.at, "h_bucket{l=\"v\",le=\"0.0025\"} 6\n"));
    assert_non_null(strstr(out.at, "h_bucket{l=\"v\",le=\"60.0\"} 6\n"));
    assert_non_null(strstr(out.at, "h_bucket{l=\"v\",le=\"120.0\"} 8\n"));
    assert_non_null(strstr(out.at, "h_bucket{l=\"v\",le=\"+Inf\"} 10\n"));
    assert_non_null(strstr(out.at, "h_count{l=\"v\"} 10\n"));
    assert_non_null(strstr(out.at, "h_sum{l=\"v\"} 480.004000004\n"));
}

static void test_histogram_without_labels(void **state)
{
    (void)state;
    struct metric_distribution none = {{0}, 0};
    struct exposition exposition = {.out = &out};
    exposition_family(&exposition, "h", EXPOSITION_HISTOGRAM, "H.");
    exposition_histogram(&exposition, NULL, &none);
    buf_put_char(&out, '\0');
    assert_non_null(strstr(out.at, "h_bucket{le=\"+Inf\"} 0\n"));
    assert_non_null(strstr(out.at, "h_sum 0.0\nh_count 0\n"));
}

/* --- a reader beside a writer --- */

enum { ROUNDS = 200000 };
static struct metric_counter counter;

static void *count(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < ROUNDS; i++)
        metric_add(&counter, 1);
    return NULL;
}

static void test_reading_beside_the_writer(void **state)
{
    (void)state;
    pthread_t writer;
    uint64_t last = 0;
    assert_int_equal(pthread_create(&writer, NULL, count, NULL), 0);
    while (last < ROUNDS) {
        uint64_t now = metric_read(&counter);
        assert_true(now >= last);
        last = now;
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(metric_read(&counter), ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gauges_and_seconds, setup, teardown),
        cmocka_unit_test(test_bounds_rise),
        cmocka_unit_test_setup_teardown(test_histogram, setup, teardown),
        cmocka_unit_test_setup_teardown(test_histogram_without_labels, setup, teardown),
        cmocka_unit_test(test_reading_beside_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
