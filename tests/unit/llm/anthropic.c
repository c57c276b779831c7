/* Anthropic's wire. The samples have the shapes of docs.anthropic.com/en/api/messages,
 * .../messages-streaming and .../errors. */
#include "tests/unit/llm/wire.h"

static const struct answer answers[] = {
    {200,
     "{'id':'msg_013Zva2CMHLNnjNjtJKqiV7z','type':'message','role':'assistant','model':"
     "'claude-sonnet-4-5','content':[{'type':'text','text':'Hi! My name is Claude.'}],"
     "'stop_reason':'end_turn','stop_sequence':null,'usage':{'input_tokens':2095,"
     "'cache_creation_input_tokens':10,'cache_read_input_tokens':100,'output_tokens':503,"
     "'service_tier':'standard'}}",
     LLM_DONE, "Hi! My name is Claude.", NULL, 2205, 503, LLM_STOP_END},
    {200,
     "{'content':[{'type':'thinking','thinking':'hm','signature':'x'},{'type':'text','text':'"
     "\\u00e9"
     " '},{'type':'new'},{'type':'text','text':'b','citations':[]}],'stop_reason':'max_tokens'}",
     LLM_DONE, "\xc3\xa9 b", NULL, -1, -1, LLM_STOP_LENGTH},
    {200, "{'content':[{'type':'text','text':'x'}],'stop_reason':'model_context_window_exceeded'}",
     LLM_DONE, "x", NULL, -1, -1, LLM_STOP_LENGTH},
    {200, "{'content':[{'type':'text','text':''}],'stop_reason':'to come'}", LLM_DONE, "", NULL, -1,
     -1, LLM_STOP_END},
    /* a structured answer: the input of the tool, whatever is said around it */
    {200,
     "{'content':[{'type':'text','text':'Sure.'},{'type':'tool_use','id':'toolu_1','name':'Answer',"
     "'input':{'a':[1,'\\u00e9'],'b':{}}}],'stop_reason':'tool_use','usage':{'input_tokens':3,"
     "'output_tokens':9}}",
     LLM_DONE, "{\"a\":[1,\"\xc3\xa9\"],\"b\":{}}", NULL, 3, 9, LLM_STOP_END},
    {200,
     "{'content':[{'type':'text','text':'par'}],'stop_reason':'refusal','usage':{'input_tokens':3,"
     "'output_tokens':1}}",
     LLM_FILTERED, NULL, "the model refused", 3, 1, LLM_STOP_UNSAID},
    /* not the shape */
    {200, "{'content':[{'type':'thinking','thinking':'hm'}],'stop_reason':'end_turn'}", LLM_GARBLED,
     NULL, NULL, -1, -1, LLM_STOP_END},
    {200, "{'content':[{'type':'text'}]}", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID},
    {200, "{'content':[{'type':'tool_use','input':'x'}]}", LLM_GARBLED, NULL, NULL, -1, -1,
     LLM_STOP_UNSAID},
    {200, "{'content':'none'}", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID},
    {200, "{'content':[]}", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID},
    {200, "{}", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID},
    {200, "", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID},
    {200, "{'content':[{'type':'text','text':'a\\u0000'}]}", LLM_GARBLED, NULL, NULL, -1, -1,
     LLM_STOP_UNSAID},
    /* errors */
    {400,
     "{'type':'error','error':{'type':'invalid_request_error','message':'SECRET'},'request_id':"
     "'req_1'}",
     LLM_REJECTED, NULL, "status 400, invalid_request_error", -1, -1, LLM_STOP_UNSAID},
    {401, "{'type':'error','error':{'type':'authentication_error','message':'SECRET x-api-key'}}",
     LLM_REJECTED, NULL, "status 401, authentication_error", -1, -1, LLM_STOP_UNSAID},
    {429, "{'type':'error','error':{'type':'rate_limit_error','message':'SECRET'}}", LLM_BUSY, NULL,
     "status 429, rate_limit_error", -1, -1, LLM_STOP_UNSAID},
    {529, "{'type':'error','error':{'type':'overloaded_error','message':'Overloaded'}}", LLM_FAILED,
     NULL, "status 529, overloaded_error", -1, -1, LLM_STOP_UNSAID},
    {500, "<html>", LLM_FAILED, NULL, "status 500", -1, -1, LLM_STOP_UNSAID},
};

