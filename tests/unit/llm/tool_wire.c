/* Tools on the three wires: offered, called, answered. The samples have the shapes of
 * platform.openai.com/docs/guides/function-calling, ai.google.dev/gemini-api/docs/function-calling
 * and docs.anthropic.com/en/docs/agents-and-tools/tool-use. */
#include "shared/llm/tool_calls.h"
#include "tests/unit/llm/wire.h"

static const struct chat_tool clock_tool = {"get_current_time", "Tells the time.",
                                            "{\"type\":\"object\",\"properties\":{}}"};
static const struct chat_tool weather_tool = {
    "get_weather", "Tells the weather.",
    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}}}"};
static const struct chat_tool *const both[] = {&clock_tool, &weather_tool};

/* A question, two calls, their results. */
static struct chat_part question = {.kind = CHAT_TEXT};
static struct chat_part said[3], results[2];
static struct chat_message messages[3];

static struct conversation talk(void)
{
    question.text = span_of("Well?");
    said[0] = (struct chat_part){.kind = CHAT_TEXT, .text = span_of("Wait.")};
    said[1] = (struct chat_part){.kind = CHAT_TOOL_CALL,
                                 .name = span_of("get_weather"),
                                 .text = span_of("{\"city\": \"Rome\"}"),
                                 .id = span_of("c1"),
                                 .echo = span_of("c2ln")};
    said[2] = (struct chat_part){
        .kind = CHAT_TOOL_CALL, .name = span_of("get_current_time"), .text = span_of("{broken")};
    results[0] = (struct chat_part){.kind = CHAT_TOOL_RESULT,
                                    .name = said[1].name,
                                    .id = said[1].id,
                                    .text = span_of("{\"sky\":\"blue\"}")};
    results[1] = (struct chat_part){.kind = CHAT_TOOL_RESULT,
                                    .name = said[2].name,
                                    .text = span_of("{\"error\":\"no\"}"),
                                    .failed = true};
    messages[0] = (struct chat_message){CHAT_USER, &question, 1};
    messages[1] = (struct chat_message){CHAT_MODEL, said, 3};
    messages[2] = (struct chat_message){CHAT_USER, results, 2};
    return (struct conversation){
        .messages = messages, .n_messages = 3, .temperature = -1, .tools = both, .n_tools = 2};
}

static const char answer_schema[] =
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"],"
    "\"additionalProperties\":false}";

static void requests_of_openai(void **state)
{
    struct conversation what = talk();
    (void)state;
    check_request(
        &dialect_openai, &what,
        "{'model':'test-model','messages':[{'role':'user','content':'Well?'},"
        "{'role':'assistant','content':'Wait.','tool_calls':[{'id':'c1','type':'function',"
        "'function':{'name':'get_weather','arguments':'{\\'city\\': \\'Rome\\'}'}},"
        "{'id':'call_get_current_time','type':'function','function':{'name':'get_current_time',"
        "'arguments':'{broken'}}]},"
        "{'role':'tool','tool_call_id':'c1','content':'{\\'sky\\':\\'blue\\'}'},"
        "{'role':'tool','tool_call_id':'call_get_current_time','content':"
        "'{\\'error\\':\\'no\\'}'}],"
        "'tools':[{'type':'function','function':{'name':'get_current_time','description':"
        "'Tells the time.','parameters':{'type':'object','properties':{}}}},"
        "{'type':'function','function':{'name':'get_weather','description':"
        "'Tells the weather.','parameters':{'type':'object','properties':{'city':"
        "{'type':'string'}}}}}]}");
}

