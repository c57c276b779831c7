/* Answers and chunks in the shapes of OpenAI's reference, Azure, Ollama, vLLM and llama.cpp, and in
 * none. In the tables ' stands for ". */
#include "shared/llm/openai.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct buf unquote(const char *json)
{
    struct buf text;
    buf_init(&text, NULL, 100000);
    for (size_t i = 0; json[i] != '\0'; i++)
        buf_put_char(&text, json[i] == '\'' ? '"' : json[i]);
    return text;
}

struct answer {
    int status;
    const char *body;
    enum llm_end end;
    const char *text;   /* of LLM_DONE */
    const char *reason; /* of the others; NULL: any */
    int in, out;        /* tokens; -1: not known */
};

static const struct answer answers[] = {
    /* OpenAI */
    {200,
     "{'id':'chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT','object':'chat.completion','created':"
     "1741569952,'model':'gpt-4.1-2025-04-14','choices':[{'index':0,'message':{'role':"
     "'assistant','content':'Hello! How can I assist you today?','refusal':null,'annotations':[]},"
     "'logprobs':null,'finish_reason':'stop'}],'usage':{'prompt_tokens':19,'completion_tokens':10,"
     "'total_tokens':29,'prompt_tokens_details':{'cached_tokens':0}},'service_tier':'default'}",
     LLM_DONE, "Hello! How can I assist you today?", NULL, 19, 10},
    /* Ollama */
    {200,
     "{'id':'chatcmpl-1','object':'chat.completion','choices':[{'index':0,'message':{'role':"
     "'assistant','content':'\\u00e9 \\ud83d\\ude00'},'finish_reason':'length'}],'usage':"
     "{'prompt_tokens':0,'completion_tokens':0,'total_tokens':0}}",
     LLM_DONE, "\xc3\xa9 \xf0\x9f\x98\x80", NULL, 0, 0},
    /* vLLM: reasoning apart; no usage; white space */
    {200,
     " \n{'choices':[{'message':{'role':'assistant','content':'x','reasoning_content':'hm'}}],"
     "'error':null}\n",
     LLM_DONE, "x", NULL, -1, -1},
    {201, "{'choices':[{'message':{'content':''}}]}", LLM_DONE, "", NULL, -1, -1},
    {200, "{'choices':[{'message':{'content':'x'}}],'usage':{'prompt_tokens':'7'}}", LLM_DONE, "x",
     NULL, -1, -1},
    {200,
     "{'choices':[{'message':{'content':'x'}}],'usage':{'prompt_tokens':-7,"
     "'completion_tokens':2}}",
     LLM_DONE, "x", NULL, -1, -1},
    /* refusals */
    {200,
     "{'choices':[{'index':0,'message':{'role':'assistant','content':null,'refusal':"
     "'SECRET "
     "prose'},'finish_reason':'stop'}],'usage':{'prompt_tokens':81,'completion_tokens':11}}",
     LLM_FILTERED, NULL, "the model refused", 81, 11},
    {200, "{'choices':[{'message':{'content':'par'},'finish_reason':'content_filter'}]}",
     LLM_FILTERED, NULL, "content_filter", -1, -1},
    /* not the shape */
    {200, "{'choices':[{'message':{'content':null,'tool_calls':[{'id':'call_1'}]}}]}", LLM_GARBLED,
     NULL, NULL, -1, -1},
    {200, "{'choices':[{'message':{'content':[{'type':'text','text':'x'}]}}]}", LLM_GARBLED, NULL,
     NULL, -1, -1},
    {200, "{'choices':[{'message':{}}]}", LLM_GARBLED, NULL, NULL, -1, -1},
    {200, "{'choices':[{'message':'x'}]}", LLM_GARBLED, NULL, NULL, -1, -1},
    {200, "{'choices':[]}", LLM_GARBLED, NULL, NULL, -1, -1},
    {200, "{'choices':{'message':{'content':'x'}}}", LLM_GARBLED, NULL, NULL, -1, -1},
    {200, "{}", LLM_GARBLED, NULL, NULL, -1, -1},
    {200, "[]", LLM_GARBLED, NULL, NULL, -1, -1},
    {200, "'text'", LLM_GARBLED, NULL, NULL, -1, -1},
    {200, "", LLM_GARBLED, NULL, NULL, -1, -1},
    {200, "<html>Bad gateway</html>", LLM_GARBLED, NULL, NULL, -1, -1},
    {200, "{'choices':[{'message':{'content':'x'}}]} trailing", LLM_GARBLED, NULL, NULL, -1, -1},
    {200, "{'choices':[{'message':{'content':'a\\u0000b'}}]}", LLM_GARBLED, NULL, NULL, -1, -1},
    {200, "{'choices':[{'message':{'content':'a\xff'}}]}", LLM_GARBLED, NULL, NULL, -1, -1},
    {200, "{'choices':[{'message':{'content':'a\\ud83d'}}]}", LLM_GARBLED, NULL, NULL, -1, -1},
    /* errors */
    {200, "{'error':{'message':'SECRET','type':'server_error','code':null}}", LLM_FAILED, NULL,
     "an error in place of an answer, server_error", -1, -1},
    {401,
     "{'error':{'message':'Incorrect API key provided: sk-SECRET','type':'invalid_request_error',"
     "'param':null,'code':'invalid_api_key'}}",
     LLM_REJECTED, NULL, "status 401, invalid_request_error, invalid_api_key", -1, -1},
    {429, "{'error':{'message':'Rate limit reached','type':'tokens','code':'rate_limit_exceeded'}}",
     LLM_BUSY, NULL, "status 429, tokens, rate_limit_exceeded", -1, -1},
    {404, "{'object':'error','message':'The model does not exist.','type':'NotFoundError'}",
     LLM_REJECTED, NULL, "status 404", -1, -1},
    {503, "{'error':{'code':503,'message':'Loading model','type':'unavailable_error'}}", LLM_FAILED,
     NULL, "status 503, unavailable_error, 503", -1, -1},
    {500, "{'error':'SECRET prose of a small server'}", LLM_FAILED, NULL, "status 500", -1, -1},
    {500, "Internal Server Error", LLM_FAILED, NULL, "status 500", -1, -1},
    {502, "", LLM_FAILED, NULL, "status 502", -1, -1},
    {400, "{'error':{'type':'a b\\n{\\u00e9}'}}", LLM_REJECTED, NULL, "status 400, a?b?????", -1,
     -1},
    {400,
     "{'error':{'type':'0123456789012345678901234567890123456789XXX','code':"
     "'0123456789012345678901234567890123456789XXX'}}",
     LLM_REJECTED, NULL,
     "status 400, 0123456789012345678901234567890123456789, "
     "0123456789012345678901234567890123456789",
     -1, -1},
    {408, "", LLM_TIMED_OUT, NULL, "status 408", -1, -1},
    {504, "", LLM_TIMED_OUT, NULL, "status 504", -1, -1},
    {499, "", LLM_REJECTED, NULL, "status 499", -1, -1},
    {301, "{'choices':[{'message':{'content':'x'}}]}", LLM_GARBLED, NULL, "status 301", -1, -1},
    {0, "", LLM_GARBLED, NULL, "status 0", -1, -1},
};

