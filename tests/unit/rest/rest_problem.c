/* Problem details (H8): the members, what is written over, and that nothing breaks out of it. */
#include "rest/rest_problem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

static json_t *written(const struct verdict *verdict, struct span instance)
{
    struct buf out;
    json_error_t error;
    buf_init(&out, NULL, 1 << 20);
    rest_problem_write(&out, verdict, instance, "id-1");
    json_t *body = json_loadb(out.at, out.len, JSON_REJECT_DUPLICATES, &error);
    if (body == NULL)
        fail_msg("%s: %.*s", error.text, (int)out.len, out.at);
    buf_fini(&out);
    return body;
}

static const char *text(const json_t *body, const char *member)
{
    const char *value = json_string_value(json_object_get(body, member));
    return value != NULL ? value : "(none)";
}

static void every_ending_has_its_members(void **state)
{
    (void)state;
    for (int code = 0; code < VERDICT_COUNT; code++) {
        struct verdict verdict = verdict_of((enum verdict_code)code);
        const struct verdict_row *row = verdict_row(verdict.code);
        json_t *body = written(&verdict, span_of("/chat"));
        assert_int_equal(json_object_size(body), 8);
        assert_string_equal(text(body, "type"), "about:blank");
        assert_string_equal(text(body, "title"), row->title);
        assert_int_equal(json_integer_value(json_object_get(body, "status")), row->http_status);
        assert_string_equal(text(body, "detail"), row->detail);
        assert_string_equal(text(body, "instance"), "/chat");
        assert_string_equal(text(body, "code"), grpc_code_name(row->grpc_code));
        assert_string_equal(text(body, "error"), row->title);
        assert_string_equal(text(body, "request_id"), "id-1");
        json_decref(body);
    }
}

static void the_detail_is_the_request_s_own(void **state)
{
    (void)state;
    struct verdict verdict = verdict_of(VERDICT_BAD_JSON);
    verdict.detail = span_of("A \"quote\", a\nline and \xe2\x80\xa8.");
    json_t *body = written(&verdict, SPAN_EMPTY);
    assert_string_equal(text(body, "detail"), "A \"quote\", a\nline and \xe2\x80\xa8.");
    assert_string_equal(text(body, "instance"), "");
    json_decref(body);
}

static void violations_are_listed(void **state)
{
    (void)state;
    const struct violation violations[] = {
        {span_of("name"), span_of("string.max_len"), span_of("must be shorter")},
        {span_of("a[\"\\\"\"]"), span_of("type"), span_of("</script>")},
    };
    struct verdict verdict = verdict_of(VERDICT_INVALID);
    verdict.violations = violations;
    verdict.n_violations = 2;
    json_t *body = written(&verdict, span_of("/chat"));
    const json_t *list = json_object_get(body, "violations");
    assert_int_equal(json_array_size(list), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *one = json_array_get(list, i);
        assert_int_equal(json_object_size(one), 3);
        assert_true(span_is(violations[i].path, text(one, "path")));
        assert_true(span_is(violations[i].rule, text(one, "rule")));
        assert_true(span_is(violations[i].message, text(one, "message")));
    }
    json_decref(body);
}

/* The path is any bytes at all. */
static void the_instance_is_a_reference(void **state)
{
    (void)state;
    struct verdict verdict = verdict_of(VERDICT_NO_ROUTE);
    json_t *body = written(&verdict, span_of("/a%20b\"\\ \n\x7f\xff~"));
    assert_string_equal(text(body, "instance"), "/a%20b%22%5C%20%0A%7F%FF~");
    json_decref(body);
    body = written(&verdict, span_make("/\0x", 3));
    assert_string_equal(text(body, "instance"), "/%00x");
    json_decref(body);
    char path[5000];
    memset(path, '"', sizeof path);
    body = written(&verdict, span_make(path, sizeof path));
    assert_int_equal(strlen(text(body, "instance")), 3 * 512);
    json_decref(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_ending_has_its_members),
        cmocka_unit_test(the_detail_is_the_request_s_own),
        cmocka_unit_test(violations_are_listed),
        cmocka_unit_test(the_instance_is_a_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