static void requests_of_gemini(void **state)
{
    struct conversation what = talk();
    (void)state;
    check_request(&dialect_gemini, &what,
                  "{'contents':[{'role':'user','parts':[{'text':'Well?'}]},"
                  "{'role':'model','parts':[{'text':'Wait.'},{'functionCall':{'name':'get_weather',"
                  "'args':{'city':'Rome'}},'thoughtSignature':'c2ln'},"
                  "{'functionCall':{'name':'get_current_time','args':{}}}]},"
                  "{'role':'user','parts':[{'functionResponse':{'name':'get_weather','response':"
                  "{'sky':'blue'}}},{'functionResponse':{'name':'get_current_time','response':"
                  "{'error':'no'}}}]}],"
                  "'tools':[{'functionDeclarations':[{'name':'get_current_time','description':"
                  "'Tells the time.'},{'name':'get_weather','description':'Tells the weather.',"
                  "'parameters':{'type':'OBJECT','properties':{'city':{'type':'STRING'}}}}]}]}");
    /* Beside tools the schema goes in words: the provider refuses both together. */
    what.schema = answer_schema;
    what.n_messages = 1;
    what.n_tools = 1;
    check_request(
        &dialect_gemini, &what,
        "{'systemInstruction':{'parts':[{'text':'Answer with one JSON value that fits this JSON "
        "Schema, and with nothing else:\\n{\\'type\\':\\'object\\',\\'properties\\':{\\'a\\':"
        "{\\'type\\':\\'string\\'}},\\'required\\':[\\'a\\'],\\'additionalProperties\\':false}'}]},"
        "'contents':[{'role':'user','parts':[{'text':'Well?'}]}],"
        "'tools':[{'functionDeclarations':[{'name':'get_current_time','description':"
        "'Tells the time.'}]}]}");
}

static void requests_of_anthropic(void **state)
{
    struct conversation what = talk();
    (void)state;
    check_request(
        &dialect_anthropic, &what,
        "{'model':'test-model','max_tokens':4096,'messages':[{'role':'user','content':"
        "[{'type':'text','text':'Well?'}]},"
        "{'role':'assistant','content':[{'type':'text','text':'Wait.'},{'type':'tool_use',"
        "'id':'c1','name':'get_weather','input':{'city':'Rome'}},{'type':'tool_use','id':"
        "'call_get_current_time','name':'get_current_time','input':{}}]},"
        "{'role':'user','content':[{'type':'tool_result','tool_use_id':'c1','content':"
        "'{\\'sky\\':\\'blue\\'}'},{'type':'tool_result','tool_use_id':'call_get_current_time',"
        "'content':'{\\'error\\':\\'no\\'}','is_error':true}]}],"
        "'tools':[{'name':'get_current_time','description':'Tells the time.','input_schema':"
        "{'type':'object','properties':{}}},{'name':'get_weather','description':"
        "'Tells the weather.','input_schema':{'type':'object','properties':{'city':"
        "{'type':'string'}}}}]}");
    what.schema = answer_schema;
    what.schema_name = "Answer";
    what.n_messages = 1;
    what.n_tools = 1;
    check_request(
        &dialect_anthropic, &what,
        "{'model':'test-model','max_tokens':4096,'messages':[{'role':'user','content':"
        "[{'type':'text','text':'Well?'}]}],"
        "'tools':[{'name':'Answer','description':'Takes the answer. Always call it.',"
        "'input_schema':{'type':'object','properties':{'a':{'type':'string'}},'required':['a'],"
        "'additionalProperties':false}},{'name':'get_current_time','description':"
        "'Tells the time.','input_schema':{'type':'object','properties':{}}}],"
        "'tool_choice':{'type':'any'}}");
}

/* --- answers --- */

/* name(arguments)#id~echo for each, apart by spaces */
static void put_calls(const struct tool_calls *calls, struct buf *out)
{
    for (size_t i = 0; i < calls->n; i++) {
        const struct chat_part *part = &calls->parts[i];
        if (i > 0)
            buf_put_char(out, ' ');
        buf_put_span(out, part->name);
        buf_put_char(out, '(');
        buf_put_span(out, part->text);
        buf_put_char(out, ')');
        if (part->id.len > 0)
            buf_put_char(out, '#');
        buf_put_span(out, part->id);
        if (part->echo.len > 0)
            buf_put_char(out, '~');
        buf_put_span(out, part->echo);
    }
    buf_put_char(out, '\0');
}

static void check_calls(struct tool_calls *calls, const char *wanted, const char *what)
{
    struct buf got, expected = unquoted(wanted);
    buf_put_char(&expected, '\0');
    buf_init(&got, NULL, 1 << 20);
    assert_true(tool_calls_finish(calls));
    put_calls(calls, &got);
    if (strcmp(got.at, expected.at) != 0)
        fail_msg("%s: %s", what, got.at);
    buf_fini(&got);
    buf_fini(&expected);
}

