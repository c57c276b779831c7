/* Equal requests at one moment: one call for all, who leaves it, how it ends for each. */
#include "tests/unit/pipeline/sharing_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void concurrent_misses_make_one_call(void **state)
{
    (void)state;
    struct caller crowd[20] = {{.full = false}};
    for (unsigned i = 0; i < 20; i++)
        begin(&crowd[i], i % 2, stage.translate, "{}");
    assert_int_equal(model.calls, 1);
    stage.now_ns += SECOND;
    call_ends(0, LLM_DONE, BONJOUR);
    turn();
    for (unsigned i = 0; i < 20; i++) {
        assert_answered(&crowd[i], i == 0 ? SHARE_MISS : SHARE_JOIN, "Bonjour");
        assert_int_equal(crowd[i].input_tokens, i == 0 ? 3 : 0); /* counted once */
        assert_int_equal(crowd[i].upstream_ns, SECOND);
    }
    assert_string_equal(crowd[1].note, "weir; fwd=miss; collapsed");
}

static void land_the_first_call(void)
{
    call_ends(0, LLM_DONE, BONJOUR);
}

/* The flight lands when the second caller has found nothing in the cache, and before it joins. */
static void a_flight_that_lands_in_between_is_not_flown_again(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a;
    begin(&a, 0, stage.translate, "{}");
    stage.meanwhile = land_the_first_call;
    stage.looks_left = 3; /* deadline, look-up, then this */
    begin(&b, 1, stage.translate, "{}");
    assert_int_equal(stage.looks_left, 0);
    assert_int_equal(model.calls, 1);
    assert_answered(&a, SHARE_MISS, "Bonjour");
    assert_answered(&b, SHARE_HIT, "Bonjour");
}

static void the_leader_may_leave(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a, c = a;
    begin(&a, 0, stage.translate, "{}");
    begin(&b, 1, stage.translate, "{}");
    request_abandon(&a.request);
    assert_int_equal(a.code, VERDICT_CANCELLED);
    turn();
    assert_int_equal(model.cancels, 0);
    call_ends(0, LLM_DONE, BONJOUR);
    turn();
    assert_answered(&b, SHARE_JOIN, "Bonjour");
    begin(&c, 0, stage.translate, "{}");
    assert_answered(&c, SHARE_HIT, "Bonjour");
}

static void the_last_to_leave_cancels(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a, c = a;
    begin(&a, 0, stage.translate, "{}");
    begin(&b, 1, stage.translate, "{}");
    request_abandon(&a.request);
    request_abandon(&b.request);
    turn();
    assert_int_equal(model.cancels, 1);
    assert_int_equal(model.give_ups, 0);
    begin(&c, 1, stage.translate, "{}");
    assert_int_equal(model.calls, 2);
    call_ends(1, LLM_DONE, BONJOUR);
    assert_answered(&c, SHARE_MISS, "Bonjour");
}

static void a_failure_is_shared_and_forgotten(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a, c = a;
    begin(&a, 0, stage.translate, "{}");
    begin(&b, 1, stage.translate, "{}");
    call_ends(0, LLM_FAILED, "");
    turn();
    assert_int_equal(a.code, VERDICT_UPSTREAM_FAILED);
    assert_int_equal(b.code, VERDICT_UPSTREAM_FAILED);
    assert_int_equal(model.calls, 1);
    begin(&c, 1, stage.translate, "{}");
    assert_int_equal(model.calls, 2);
    call_ends(1, LLM_DONE, BONJOUR);
    assert_answered(&c, SHARE_MISS, "Bonjour");
}

static void each_waiter_keeps_its_own_deadline(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a;
    begin(&a, 0, stage.translate, "{}");
    prepare(&b, 1, stage.translate, "{}");
    b.request.given.timeout_ms = 1000;
    request_begin(&b.request);
    stage.now_ns += SECOND;
    turn();
    assert_int_equal(b.code, VERDICT_TIMED_OUT);
    assert_false(a.over);
    assert_int_equal(model.cancels, 0);
    stage.now_ns += 60 * SECOND;
    turn();
    assert_int_equal(a.code, VERDICT_UPSTREAM_TIMED_OUT);
    assert_int_equal(model.cancels, 1);
    assert_int_equal(model.give_ups, 1); /* the service's own time: the model is to blame */
    assert_int_equal(a.input_tokens, 1);
}

/* 3,000 times a topic of 2,000 bytes is more than a prompt may hold. */
static void what_cannot_be_asked_ends_all_who_wait_from_the_loop(void **state)
{
    (void)state;
    enum { TIMES = 3000, CHARACTERS = 1000 };
    static char source[TIMES * 9], body[2 * CHARACTERS + 16];
    char folder[] = "/tmp/weir-sharing-XXXXXX", path[64];
    struct prompt_set_error wrong;
    struct caller a = {.full = false}, b = a;
    for (size_t i = 0; i < TIMES; i++)
        memcpy(source + i * 9, "{{topic}}", 9);
    strcpy(body, "{\"topic\":\"");
    for (size_t i = 0; i < CHARACTERS; i++)
        strcat(body, "\xc3\xa9");
    strcat(body, "\"}");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/tell_story.prompt", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(source, 1, sizeof source, file), sizeof source);
    assert_int_equal(fclose(file), 0);
    stage.core.prompts_dir = folder;
    assert_true(core_load_prompts(&stage.core, &wrong));
    stage.core.prompts_dir = NULL;
    assert_int_equal(unlink(path) + rmdir(folder), 0);
    begin(&a, 0, stage.story, body);
    assert_false(a.over);
    begin(&b, 1, stage.story, body); /* the flight has landed: a new one */
    turn();
    assert_int_equal(a.code, VERDICT_TOO_LARGE);
    assert_int_equal(b.code, VERDICT_TOO_LARGE);
    assert_int_equal(model.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHARING_TEST(concurrent_misses_make_one_call),
        SHARING_TEST(a_flight_that_lands_in_between_is_not_flown_again),
        SHARING_TEST(the_leader_may_leave),
        SHARING_TEST(the_last_to_leave_cancels),
        SHARING_TEST(a_failure_is_shared_and_forgotten),
        SHARING_TEST(each_waiter_keeps_its_own_deadline),
        SHARING_TEST(what_cannot_be_asked_ends_all_who_wait_from_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
