#include "tests/unit/llm/wire.h"

#include "tests/unit/llm/kit.h"

#include <jansson.h>
#include <stdio.h>

struct buf unquoted(const char *text)
{
    struct buf out;
    buf_init(&out, NULL, 1 << 20);
    for (size_t i = 0; text[i] != '\0'; i++)
        buf_put_char(&out, text[i] == '\'' ? '"' : text[i]);
    return out;
}

static void check_result(const struct answer *row, const struct llm_result *result,
                         const struct dialect_text *text)
{
    if (result->end != row->end)
        fail_msg("%s: %s, %s", row->body, llm_end_name(result->end), result->reason);
    if (row->end == LLM_DONE) {
        assert_string_equal(result->reason, "");
        if (!span_is(text->text, row->text))
            fail_msg("%s: %.*s", row->body, (int)text->text.len, text->text.at);
    } else {
        assert_int_equal(text->text.len, 0);
        assert_true(result->reason[0] != '\0' && strstr(result->reason, "SECRET") == NULL);
        if (row->reason != NULL)
            assert_string_equal(result->reason, row->reason);
    }
    if (result->usage.known != (row->in >= 0) || result->stop != row->stop)
        fail_msg("%s: usage or stop reason", row->body);
    if (row->in >= 0) {
        assert_int_equal(result->usage.input_tokens, row->in);
        assert_int_equal(result->usage.output_tokens, row->out);
    }
}

void check_answers(const struct dialect *dialect, const struct answer *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf body = unquoted(rows[i].body);
        struct llm_result result = {.http_status = rows[i].status};
        struct dialect_text text;
        dialect->read(buf_span(&body), &result, &text);
        check_result(&rows[i], &result, &text);
        dialect_drop(&text);
        dialect_drop(&text);
        buf_fini(&body);
    }
}

void check_event(const struct dialect *dialect, const char *name, const struct answer *row)
{
    struct buf data = unquoted(row->body);
    struct llm_result result = {.http_status = 200};
    struct dialect_text text;
    dialect->read_event(span_of(name), buf_span(&data), &result, &text);
    check_result(row, &result, &text);
    assert_int_equal(result.http_status, row->status);
    dialect_drop(&text);
    buf_fini(&data);
}

static json_t *parse(const char *text, size_t len)
{
    json_error_t error;
    json_t *parsed = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (parsed == NULL)
        fail_msg("%.*s: %s", (int)len, text, error.text);
    return parsed;
}

static void check_json(const struct buf *got, const char *expected)
{
    struct buf quoted = unquoted(expected);
    json_t *a = parse(got->at, got->len), *b = parse(quoted.at, quoted.len);
    if (!json_equal(a, b))
        fail_msg("%.*s is not %s", (int)got->len, got->at, expected);
    json_decref(a);
    json_decref(b);
    buf_fini(&quoted);
}

void check_request(const struct dialect *dialect, const struct conversation *what,
                   const char *expected)
{
    struct buf schema, out;
    buf_init(&schema, NULL, 1 << 20);
    buf_init(&out, NULL, 1 << 20);
    if (what->schema != NULL)
        dialect->write_schema(what->schema, &schema);
    const struct dialect_request request = {
        .what = what, .model = span_of("test-model"), .schema = buf_span(&schema)};
    dialect->write(&request, &out);
    check_json(&out, expected);
    /* Whatever room there is, nothing is written past it. */
    for (size_t room = 0; room < out.len; room++) {
        struct buf small;
        buf_init(&small, NULL, room);
        dialect->write(&request, &small);
        assert_true(small.overflow && small.len <= room);
        buf_fini(&small);
    }
    buf_fini(&schema);
    buf_fini(&out);
}

void check_schema_of(const struct dialect *dialect, const char *schema, const char *expected)
{
    struct buf input = unquoted(schema), out;
    buf_put_char(&input, '\0');
    buf_init(&out, NULL, 1 << 20);
    dialect->write_schema(input.at, &out);
    if (expected != NULL)
        check_json(&out, expected);
    else
        assert_int_equal(out.len, 0);
    buf_fini(&input);
    buf_fini(&out);
}

void check_path(const struct dialect *dialect, const char *model, bool stream, const char *expected)
{
    struct buf out;
    buf_init(&out, NULL, 1000);
    dialect->write_path(span_of(model), stream, &out);
    assert_true(span_is(buf_span(&out), expected));
    buf_fini(&out);
}

/* --- streams --- */

/* The first `n` events as one piece, or byte by byte. */
static void run_stream(const struct dialect *dialect, const char *const *events, size_t n,
                       bool bytes, struct asked *asked)
{
    static struct act script[20000];
    static char texts[20000][8];
    struct kit kit;
    struct buf all;
    size_t acts = 0;
    buf_init(&all, NULL, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        struct buf one = unquoted(events[i]);
        buf_put_span(&all, buf_span(&one));
        buf_fini(&one);
    }
    buf_put_char(&all, '\0');
    script[acts++] = (struct act){ACT_SAY, HEAD_STREAM, 0};
    if (!bytes && n > 0)
        script[acts++] = (struct act){ACT_EVENT, all.at, 0};
    for (size_t i = 0; bytes && i < all.len - 1; i++, acts++) {
        must(acts + 3 < 20000);
        (void)snprintf(texts[acts], sizeof texts[acts], "%c", all.at[i]);
        script[acts] = (struct act){ACT_EVENT, texts[acts], 0};
    }
    script[acts++] = (struct act){ACT_SAY, LAST_CHUNK, 0};
    script[acts++] = (struct act){ACT_END, NULL, 0};
    kit_init(&kit);
    kit.dialect = dialect;
    kit.upstream.script = script;
    kit_open(&kit);
    *asked = (struct asked){0};
    ask(&kit, asked, true);
    run_until(&kit, &asked->done, 1);
    buf_put_char(&asked->text, '\0');
    kit_fini(&kit);
    buf_fini(&all);
}

void check_stream(const struct dialect *dialect, const char *const *events, const char *text,
                  uint64_t in, uint64_t out)
{
    struct asked asked;
    size_t n = 0;
    while (events[n] != NULL)
        n++;
    for (size_t bytes = 0; bytes < 2; bytes++) {
        run_stream(dialect, events, n, bytes == 1, &asked);
        assert_end(&asked, LLM_DONE);
        assert_string_equal(asked.text.at, text);
        assert_true(asked.result.usage.known && !asked.result.account.usage.estimated);
        assert_int_equal(asked.result.account.usage.input_tokens, in);
        assert_int_equal(asked.result.account.usage.output_tokens, out);
        asked_fini(&asked);
    }
    for (size_t cut = 0; cut < n; cut++) {
        run_stream(dialect, events, cut, false, &asked);
        assert_end(&asked, LLM_CUT);
        assert_string_equal(asked.result.reason, "no end marker");
        assert_memory_equal(asked.text.at, text, strlen(asked.text.at));
        assert_true(asked.result.account.usage.input_tokens > 0);
        asked_fini(&asked);
    }
}