/* "" for `text`: there is none, which is well where there are calls. */
static void check_answer(const struct dialect *dialect, const char *body, const char *text,
                         const char *wanted)
{
    struct tool_calls *calls = tool_calls_new(span_of("Answer"));
    struct buf json = unquoted(body), expected = unquoted(text);
    struct llm_result result = {.http_status = 200, .drafts = calls};
    struct dialect_text got;
    dialect->read(buf_span(&json), &result, &got);
    if (result.end != LLM_DONE || !span_equal(got.text, buf_span(&expected)))
        fail_msg("%s: %s %s", body, llm_end_name(result.end), result.reason);
    check_calls(calls, wanted, body);
    dialect_drop(&got);
    /* Where no tools are on offer, calls of them are no answer. */
    if (text[0] == '\0' && dialect != &dialect_anthropic) {
        result = (struct llm_result){.http_status = 200};
        dialect->read(buf_span(&json), &result, &got);
        assert_int_equal(result.end, LLM_GARBLED);
    }
    buf_fini(&json);
    buf_fini(&expected);
    (void)tool_calls_free(calls);
}

static void answers(void **state)
{
    (void)state;
    check_answer(&dialect_openai,
                 "{'choices':[{'message':{'role':'assistant','content':null,'tool_calls':[{'id':"
                 "'call_1','type':'function','function':{'name':'get_weather','arguments':"
                 "'{\\'city\\':\\'Rome\\'}'}},{'id':'call_2','type':'function','function':{'name':"
                 "'get_current_time','arguments':''}}]},'finish_reason':'tool_calls'}]}",
                 "", "get_weather({'city':'Rome'})#call_1 get_current_time({})#call_2");
    check_answer(&dialect_openai, "{'choices':[{'message':{'content':'x','tool_calls':[]}}]}", "x",
                 "");
    check_answer(&dialect_gemini,
                 "{'candidates':[{'content':{'role':'model','parts':[{'functionCall':{'name':"
                 "'get_weather','args':{'city':'Rome'},'id':'f1'},'thoughtSignature':'c2ln'},"
                 "{'functionCall':{'name':'get_current_time'}}]},'finishReason':'STOP'}]}",
                 "", "get_weather({'city':'Rome'})#f1~c2ln get_current_time({})");
    check_answer(&dialect_anthropic,
                 "{'content':[{'type':'text','text':'Wait.'},{'type':'tool_use','id':'t1','name':"
                 "'get_weather','input':{'city':'Rome'}},{'type':'tool_use','id':'t2','name':"
                 "'get_current_time','input':{}}],'stop_reason':'tool_use'}",
                 "Wait.", "get_weather({'city':'Rome'})#t1 get_current_time({})#t2");
    check_answer(&dialect_anthropic,
                 "{'content':[{'type':'tool_use','id':'t1','name':'Answer','input':{'a':'b'}}],"
                 "'stop_reason':'tool_use'}",
                 "{'a':'b'}", "");
    /* first the time, then the answer, which was made without it */
    check_answer(&dialect_anthropic,
                 "{'content':[{'type':'tool_use','id':'t1','name':'Answer','input':{'a':'b'}},"
                 "{'type':'tool_use','id':'t2','name':'get_current_time','input':{}}]}",
                 "", "get_current_time({})#t2");
}

struct sample {
    const struct dialect *dialect;
    const char *events[8]; /* to NULL */
    const char *text;
    const char *calls;
};

