/* Streams that several callers share: each at its own pace, and told again from the cache. */
#include "tests/unit/pipeline/sharing_kit.h"

static void a_story_is_shared_while_it_is_told(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a, c = a;
    begin(&a, 0, stage.story, "{}");
    call_says(0, "Once ");
    call_says(0, "upon ");
    assert_string_equal(a.heard, "Once |upon |");
    begin(&b, 1, stage.story, "{}");
    turn();
    assert_string_equal(b.heard, "Once |upon |"); /* the prefix, before the next piece */
    call_says(0, "a time");
    turn();
    assert_string_equal(b.heard, "Once |upon |a time|");
    begin(&c, 0, stage.story, "{}");
    call_ends(0, LLM_DONE, "");
    turn();
    assert_int_equal(model.calls, 1);
    assert_told(&a, "Once |upon |a time|", "Once upon a time");
    assert_told(&b, "Once |upon |a time|", "Once upon a time");
    assert_told(&c, "Once |upon |a time|", "Once upon a time");
    assert_int_equal(c.state, SHARE_JOIN);
    struct cache_stats stats;
    cache_stats(stage.core.sharing->cache, &stats);
    assert_int_equal(stats.stored, 0); /* `share` keeps nothing */
    begin(&a, 0, stage.story, "{}");
    assert_int_equal(model.calls, 2);
    request_abandon(&a.request);
}

static void a_slow_reader_does_not_hold_a_fast_one(void **state)
{
    (void)state;
    struct caller fast = {.full = false}, slow = {.full = true};
    begin(&slow, 0, stage.story, "{}");
    begin(&fast, 1, stage.story, "{}");
    for (unsigned i = 0; i < 5; i++)
        call_says(0, "word ");
    turn();
    assert_string_equal(fast.heard, "word |word |word |word |word |");
    assert_string_equal(slow.heard, "word |");
    assert_false(model.call[0].paused);
    call_ends(0, LLM_DONE, "");
    turn();
    assert_true(fast.over);
    assert_false(slow.over);
    slow.full = false;
    request_writable(&slow.request);
    assert_told(&slow, fast.heard, fast.whole);
}

static void the_call_pauses_only_when_all_are_behind(void **state)
{
    (void)state;
    struct caller a = {.full = true};
    static char large[100001];
    memset(large, 'x', sizeof large - 1);
    begin(&a, 0, stage.story, "{}");
    call_says(0, "a");
    call_says(0, large);
    call_says(0, large);
    assert_false(model.call[0].paused);
    call_says(0, large);
    assert_true(model.call[0].paused);
    request_abandon(&a.request);
    turn();
    assert_int_equal(model.cancels, 1);
}

static void a_cut_story_is_an_error_for_all_and_kept_for_none(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a;
    begin(&a, 0, &stage.kept_story, "{}");
    begin(&b, 1, &stage.kept_story, "{}");
    call_says(0, "Once ");
    call_ends(0, LLM_CUT, "");
    turn();
    assert_int_equal(a.code, VERDICT_UPSTREAM_CUT);
    assert_int_equal(b.code, VERDICT_UPSTREAM_CUT);
    assert_string_equal(b.heard, "Once |");
    assert_string_equal(b.whole, "");
    begin(&a, 0, &stage.kept_story, "{}");
    assert_int_equal(model.calls, 2);
    request_abandon(&a.request);
}

static void a_story_without_a_word_is_not_kept(void **state)
{
    (void)state;
    struct caller a = {.full = false};
    begin(&a, 0, &stage.kept_story, "{}");
    call_ends(0, LLM_DONE, "");
    assert_int_equal(a.code, VERDICT_UPSTREAM_INVALID);
    begin(&a, 0, &stage.kept_story, "{}");
    assert_int_equal(model.calls, 2);
    request_abandon(&a.request);
}

static void a_kept_story_is_told_again_piece_by_piece(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a, c = {.full = true}, d = a;
    begin(&a, 0, &stage.kept_story, "{}");
    call_says(0, "Once ");
    call_says(0, "upon ");
    call_ends(0, LLM_DONE, "");
    assert_told(&a, "Once |upon |", "Once upon ");
    begin(&b, 1, &stage.kept_story, "{}");
    assert_int_equal(b.sends, 0); /* later, never from inside */
    turn();
    assert_told(&b, "Once |upon |", "Once upon ");
    assert_int_equal(b.state, SHARE_HIT);
    begin(&c, 1, &stage.kept_story, "{}");
    turn();
    assert_string_equal(c.heard, "Once |");
    c.full = false;
    request_writable(&c.request);
    assert_told(&c, "Once |upon |", "Once upon ");
    begin(&d, 1, &stage.kept_story, "{}");
    request_abandon(&d.request);
    assert_int_equal(model.calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHARING_TEST(a_story_is_shared_while_it_is_told),
        SHARING_TEST(a_slow_reader_does_not_hold_a_fast_one),
        SHARING_TEST(the_call_pauses_only_when_all_are_behind),
        SHARING_TEST(a_cut_story_is_an_error_for_all_and_kept_for_none),
        SHARING_TEST(a_story_without_a_word_is_not_kept),
        SHARING_TEST(a_kept_story_is_told_again_piece_by_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
