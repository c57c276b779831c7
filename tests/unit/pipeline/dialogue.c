/* The turns of a dialogue: what is said next, and when it is enough. */
#include "shared/pipeline/dialogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct tool_scope scope = {.unix_s = 0};

struct fixture {
    struct arena arena;
    const struct chat_tool *tools[1];
    struct chat_part question;
    struct chat_message message;
    struct dialogue dialogue;
};

static void init(struct fixture *f)
{
    *f = (struct fixture){.question = {.kind = CHAT_TEXT, .text = span_of("What time is it?")}};
    arena_init(&f->arena, 0);
    f->tools[0] = tools_find(span_of("get_current_time"));
    f->message = (struct chat_message){.role = CHAT_USER, .parts = &f->question, .n_parts = 1};
    struct conversation what = {
        .messages = &f->message, .n_messages = 1, .tools = f->tools, .n_tools = 1};
    dialogue_init(&f->dialogue, &what, &f->arena);
}

static void is_text(struct span text, const char *wanted)
{
    char copy[1024];
    assert_true(text.len < sizeof copy);
    memcpy(copy, text.len > 0 ? text.at : "", text.len);
    copy[text.len] = '\0';
    assert_string_equal(copy, wanted);
}

static void tools_are_answered(void **state)
{
    struct fixture f;
    char id[] = "call_1";
    struct chat_part calls[2] = {
        {.kind = CHAT_TOOL_CALL,
         .name = span_of("get_current_time"),
         .text = span_of("{}"),
         .id = span_of(id),
         .echo = span_of("signature")},
        {.kind = CHAT_TOOL_CALL, .name = span_of("rm"), .text = span_of("{\"path\":\"/\"}")}};
    (void)state;
    init(&f);
    assert_true(dialogue_answer_tools(&f.dialogue, span_of("One moment."), calls, 2, &scope));
    id[5] = '2'; /* all was copied */
    const struct conversation *what = &f.dialogue.what;
    assert_int_equal(what->n_messages, 3);
    assert_int_equal(what->messages[1].role, CHAT_MODEL);
    assert_int_equal(what->messages[1].n_parts, 3);
    is_text(what->messages[1].parts[0].text, "One moment.");
    assert_int_equal(what->messages[1].parts[1].kind, CHAT_TOOL_CALL);
    is_text(what->messages[1].parts[1].id, "call_1");
    is_text(what->messages[1].parts[1].echo, "signature");
    is_text(what->messages[1].parts[2].text, "{\"path\":\"/\"}");
    assert_int_equal(what->messages[2].role, CHAT_USER);
    assert_int_equal(what->messages[2].n_parts, 2);
    assert_int_equal(what->messages[2].parts[0].kind, CHAT_TOOL_RESULT);
    is_text(what->messages[2].parts[0].id, "call_1");
    is_text(what->messages[2].parts[0].text, "{\"time\":\"1970-01-01T00:00:00Z\"}");
    assert_false(what->messages[2].parts[0].failed);
    is_text(what->messages[2].parts[1].text, "{\"error\":\"there is no tool of this name\"}");
    assert_true(what->messages[2].parts[1].failed);
    assert_int_equal(f.dialogue.tool_rounds, 1);
    assert_int_equal(f.dialogue.tool_failures, 1);
    arena_fini(&f.arena);
}

static void rounds_are_bounded(void **state)
{
    struct fixture f;
    static char long_text[TOOL_BYTES + 1];
    struct chat_part calls[DIALOGUE_CALLS + 1];
    const struct violation wrong = {span_of("a"), span_of("b"), span_of("is wrong")};
    (void)state;
    init(&f);
    for (size_t i = 0; i <= DIALOGUE_CALLS; i++)
        calls[i] = (struct chat_part){.kind = CHAT_TOOL_CALL, .name = span_of("get_current_time")};
    assert_false(dialogue_answer_tools(&f.dialogue, SPAN_EMPTY, calls, DIALOGUE_CALLS + 1, &scope));
    memset(long_text, ' ', sizeof long_text);
    calls[1].text = span_make(long_text, sizeof long_text);
    assert_false(dialogue_answer_tools(&f.dialogue, SPAN_EMPTY, calls, 2, &scope));
    assert_int_equal(f.dialogue.tool_rounds, 0);
    assert_int_equal(f.dialogue.what.n_messages, 1);
    for (unsigned i = 1; i <= DIALOGUE_ROUNDS; i++) {
        assert_true(dialogue_answer_tools(&f.dialogue, SPAN_EMPTY, calls, 1, &scope));
        assert_int_equal(f.dialogue.tool_rounds, i);
        assert_int_equal(f.dialogue.what.messages[2 * i - 1].n_parts, 1); /* no empty text */
    }
    assert_false(dialogue_answer_tools(&f.dialogue, SPAN_EMPTY, calls, 1, &scope));
    assert_true(
        dialogue_object(&f.dialogue, span_of("{}"), &wrong, 1)); /* there is room for both */
    assert_false(dialogue_object(&f.dialogue, span_of("{}"), &wrong, 1));
    arena_fini(&f.arena);
}

static void objections(void **state)
{
    const struct violation wrong[] = {
        {span_of("skills.strength"), span_of("int32.lte"), span_of("must be at most 100")},
        {SPAN_EMPTY, span_of("syntax"), span_of("a comma is missing")}};
    struct fixture f;
    (void)state;
    init(&f);
    assert_true(dialogue_object(&f.dialogue, span_of(" {\"a\":1}\n"), wrong, 2));
    const struct conversation *what = &f.dialogue.what;
    assert_int_equal(what->n_messages, 3);
    assert_int_equal(what->messages[1].role, CHAT_MODEL);
    is_text(what->messages[1].parts[0].text, "{\"a\":1}");
    assert_int_equal(what->messages[2].role, CHAT_USER);
    is_text(what->messages[2].parts[0].text,
            "That answer cannot be used:\n- skills.strength: must be at most 100\n"
            "- the answer as a whole: a comma is missing\n"
            "Give the whole answer again, as JSON that keeps these rules, and nothing else.");
    assert_int_equal(f.dialogue.retries, 1);
    arena_fini(&f.arena);
}

static void answers_that_cannot_be_shown(void **state)
{
    static char long_text[100 * 1024];
    const struct violation wrong = {SPAN_EMPTY, span_of("syntax"), span_of("is empty")};
    struct fixture f;
    (void)state;
    init(&f);
    assert_true(dialogue_object(&f.dialogue, span_of("  "), &wrong, 1));
    assert_int_equal(f.dialogue.what.n_messages, 2);
    assert_int_equal(f.dialogue.what.messages[1].role, CHAT_USER);
    arena_fini(&f.arena);
    init(&f);
    assert_true(dialogue_object(&f.dialogue, span_of("\xff{}"), &wrong, 1));
    assert_int_equal(f.dialogue.what.n_messages, 2);
    arena_fini(&f.arena);
    init(&f);
    memset(long_text, 'a', sizeof long_text);
    const struct violation long_one = {span_make(long_text, sizeof long_text), span_of("x"),
                                       span_of("y")};
    assert_true(dialogue_object(&f.dialogue, span_make(long_text, sizeof long_text), &long_one, 1));
    assert_int_equal(f.dialogue.what.messages[1].parts[0].text.len, 32 * 1024);
    assert_true(f.dialogue.what.messages[2].parts[0].text.len < 200);
    arena_fini(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tools_are_answered), cmocka_unit_test(rounds_are_bounded),
        cmocka_unit_test(objections), cmocka_unit_test(answers_that_cannot_be_shown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