static const struct sample streams[] = {
    {&dialect_openai,
     {"{'choices':[{'index':0,'delta':{'role':'assistant','content':null,'tool_calls':[{'index':0,"
      "'id':'call_1','type':'function','function':{'name':'get_weather','arguments':''}}]}}]}",
      "{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'function':{'arguments':'{\\'ci'}}"
      "]}}]}",
      "{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'function':{'arguments':"
      "'ty\\':1}'}}]}}]}",
      "{'choices':[{'index':0,'delta':{'tool_calls':[{'index':1,'id':'call_2','function':{'name':"
      "'get_current_time','arguments':'{}'}}]}}]}",
      "{'choices':[{'index':0,'delta':{},'finish_reason':'tool_calls'}]}"},
     "",
     "get_weather({'city':1})#call_1 get_current_time({})#call_2"},
    /* as some local servers have it: whole calls, all at one place, or at none */
    {&dialect_openai,
     {"{'choices':[{'delta':{'tool_calls':[{'index':0,'id':'a','function':{'name':'get_weather',"
      "'arguments':'{}'}}]}}]}",
      "{'choices':[{'delta':{'tool_calls':[{'index':0,'id':'b','function':{'name':"
      "'get_current_time','arguments':'{}'}}]}}]}"},
     "",
     "get_weather({})#a get_current_time({})#b"},
    {&dialect_openai,
     {"{'choices':[{'delta':{'content':'Hm.','tool_calls':[{'function':{'name':'get_weather',"
      "'arguments':'{}'}},{'function':{'name':'get_current_time','arguments':'{}'}}]}}]}"},
     "Hm.",
     "get_weather({}) get_current_time({})"},
    {&dialect_gemini,
     {"{'candidates':[{'content':{'parts':[{'text':'Hm. '}]}}]}",
      "{'candidates':[{'content':{'parts':[{'functionCall':{'name':'get_weather','args':{'city':"
      "1}}}]}}]}",
      "{'candidates':[{'content':{'parts':[{'functionCall':{'name':'get_current_time','args':{}}}]}"
      ",'finishReason':'STOP'}]}"},
     "Hm. ",
     "get_weather({'city':1}) get_current_time({})"},
    {&dialect_anthropic,
     {"{'type':'content_block_start','index':0,'content_block':{'type':'text','text':''}}",
      "{'type':'content_block_delta','index':0,'delta':{'type':'text_delta','text':'Hm.'}}",
      "{'type':'content_block_start','index':1,'content_block':{'type':'tool_use','id':'t1',"
      "'name':'get_weather','input':{}}}",
      "{'type':'content_block_delta','index':1,'delta':{'type':'input_json_delta','partial_json':"
      "''}}",
      "{'type':'content_block_delta','index':1,'delta':{'type':'input_json_delta','partial_json':"
      "'{\\'city\\''}}",
      "{'type':'content_block_delta','index':1,'delta':{'type':'input_json_delta','partial_json':"
      "':1}'}}",
      "{'type':'content_block_start','index':2,'content_block':{'type':'tool_use','id':'t2',"
      "'name':'get_current_time','input':{}}}"},
     "Hm.",
     "get_weather({'city':1})#t1 get_current_time({})#t2"},
    /* the answer's own tool is the text */
    {&dialect_anthropic,
     {"{'type':'content_block_start','index':0,'content_block':{'type':'tool_use','id':'t1',"
      "'name':'Answer','input':{}}}",
      "{'type':'content_block_delta','index':0,'delta':{'type':'input_json_delta','partial_json':"
      "'{}'}}"},
     "{}",
     ""},
};

static void streams_of_calls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        const struct sample *sample = &streams[i];
        struct tool_calls *calls = tool_calls_new(span_of("Answer"));
        struct llm_result result = {.http_status = 200, .drafts = calls};
        struct buf text;
        buf_init(&text, NULL, 1 << 16);
        for (size_t j = 0; j < 8 && sample->events[j] != NULL; j++) {
            struct buf data = unquoted(sample->events[j]);
            struct dialect_text got;
            sample->dialect->read_event(SPAN_EMPTY, buf_span(&data), &result, &got);
            if (result.end != LLM_DONE)
                fail_msg("%s: %s", sample->events[j], result.reason);
            buf_put_span(&text, got.text);
            dialect_drop(&got);
            buf_fini(&data);
        }
        assert_true(span_is(buf_span(&text), sample->text));
        check_calls(calls, sample->calls, sample->events[0]);
        buf_fini(&text);
        (void)tool_calls_free(calls);
    }
}

static void too_many_and_nameless(void **state)
{
    struct tool_calls *calls = tool_calls_new(SPAN_EMPTY);
    (void)state;
    for (size_t i = 0; i < TOOL_CALLS_MOST; i++)
        buf_put_text(&tool_calls_add(calls, (int64_t)i)->name, "x");
    assert_true(tool_calls_finish(calls));
    assert_null(tool_calls_add(calls, 99));
    assert_false(tool_calls_finish(calls));
    tool_calls_clear(calls);
    assert_true(tool_calls_finish(calls));
    struct tool_draft *draft = tool_calls_add(calls, 1);
    assert_false(tool_calls_finish(calls)); /* without a name */
    for (size_t i = 0; i <= TOOL_CALLS_NAME_BYTES; i++)
        buf_put_char(&draft->name, 'x');
    assert_false(tool_calls_finish(calls)); /* with too long a one */
    assert_null(tool_calls_find(calls, 2));
    assert_ptr_equal(tool_calls_find(calls, 1), draft);
    assert_null(tool_calls_free(calls));
    assert_null(tool_calls_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_openai),    cmocka_unit_test(requests_of_gemini),
        cmocka_unit_test(requests_of_anthropic), cmocka_unit_test(answers),
        cmocka_unit_test(streams_of_calls),      cmocka_unit_test(too_many_and_nameless)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
