/* The cache in the walk of a request: what is kept, for whom, and how it is made anew. */
#include "tests/unit/pipeline/sharing_kit.h"

static void an_answer_is_kept_in_both_encodings(void **state)
{
    (void)state;
    struct caller first = {.full = false}, second = first, third = first;
    begin(&first, 0, stage.translate, "{\"text\":\"Hello\"}");
    assert_int_equal(model.calls, 1);
    stage.now_ns += 2 * SECOND;
    call_ends(0, LLM_DONE, BONJOUR);
    assert_answered(&first, SHARE_MISS, "Bonjour");
    assert_string_equal(first.note, "weir; fwd=miss");
    assert_int_equal(first.upstream_ns, 2 * SECOND);
    assert_int_equal(first.input_tokens, 3);
    begin(&second, 1, stage.translate, "{\"text\":\"Hello\"}");
    assert_answered(&second, SHARE_HIT, "Bonjour");
    assert_false(second.built); /* nothing is decoded or encoded again */
    assert_memory_equal(second.note, "weir; hit; ttl=", 15);
    assert_int_equal(second.upstream_ns, 0);
    assert_int_equal(second.input_tokens, 0);
    prepare(&third, 1, stage.translate, "\x0a\x05Hello");
    third.request.given.encoding = REQUEST_PROTOBUF;
    request_begin(&third.request);
    assert_answered(&third, SHARE_HIT, "Bonjour");
    assert_string_equal(third.json, first.json);
    assert_int_equal(model.calls, 1);
}

static void what_a_default_says_is_the_same_question(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a, c = a;
    begin(&a, 0, stage.translate, "{}");
    call_ends(0, LLM_DONE, BONJOUR);
    begin(&b, 0, stage.translate, "{\"targetLanguage\":\"\"}");
    assert_answered(&b, SHARE_HIT, "Bonjour");
    begin(&c, 0, stage.translate, "{\"text\":\"another\"}");
    assert_int_equal(model.calls, 2);
    request_abandon(&c.request);
}

static void tenants_share_nothing(void **state)
{
    (void)state;
    struct caller nobody = {.full = false}, acme = nobody, other = nobody, again = nobody;
    begin(&nobody, 0, stage.translate, "{}");
    begin_as(&acme, "acme");
    begin_as(&other, "other");
    assert_int_equal(model.calls, 3); /* while under way */
    for (unsigned i = 0; i < 3; i++)
        call_ends(i, LLM_DONE, i == 1 ? SALUT : BONJOUR);
    begin_as(&again, "acme"); /* and when kept */
    assert_answered(&again, SHARE_HIT, "Salut");
    begin_as(&again, "other");
    assert_answered(&again, SHARE_HIT, "Bonjour");
    begin_as(&again, "third");
    assert_int_equal(model.calls, 4);
    request_abandon(&again.request);
}

static void an_answer_expires(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a;
    begin(&a, 0, stage.translate, "{}");
    call_ends(0, LLM_DONE, BONJOUR);
    stage.now_ns += (uint64_t)TTL_MS * 1000000;
    begin(&b, 0, stage.translate, "{}");
    assert_int_equal(model.calls, 2);
    call_ends(1, LLM_DONE, SALUT);
    assert_answered(&b, SHARE_MISS, "Salut");
}

static void nothing_bad_is_kept(void **state)
{
    (void)state;
    struct caller a = {.full = false};
    begin(&a, 0, stage.translate, "{}");
    call_ends(0, LLM_DONE, "Certainly! Here is your translation.");
    assert_false(a.over);
    call_ends(1, LLM_DONE, "Once more: here it is.");
    assert_int_equal(a.code, VERDICT_UPSTREAM_INVALID);
    begin(&a, 0, stage.translate, "{}");
    call_ends(2, LLM_CUT, "");
    assert_int_equal(a.code, VERDICT_UPSTREAM_CUT);
    begin(&a, 0, stage.translate, "{}");
    assert_int_equal(model.calls, 4);
    call_ends(3, LLM_DONE, BONJOUR);
    assert_answered(&a, SHARE_MISS, "Bonjour");
}

/* The run's violations go with its arena; each waiter has its own. */
static void a_refused_image_is_named_to_all_who_wait(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a;
    const struct contract_method *describe = method_named("DescribeImage");
    begin(&a, 0, describe, "{\"image_url\":\"http://127.0.0.1/a.png\"}");
    assert_false(a.over); /* told from the loop */
    begin(&b, 1, describe, "{\"image_url\":\"http://127.0.0.1/a.png\"}");
    turn();
    assert_int_equal(a.code, VERDICT_INVALID);
    assert_string_equal(a.violation, "image_url must be at a public address");
    assert_int_equal(b.code, VERDICT_INVALID);
    assert_string_equal(b.violation, "image_url must be at a public address");
    assert_int_equal(model.calls, 0);
}