static void check_result(const char *what, const struct answer *row,
                         const struct llm_result *result, const struct dialect_text *text)
{
    if (result->end != row->end)
        fail_msg("%s: end %d, %s", what, result->end, result->reason);
    if (row->end == LLM_DONE) {
        assert_string_equal(result->reason, "");
        if (!span_is(text->text, row->text))
            fail_msg("%s: %.*s", what, (int)text->text.len, text->text.at);
    } else {
        assert_int_equal(text->text.len, 0);
        assert_true(result->reason[0] != '\0' && strstr(result->reason, "SECRET") == NULL);
        if (row->reason != NULL)
            assert_string_equal(result->reason, row->reason);
    }
    assert_int_equal(result->usage.known, row->in >= 0);
    assert_int_equal(result->usage.input_tokens, row->in < 0 ? 0 : row->in);
    assert_int_equal(result->usage.output_tokens, row->out < 0 ? 0 : row->out);
}

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct buf body = unquote(answers[i].body);
        struct llm_result result = {.http_status = answers[i].status};
        struct dialect_text text;
        openai_read(buf_span(&body), &result, &text);
        check_result(answers[i].body, &answers[i], &result, &text);
        dialect_drop(&text);
        dialect_drop(&text);
        buf_fini(&body);
    }
}

