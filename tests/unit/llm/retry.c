/* What follows a failed attempt. */
#include "shared/llm/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* A failure that passes, with all the time and all the tries there are. */
static struct retry_question usual(void)
{
    return (struct retry_question){.end = LLM_FAILED,
                                   .http_status = 503,
                                   .retries_most = 2,
                                   .left_ms = 60000,
                                   .random = 0xfedcba9876543210U};
}

static enum retry_answer decide(struct retry_question question)
{
    uint64_t wait_ms;
    return retry_decide(&question, &wait_ms);
}

static void test_statuses(void **state)
{
    (void)state;
    for (int status = 0; status < 600; status++) {
        struct retry_question question = usual();
        question.http_status = status;
        bool passes = status == 408 || status == 429 || status == 500 || status == 502 ||
                      status == 503 || status == 504 || status == 529;
        assert_int_equal(decide(question), passes ? RETRY_SAME : RETRY_NOT);
        question.connection_error = true;
        assert_int_equal(decide(question), RETRY_SAME);
    }
}

static void test_limits(void **state)
{
    struct retry_question question = usual();
    (void)state;
    question.retries = 1;
    assert_int_equal(decide(question), RETRY_SAME);
    question.retries = 2;
    assert_int_equal(decide(question), RETRY_NOT);
    question = usual();
    question.retries_most = 0;
    assert_int_equal(decide(question), RETRY_NOT);
    question = usual();
    question.refused = true;
    assert_int_equal(decide(question), RETRY_NOT);
    question = usual();
    question.left_ms = 0;
    assert_int_equal(decide(question), RETRY_NOT);
    question = usual();
    question.end = LLM_DONE;
    assert_int_equal(decide(question), RETRY_NOT);
}

static void test_waits(void **state)
{
    static const uint64_t bounds_ms[] = {250, 500, 1000, 2000, 4000, 4000};
    (void)state;
    for (unsigned retries = 0; retries < 6; retries++) {
        uint64_t least_ms = UINT64_MAX, most_ms = 0;
        for (uint64_t random = 0; random < 5000; random++) {
            struct retry_question question = usual();
            uint64_t wait_ms;
            question.retries = retries;
            question.retries_most = 10;
            question.random = random;
            assert_int_equal(retry_decide(&question, &wait_ms), RETRY_SAME);
            least_ms = wait_ms < least_ms ? wait_ms : least_ms;
            most_ms = wait_ms > most_ms ? wait_ms : most_ms;
        }
        assert_int_equal(least_ms, RETRY_LEAST_MS); /* all of it is random: full jitter */
        assert_int_equal(most_ms, bounds_ms[retries]);
    }
}

static void test_retry_after(void **state)
{
    struct retry_question question = usual();
    uint64_t wait_ms;
    (void)state;
    question.end = LLM_BUSY;
    question.http_status = 429;
    question.retry_after_ms = 7000;
    assert_int_equal(retry_decide(&question, &wait_ms), RETRY_SAME);
    assert_in_range(wait_ms, 7000, 7000 + RETRY_BASE_MS);
    question.left_ms = 7000; /* it does not fit */
    assert_int_equal(decide(question), RETRY_NOT);
    question.left_ms = 60000;
    question.another_left = true; /* who would not keep us waiting */
    assert_int_equal(decide(question), RETRY_NEXT);
    question.retry_after_ms = 2000;
    assert_int_equal(decide(question), RETRY_SAME);
}

static void test_the_next_one(void **state)
{
    static const struct {
        enum llm_end end;
        int status;
        enum retry_answer answer;
    } rows[] = {
        {LLM_UNREACHABLE, 0, RETRY_NEXT}, {LLM_TIMED_OUT, 0, RETRY_NEXT},
        {LLM_TIMED_OUT, 504, RETRY_NEXT}, {LLM_BUSY, 429, RETRY_NEXT},
        {LLM_BUSY, 0, RETRY_NEXT},        {LLM_FAILED, 500, RETRY_NEXT},
        {LLM_GARBLED, 200, RETRY_NEXT},   {LLM_CUT, 200, RETRY_NEXT},
        {LLM_OPEN, 0, RETRY_NEXT},        {LLM_REJECTED, 401, RETRY_NEXT},
        {LLM_REJECTED, 402, RETRY_NEXT},  {LLM_REJECTED, 403, RETRY_NEXT},
        {LLM_REJECTED, 404, RETRY_NEXT},  {LLM_REJECTED, 400, RETRY_NOT},
        {LLM_REJECTED, 413, RETRY_NOT},   {LLM_REJECTED, 422, RETRY_NOT},
        {LLM_FILTERED, 200, RETRY_NOT},   {LLM_TOO_LARGE, 200, RETRY_NOT},
        {LLM_DONE, 200, RETRY_NOT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct retry_question question = usual();
        question.end = rows[i].end;
        question.http_status = rows[i].status;
        question.retries = question.retries_most;
        question.another_left = true;
        assert_int_equal(decide(question), rows[i].answer);
        question.another_left = false;
        assert_int_equal(decide(question), RETRY_NOT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_waits),        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_the_next_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