static void test_answers(void **state)
{
    (void)state;
    check_answers(&dialect_anthropic, answers, sizeof answers / sizeof answers[0]);
}

static void test_events(void **state)
{
    static const struct {
        const char *name;
        struct answer answer;
    } rows[] = {
        {"ping", {200, "{'type':'ping'}", LLM_DONE, "", NULL, -1, -1, LLM_STOP_UNSAID}},
        {"new", {200, "{'type':'new','delta':7}", LLM_DONE, "", NULL, -1, -1, LLM_STOP_UNSAID}},
        /* the type in the data counts, for those who drop the names */
        {"",
         {200,
          "{'type':'content_block_delta','index':0,'delta':{'type':'text_delta','text':'Hello'}}",
          LLM_DONE, "Hello", NULL, -1, -1, LLM_STOP_UNSAID}},
        {"content_block_delta",
         {200,
          "{'type':'content_block_delta','delta':{'type':'input_json_delta','partial_json':'{\\'a'}"
          "}",
          LLM_DONE, "{\"a", NULL, -1, -1, LLM_STOP_UNSAID}},
        {"content_block_delta",
         {200, "{'type':'content_block_delta','delta':{'type':'thinking_delta','thinking':'hm'}}",
          LLM_DONE, "", NULL, -1, -1, LLM_STOP_UNSAID}},
        {"content_block_delta",
         {200, "{'type':'content_block_delta','delta':{'type':'signature_delta','signature':'x'}}",
          LLM_DONE, "", NULL, -1, -1, LLM_STOP_UNSAID}},
        {"message_delta",
         {200, "{'type':'message_delta','delta':{'stop_reason':'max_tokens'}}", LLM_DONE, "", NULL,
          -1, -1, LLM_STOP_LENGTH}},
        {"message_delta",
         {200, "{'type':'message_delta','delta':{'stop_reason':'refusal'}}", LLM_FILTERED, NULL,
          "the model refused", -1, -1, LLM_STOP_UNSAID}},
        {"error",
         {529, "{'type':'error','error':{'type':'overloaded_error','message':'SECRET'}}",
          LLM_FAILED, NULL, "an error in the stream, overloaded_error", -1, -1, LLM_STOP_UNSAID}},
        {"error",
         {429, "{'type':'error','error':{'type':'rate_limit_error'}}", LLM_BUSY, NULL, NULL, -1, -1,
          LLM_STOP_UNSAID}},
        {"error",
         {500, "{'type':'error','error':{'type':'to_come'}}", LLM_FAILED, NULL, NULL, -1, -1,
          LLM_STOP_UNSAID}},
        {"error", {500, "oops", LLM_FAILED, NULL, NULL, -1, -1, LLM_STOP_UNSAID}},
        {"message_start",
         {200, "{'type':'message_start'}", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID}},
        {"content_block_delta",
         {200, "{'type':'content_block_delta'}", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID}},
        {"content_block_delta",
         {200, "{'type':'content_block_delta','delta':{'type':'text_delta'}}", LLM_GARBLED, NULL,
          NULL, -1, -1, LLM_STOP_UNSAID}},
        {"message_delta",
         {200, "{'type':'message_delta'}", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID}},
        {"", {200, "{}", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID}},
        {"", {200, "[DONE]", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_event(&dialect_anthropic, rows[i].name, &rows[i].answer);
}

static void test_streams(void **state)
{
    static const char *const events[] = {
        "event: message_start\ndata: {'type':'message_start','message':{'id':'msg_1','type':"
        "'message','role':'assistant','content':[],'model':'claude-sonnet-4-5','stop_reason':null,"
        "'stop_sequence':null,'usage':{'input_tokens':25,'cache_read_input_tokens':5,"
        "'output_tokens':1}}}\n\n",
        "event: content_block_start\ndata: {'type':'content_block_start','index':0,'content_block':"
        "{'type':'text','text':''}}\n\n",
        "event: ping\ndata: {'type': 'ping'}\n\n",
        "event: content_block_delta\ndata: {'type':'content_block_delta','index':0,'delta':{'type':"
        "'text_delta','text':'Hello'}}\n\n",
        "event: content_block_delta\ndata: {'type':'content_block_delta','index':0,'delta':{'type':"
        "'text_delta','text':' \\u00e9!'}}\n\n",
        "event: content_block_stop\ndata: {'type':'content_block_stop','index':0}\n\n",
        "event: message_delta\ndata: {'type':'message_delta','delta':{'stop_reason':'end_turn',"
        "'stop_sequence':null},'usage':{'output_tokens':15}}\n\n",
        "event: message_stop\ndata: {'type':'message_stop'}\n\n",
        NULL};
    (void)state;
    check_stream(&dialect_anthropic, events, "Hello \xc3\xa9!", 30, 15);
}

static void test_requests(void **state)
{
    struct chat_part rules = {.kind = CHAT_TEXT, .text = span_of("Be \"kind\".")};
    struct chat_part parts[] = {
        {.kind = CHAT_TEXT, .text = span_of("What is\nthis?")},
        {.kind = CHAT_TEXT, .text = span_of("")},
        {.kind = CHAT_IMAGE, .text = span_of("https://example.com/a.png")},
        {.kind = CHAT_IMAGE, .text = span_of("data:image/png;base64,QUJD")}};
    struct chat_part said = {.kind = CHAT_TEXT, .text = span_of("A cat.")};
    struct chat_message messages[] = {{CHAT_SYSTEM, &rules, 1},
                                      {CHAT_USER, parts, 4},
                                      {CHAT_MODEL, &said, 1},
                                      {CHAT_SYSTEM, &said, 1},
                                      {CHAT_USER, NULL, 0}};
    struct conversation what = {.messages = messages,
                                .n_messages = 5,
                                .temperature = 1.5,
                                .max_output_tokens = 300,
                                .stream = true};
    (void)state;
    check_request(&dialect_anthropic, &what,
                  "{'model':'test-model','max_tokens':300,'system':'Be \\'kind\\'.\\n\\nA cat.',"
                  "'messages':[{'role':'user','content':[{'type':'text','text':'What is\\nthis?'},"
                  "{'type':'image','source':{'type':'url','url':'https://example.com/a.png'}},"
                  "{'type':'image','source':{'type':'base64','media_type':'image/png','data':"
                  "'QUJD'}}]},{'role':'assistant','content':[{'type':'text','text':'A cat.'}]}],"
                  "'temperature':1,'stream':true}");
    what = (struct conversation){.temperature = -1};
    check_request(&dialect_anthropic, &what,
                  "{'model':'test-model','max_tokens':4096,'messages':[{'role':'user','content':"
                  "[{'type':'text','text':'Go ahead.'}]}]}");
    const struct span stop[] = {span_of("a\"b"), span_of("END")};
    what = (struct conversation){.temperature = -1, .stop = stop, .n_stop = 2};
    check_request(&dialect_anthropic, &what,
                  "{'model':'test-model','max_tokens':4096,'messages':[{'role':'user','content':"
                  "[{'type':'text','text':'Go ahead.'}]}],'stop_sequences':['a\\\"b','END']}");
}

static void test_schemas(void **state)
{
    const struct conversation what = {.temperature = -1,
                                      .schema = "{\"type\":\"object\"}",
                                      .schema_name = "TranslateTextResponse"};
    (void)state;
    check_request(&dialect_anthropic, &what,
                  "{'model':'test-model','max_tokens':4096,'messages':[{'role':'user','content':"
                  "[{'type':'text','text':'Go ahead.'}]}],'tools':[{'name':'TranslateTextResponse',"
                  "'description':'Takes the answer. Always call it.','input_schema':{'type':"
                  "'object'}}],'tool_choice':{'type':'tool','name':'TranslateTextResponse'}}");
    check_schema_of(&dialect_anthropic, "{'type':'array'}", NULL);
    check_schema_of(&dialect_anthropic, "nonsense", NULL);
    check_path(&dialect_anthropic, "x", true, "/messages");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers), cmocka_unit_test(test_events),
        cmocka_unit_test(test_streams), cmocka_unit_test(test_requests),
        cmocka_unit_test(test_schemas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