/* `status` has no meaning here. */
static const struct answer chunks[] = {
    {0,
     "{'id':'chatcmpl-123','object':'chat.completion.chunk','created':1694268190,'model':"
     "'gpt-4o-mini','system_fingerprint':'fp_44709d6fcb','choices':[{'index':0,'delta':{'role':"
     "'assistant','content':''},'logprobs':null,'finish_reason':null}],'usage':null}",
     LLM_DONE, "", NULL, -1, -1},
    {0, "{'choices':[{'index':0,'delta':{'content':'Hello'},'finish_reason':null}]}", LLM_DONE,
     "Hello", NULL, -1, -1},
    {0, "{'choices':[{'index':0,'delta':{'role':'assistant'}}]}", LLM_DONE, "", NULL, -1, -1},
    {0, "{'choices':[{'index':0,'delta':{'content':null,'reasoning_content':'hm'}}]}", LLM_DONE, "",
     NULL, -1, -1},
    {0, "{'choices':[{'index':0,'delta':{},'logprobs':null,'finish_reason':'stop'}]}", LLM_DONE, "",
     NULL, -1, -1},
    {0, "{'choices':[],'usage':{'prompt_tokens':5,'completion_tokens':7,'total_tokens':12}}",
     LLM_DONE, "", NULL, 5, 7},
    /* llama.cpp says the usage with the last choice. */
    {0,
     "{'choices':[{'finish_reason':'stop','index':0,'delta':{}}],'usage':{'completion_tokens':2,"
     "'prompt_tokens':1},'timings':{}}",
     LLM_DONE, "", NULL, 1, 2},
    /* Azure begins with what its filter found. */
    {0, "{'choices':[],'prompt_filter_results':[{'prompt_index':0}],'id':''}", LLM_DONE, "", NULL,
     -1, -1},
    {0, "{'choices':[{'index':0,'delta':{'refusal':'SECRET'}}]}", LLM_FILTERED, NULL,
     "the model refused", -1, -1},
    {0, "{'choices':[{'index':0,'delta':{'content':'x'},'finish_reason':'content_filter'}]}",
     LLM_FILTERED, NULL, "content_filter", -1, -1},
    {0, "{'error':{'message':'SECRET','type':'server_error','code':500}}", LLM_FAILED, NULL,
     "an error in the stream, server_error, 500", -1, -1},
    {0, "{'error':'SECRET'}", LLM_FAILED, NULL, "an error in the stream", -1, -1},
    {0, "{'choices':[{'index':0,'delta':{'content':7}}]}", LLM_GARBLED, NULL, NULL, -1, -1},
    {0, "{'choices':[{'index':0}]}", LLM_GARBLED, NULL, NULL, -1, -1},
    {0, "{'choices':null}", LLM_GARBLED, NULL, NULL, -1, -1},
    {0, "{'id':'x'}", LLM_GARBLED, NULL, NULL, -1, -1},
    {0, "{'choices':[{'delta':{'content':'\\u0000'}}]}", LLM_GARBLED, NULL, NULL, -1, -1},
    {0, "{'choices':[{'delta':{'content':'\xc3'}}]}", LLM_GARBLED, NULL, NULL, -1, -1},
    {0, "DONE", LLM_GARBLED, NULL, NULL, -1, -1},
    {0, "", LLM_GARBLED, NULL, NULL, -1, -1},
};

static void test_chunks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        struct buf data = unquote(chunks[i].body);
        struct llm_result result = {.http_status = 200};
        struct dialect_text text;
        openai_read_event(SPAN_EMPTY, buf_span(&data), &result, &text);
        check_result(chunks[i].body, &chunks[i], &result, &text);
        dialect_drop(&text);
        buf_fini(&data);
    }
}

static void test_an_event_called_error(void **state)
{
    static const char *const data[] = {"{\"choices\":[]}", "{\"type\":\"x\"}", "overloaded", ""};
    (void)state;
    for (size_t i = 0; i < sizeof data / sizeof data[0]; i++) {
        struct llm_result result = {.http_status = 200};
        struct dialect_text text;
        openai_read_event(span_of("error"), span_of(data[i]), &result, &text);
        assert_int_equal(result.end, LLM_FAILED);
        assert_int_equal(text.text.len, 0);
    }
}

static bool is_end(const char *data)
{
    struct llm_result result = {.http_status = 200};
    struct dialect_text text;
    openai_read_event(SPAN_EMPTY, span_of(data), &result, &text);
    bool last = text.last;
    dialect_drop(&text);
    return last;
}

static void test_end_marker(void **state)
{
    (void)state;
    assert_true(is_end("[DONE]"));
    assert_true(is_end("[DONE] "));
    assert_false(is_end("[DONE"));
    assert_false(is_end("\"[DONE]\""));
    assert_false(is_end(""));
    assert_false(is_end("{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"));
}

static void test_stop_reasons(void **state)
{
    static const struct {
        const char *data;
        enum llm_stop stop;
    } rows[] = {{"{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}", LLM_STOP_END},
                {"{\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}", LLM_STOP_LENGTH},
                {"{\"choices\":[{\"delta\":{},\"finish_reason\":null}]}", LLM_STOP_UNSAID}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct llm_result result = {.http_status = 200};
        struct dialect_text text;
        openai_read_event(SPAN_EMPTY, span_of(rows[i].data), &result, &text);
        assert_int_equal(result.stop, rows[i].stop);
        dialect_drop(&text);
    }
}

/* Usage that was known stays when a later chunk says nothing of it. */
static void test_usage_stays(void **state)
{
    struct llm_result result = {.http_status = 200};
    struct dialect_text text;
    (void)state;
    openai_read_event(SPAN_EMPTY,
                      span_of("{\"choices\":[],\"usage\":{\"prompt_tokens\":5,"
                              "\"completion_tokens\":7}}"),
                      &result, &text);
    dialect_drop(&text);
    openai_read_event(SPAN_EMPTY, span_of("{\"choices\":[],\"usage\":null}"), &result, &text);
    dialect_drop(&text);
    assert_true(result.usage.known);
    assert_int_equal(result.usage.output_tokens, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_an_event_called_error),
        cmocka_unit_test(test_end_marker),
        cmocka_unit_test(test_stop_reasons),
        cmocka_unit_test(test_usage_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