static void flows_that_do_not_allow_it_are_asked_each_time(void **state)
{
    (void)state;
    struct caller a = {.full = false}, b = a;
    begin(&a, 0, method_named("TellJoke"), "{}");
    begin(&b, 0, method_named("TellJoke"), "{}");
    assert_int_equal(model.calls, 2);
    call_ends(0, LLM_DONE, "x");
    call_ends(1, LLM_DONE, "y");
    assert_int_equal(a.state, SHARE_BYPASS);
    assert_string_equal(b.note, "weir; fwd=bypass");
    begin(&a, 0, method_named("Health"), "");
    assert_int_equal(a.state, SHARE_UNKNOWN);
    assert_string_equal(a.note, "");
}

static void without_sharing_each_call_is_answered_anew(void **state)
{
    (void)state;
    struct sharing *sharing = stage.core.sharing;
    struct caller a = {.full = false}, b = a;
    stage.core.sharing = NULL;
    begin(&a, 0, stage.translate, "{}");
    begin(&b, 0, stage.translate, "{}");
    assert_int_equal(model.calls, 2);
    call_ends(0, LLM_DONE, BONJOUR);
    call_ends(1, LLM_DONE, SALUT);
    assert_int_equal(b.state, SHARE_BYPASS);
    assert_true(b.built);
    stage.core.sharing = sharing;
}

/* --- early refresh --- */

/* An answer that took 20 s to make and has less than a second to live is all but sure to be asked
 * for anew. */
static void make_it_old(void)
{
    struct caller maker = {.full = false};
    begin(&maker, 0, stage.translate, "{}");
    stage.now_ns += 20 * SECOND;
    call_ends(0, LLM_DONE, BONJOUR);
    assert_answered(&maker, SHARE_MISS, "Bonjour");
    stage.now_ns += 89 * SECOND; /* the jitter takes a tenth at most */
}

/* Looks until one is asked to refresh: the dice are the worker's. */
static void begin_refresh(struct caller *caller)
{
    make_it_old();
    for (unsigned i = 0; i < 100; i++) {
        begin(caller, 0, stage.translate, "{}");
        if (!caller->over)
            return;
        assert_answered(caller, SHARE_HIT, "Bonjour");
    }
    fail_msg("nobody was asked to refresh");
}

static void one_refreshes_while_the_others_have_the_old_answer(void **state)
{
    (void)state;
    struct caller refresher = {.full = false}, other = refresher;
    begin_refresh(&refresher);
    assert_int_equal(model.calls, 2);
    for (unsigned i = 0; i < 50; i++) {
        begin(&other, i % 2, stage.translate, "{}");
        assert_answered(&other, SHARE_HIT, "Bonjour");
    }
    assert_int_equal(model.calls, 2);
    call_ends(1, LLM_DONE, SALUT);
    assert_answered(&refresher, SHARE_REFRESH, "Salut");
    begin(&other, 1, stage.translate, "{}");
    assert_answered(&other, SHARE_HIT, "Salut");
}

static void a_failed_refresh_gives_the_answer_that_still_holds(void **state)
{
    (void)state;
    struct caller refresher = {.full = false};
    begin_refresh(&refresher);
    call_ends(1, LLM_FAILED, "");
    assert_answered(&refresher, SHARE_HIT, "Bonjour");
}

static void a_refresh_that_takes_too_long_gives_it_too(void **state)
{
    (void)state;
    struct caller refresher = {.full = false};
    begin_refresh(&refresher);
    stage.now_ns += 60 * SECOND;
    turn();
    assert_answered(&refresher, SHARE_HIT, "Bonjour");
    assert_int_equal(model.cancels, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHARING_TEST(an_answer_is_kept_in_both_encodings),
        SHARING_TEST(what_a_default_says_is_the_same_question),
        SHARING_TEST(tenants_share_nothing),
        SHARING_TEST(an_answer_expires),
        SHARING_TEST(nothing_bad_is_kept),
        SHARING_TEST(a_refused_image_is_named_to_all_who_wait),
        SHARING_TEST(flows_that_do_not_allow_it_are_asked_each_time),
        SHARING_TEST(without_sharing_each_call_is_answered_anew),
        SHARING_TEST(one_refreshes_while_the_others_have_the_old_answer),
        SHARING_TEST(a_failed_refresh_gives_the_answer_that_still_holds),
        SHARING_TEST(a_refresh_that_takes_too_long_gives_it_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
