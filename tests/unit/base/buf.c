#include "shared/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_holds(const struct buf *buf, const char *text)
{
    assert_int_equal(buf->len, strlen(text));
    assert_memory_equal(buf->at, text, buf->len);
}

static void append_everything(struct buf *buf)
{
    buf_put(buf, "ab", 2);
    buf_put(buf, NULL, 0);
    buf_put_char(buf, 'c');
    buf_put_text(buf, "def");
    buf_put_span(buf, span_make("ghi", 2));
    buf_put_u64(buf, 0);
    buf_put_u64(buf, UINT64_MAX);
    buf_put_char(buf, ' ');
    buf_put_i64(buf, INT64_MIN);
    buf_put_i64(buf, -1);
    buf_put_i64(buf, INT64_MAX);
    buf_printf(buf, "<%s|%d>", "x", 7);
}

static const char everything[] =
    "abcdefgh018446744073709551615 -9223372036854775808-19223372036854775807<x|7>";

static void test_appends_on_the_heap(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, NULL, 4096);
    append_everything(&buf);
    assert_holds(&buf, everything);
    assert_true(span_is(buf_span(&buf), everything));
    assert_false(buf.overflow);
    buf_fini(&buf);
    buf_fini(&buf);
    assert_int_equal(buf.limit, 4096);
}

static void test_appends_in_an_arena(void **state)
{
    (void)state;
    struct arena arena;
    struct buf buf;
    arena_init(&arena, 1 << 20);
    buf_init(&buf, &arena, 4096);
    append_everything(&buf);
    assert_holds(&buf, everything);
    buf_fini(&buf);
    arena_fini(&arena);
}

static void test_grows_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct arena arena;
    struct buf heap, in_arena;
    arena_init(&arena, SIZE_MAX / 4);
    buf_init(&heap, NULL, 1 << 20);
    buf_init(&in_arena, &arena, 1 << 20);
    for (unsigned i = 0; i < 50000; i++) {
        buf_put_char(&heap, (char)('a' + i % 26));
        buf_put_char(&in_arena, (char)('a' + i % 26));
    }
    assert_int_equal(heap.len, 50000);
    assert_memory_equal(heap.at, in_arena.at, 50000);
    for (unsigned i = 0; i < 50000; i++)
        assert_int_equal(heap.at[i], 'a' + i % 26);
    buf_fini(&heap);
    arena_fini(&arena);
}

static void test_limit_is_exact_and_final(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, NULL, 10);
    buf_put_text(&buf, "0123456789");
    assert_false(buf.overflow);
    buf_put_char(&buf, 'x');
    assert_true(buf.overflow);
    assert_holds(&buf, "0123456789");
    buf_clear(&buf);
    assert_false(buf.overflow);
    buf_put_text(&buf, "01234567");
    buf_put_text(&buf, "890");
    assert_true(buf.overflow);
    buf_put_char(&buf, '8'); /* there is room, but the text would have a hole */
    assert_holds(&buf, "01234567");
    assert_null(buf_reserve(&buf, 1));
    buf_fini(&buf);
}

static void test_limit_of_nothing(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, NULL, 0);
    buf_put(&buf, "", 0);
    assert_false(buf.overflow);
    buf_put_char(&buf, 'x');
    assert_true(buf.overflow);
    assert_int_equal(buf.len, 0);
    buf_fini(&buf);
}

static void test_reserve(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, NULL, 1000);
    buf_put_text(&buf, "a");
    char *room = buf_reserve(&buf, 600);
    assert_non_null(room);
    memset(room, 'b', 600);
    buf.len += 2;
    buf_put_text(&buf, "c");
    assert_holds(&buf, "abbc");
    assert_null(buf_reserve(&buf, 997));
    assert_true(buf.overflow);
    assert_null(buf_reserve(&buf, SIZE_MAX));
    buf_fini(&buf);
}

static void test_printf_is_cut(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, NULL, 4096);
    buf_printf(&buf, "%0600d", 1);
    assert_int_equal(buf.len, 511);
    buf_fini(&buf);
}

static void test_json_escapes(void **state)
{
    (void)state;
    static const struct {
        struct span text;
        const char *json;
    } cases[] = {
        {SPAN_LITERAL(""), "\"\""},
        {SPAN_LITERAL("plain"), "\"plain\""},
        {SPAN_LITERAL("\"\\/"), "\"\\\"\\\\/\""},
        {SPAN_LITERAL("\n\r\t\b\f"), "\"\\n\\r\\t\\u0008\\u000c\""},
        {SPAN_LITERAL("a\0b\x1f\x7f"), "\"a\\u0000b\\u001f\\u007f\""},
        {SPAN_LITERAL("h\xc3\xa9 \xf0\x9f\x90\xb1 \xe2\x80\xa8"),
         "\"h\xc3\xa9 \xf0\x9f\x90\xb1 \xe2\x80\xa8\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf buf;
        buf_init(&buf, NULL, 4096);
        buf_put_json_string(&buf, cases[i].text);
        assert_holds(&buf, cases[i].json);
        buf_fini(&buf);
    }
}

static void test_fini_of_a_zeroed_one(void **state)
{
    (void)state;
    struct buf buf = {0};
    buf_fini(&buf);
    assert_null(buf.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_on_the_heap),
        cmocka_unit_test(test_appends_in_an_arena),
        cmocka_unit_test(test_grows_and_keeps_what_it_has),
        cmocka_unit_test(test_limit_is_exact_and_final),
        cmocka_unit_test(test_limit_of_nothing),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_printf_is_cut),
        cmocka_unit_test(test_json_escapes),
        cmocka_unit_test(test_fini_of_a_zeroed_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
