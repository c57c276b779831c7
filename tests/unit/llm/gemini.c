/* Gemini's wire. The samples have the shapes of ai.google.dev/api/generate-content,
 * .../gemini-api/docs/structured-output and .../gemini-api/docs/troubleshooting. */
#include "tests/unit/llm/wire.h"

static const struct answer answers[] = {
    {200,
     "{'candidates':[{'content':{'parts':[{'text':'AI learns '},{'text':'patterns.'}],'role':"
     "'model'},'finishReason':'STOP','index':0,'avgLogprobs':-0.1,'safetyRatings':[]}],"
     "'usageMetadata':{'promptTokenCount':8,'candidatesTokenCount':11,'totalTokenCount':19,"
     "'promptTokensDetails':[{'modality':'TEXT','tokenCount':8}]},'modelVersion':"
     "'gemini-2.5-flash','responseId':'x'}",
     LLM_DONE, "AI learns patterns.", NULL, 8, 11, LLM_STOP_END},
    /* thoughts are not for the caller, but cost */
    {200,
     "{'candidates':[{'content':{'parts':[{'text':'hm','thought':true},{'text':'\\u00e9 \\ud83d"
     "\\ude00'},{'inlineData':{'mimeType':'x'}}]},'finishReason':'STOP'}],'usageMetadata':"
     "{'promptTokenCount':4,'candidatesTokenCount':2,'thoughtsTokenCount':40}}",
     LLM_DONE, "\xc3\xa9 \xf0\x9f\x98\x80", NULL, 4, 42, LLM_STOP_END},
    {200,
     "{'candidates':[{'content':{'parts':[{'text':'par'}]},'finishReason':'MAX_TOKENS'}],"
     "'usageMetadata':{'promptTokenCount':4}}",
     LLM_DONE, "par", NULL, 4, 0, LLM_STOP_LENGTH},
    {200, "{'candidates':[{'content':{'role':'model'},'finishReason':'MAX_TOKENS'}]}", LLM_DONE, "",
     NULL, -1, -1, LLM_STOP_LENGTH},
    {200, "{'candidates':[{'content':{'parts':[{'text':'x'}]}}]}", LLM_DONE, "x", NULL, -1, -1,
     LLM_STOP_UNSAID},
    /* withheld */
    {200,
     "{'candidates':[{'finishReason':'SAFETY','index':0,'safetyRatings':[{'category':"
     "'HARM_CATEGORY_HARASSMENT','probability':'HIGH','blocked':true}]}],'usageMetadata':"
     "{'promptTokenCount':4}}",
     LLM_FILTERED, NULL, "stopped, SAFETY", 4, 0, LLM_STOP_UNSAID},
    {200, "{'candidates':[{'content':{'parts':[{'text':'x'}]},'finishReason':'RECITATION'}]}",
     LLM_FILTERED, NULL, "stopped, RECITATION", -1, -1, LLM_STOP_UNSAID},
    {200, "{'promptFeedback':{'blockReason':'PROHIBITED_CONTENT'},'usageMetadata':{}}",
     LLM_FILTERED, NULL, "the prompt was blocked, PROHIBITED_CONTENT", -1, -1, LLM_STOP_UNSAID},
    {200, "{'candidates':[{'finishReason':'MALFORMED_FUNCTION_CALL'}]}", LLM_FAILED, NULL,
     "stopped, MALFORMED_FUNCTION_CALL", -1, -1, LLM_STOP_UNSAID},
    /* not the shape */
    {200, "{'candidates':[{'content':{'parts':[{'text':7}]},'finishReason':'STOP'}]}", LLM_GARBLED,
     NULL, NULL, -1, -1, LLM_STOP_END},
    {200, "{'candidates':[{'content':{'parts':[]},'finishReason':'STOP'}]}", LLM_GARBLED, NULL,
     NULL, -1, -1, LLM_STOP_END},
    {200, "{'candidates':[]}", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID},
    {200, "{'candidates':'none'}", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID},
    {200, "{}", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID},
    {200, "[{'candidates':[]}]", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID},
    {200, "", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID},
    {200, "{'candidates':[{'content':{'parts':[{'text':'a\\u0000'}]}}]}", LLM_GARBLED, NULL, NULL,
     -1, -1, LLM_STOP_UNSAID},
    {200, "{'candidates':[{'content':{'parts':[{'text':'a\xff'}]}}]}", LLM_GARBLED, NULL, NULL, -1,
     -1, LLM_STOP_UNSAID},
    /* errors */
    {400,
     "{'error':{'code':400,'message':'API key not valid: SECRET','status':'INVALID_ARGUMENT',"
     "'details':[{'@type':'type.googleapis.com/google.rpc.ErrorInfo','reason':"
     "'API_KEY_INVALID'}]}}",
     LLM_REJECTED, NULL, "status 400, INVALID_ARGUMENT", -1, -1, LLM_STOP_UNSAID},
    {403, "{'error':{'code':403,'message':'SECRET','status':'PERMISSION_DENIED'}}", LLM_REJECTED,
     NULL, "status 403, PERMISSION_DENIED", -1, -1, LLM_STOP_UNSAID},
    {429, "{'error':{'code':429,'message':'SECRET','status':'RESOURCE_EXHAUSTED'}}", LLM_BUSY, NULL,
     "status 429, RESOURCE_EXHAUSTED", -1, -1, LLM_STOP_UNSAID},
    {503, "{'error':{'code':503,'message':'SECRET','status':'UNAVAILABLE'}}", LLM_FAILED, NULL,
     "status 503, UNAVAILABLE", -1, -1, LLM_STOP_UNSAID},
    {504, "{'error':{'code':504,'status':'DEADLINE_EXCEEDED'}}", LLM_TIMED_OUT, NULL, NULL, -1, -1,
     LLM_STOP_UNSAID},
    {500, "Internal", LLM_FAILED, NULL, "status 500", -1, -1, LLM_STOP_UNSAID},
    {200, "{'error':{'code':429,'status':'RESOURCE_EXHAUSTED'}}", LLM_BUSY, NULL,
     "an error in place of an answer, RESOURCE_EXHAUSTED", -1, -1, LLM_STOP_UNSAID},
};

static void test_answers(void **state)
{
    (void)state;
    check_answers(&dialect_gemini, answers, sizeof answers / sizeof answers[0]);
}

static void test_events(void **state)
{
    static const struct answer rows[] = {
        {503, "{'error':{'code':503,'message':'SECRET','status':'UNAVAILABLE'}}", LLM_FAILED, NULL,
         "an error in place of an answer, UNAVAILABLE", -1, -1, LLM_STOP_UNSAID},
        {200, "{'error':{'status':'UNKNOWN'}}", LLM_FAILED, NULL, NULL, -1, -1, LLM_STOP_UNSAID},
        {200, "{'usageMetadata':{'promptTokenCount':4}}", LLM_DONE, "", NULL, -1, -1,
         LLM_STOP_UNSAID},
        {200, "{'candidates':[{'content':{'parts':[{'text':'x'}]},'finishReason':'SAFETY'}]}",
         LLM_FILTERED, NULL, "stopped, SAFETY", -1, -1, LLM_STOP_UNSAID},
        {200, "{'modelVersion':'x'}", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID},
        {200, "[DONE]", LLM_GARBLED, NULL, NULL, -1, -1, LLM_STOP_UNSAID},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_event(&dialect_gemini, "", &rows[i]);
}

static void test_streams(void **state)
{
    static const char *const events[] = {
        "data: {'candidates':[{'content':{'parts':[{'text':'Hm','thought':true}],'role':'model'},"
        "'index':0}],'usageMetadata':{'promptTokenCount':7,'totalTokenCount':20,"
        "'thoughtsTokenCount':13}}\r\n\r\n",
        "data: {'candidates':[{'content':{'parts':[{'text':'Once '}],'role':'model'},'index':0}],"
        "'usageMetadata':{'promptTokenCount':7,'candidatesTokenCount':1}}\r\n\r\n",
        "data: {'candidates':[{'content':{'parts':[{'text':'upon '}],'role':'model'},'index':0}],"
        "'usageMetadata':{'promptTokenCount':7,'candidatesTokenCount':2}}\r\n\r\n",
        /* the last text comes with the end marker */
        "data: {'candidates':[{'content':{'parts':[{'text':'\\u00e9.'}],'role':'model'},"
        "'finishReason':'STOP','index':0}],'usageMetadata':{'promptTokenCount':7,"
        "'candidatesTokenCount':4,'thoughtsTokenCount':13}}\r\n\r\n",
        NULL};
    (void)state;
    check_stream(&dialect_gemini, events, "Once upon \xc3\xa9.", 7, 17);
}

static void test_requests(void **state)
{
    struct chat_part rules = {.kind = CHAT_TEXT, .text = span_of("Be \"kind\".")};
    struct chat_part more = {.kind = CHAT_TEXT, .text = span_of("Be brief.")};
    struct chat_part parts[] = {
        {.kind = CHAT_TEXT, .text = span_of("What is\nthis?")},
        {.kind = CHAT_TEXT, .text = span_of("")},
        {.kind = CHAT_IMAGE, .text = span_of("https://example.com/a.PNG?x=1")},
        {.kind = CHAT_IMAGE, .text = span_of("https://example.com/a")},
        {.kind = CHAT_IMAGE, .text = span_of("data:image/webp;base64,QUJD")}};
    struct chat_part said = {.kind = CHAT_TEXT, .text = span_of("A cat.")};
    struct chat_message messages[] = {{CHAT_SYSTEM, &rules, 1}, {CHAT_USER, parts, 5},
                                      {CHAT_MODEL, &said, 1},   {CHAT_SYSTEM, &more, 1},
                                      {CHAT_USER, &said, 1},    {CHAT_USER, NULL, 0}};
    struct conversation what = {.messages = messages,
                                .n_messages = 6,
                                .temperature = 0.5,
                                .max_output_tokens = 300,
                                .stream = true};
    (void)state;
    check_request(
        &dialect_gemini, &what,
        "{'systemInstruction':{'parts':[{'text':'Be \\'kind\\'.\\n\\nBe brief.'}]},'contents':["
        "{'role':'user','parts':[{'text':'What is\\nthis?'},"
        "{'fileData':{'mimeType':'image/png','fileUri':'https://example.com/a.PNG?x=1'}},"
        "{'fileData':{'fileUri':'https://example.com/a'}},"
        "{'inlineData':{'mimeType':'image/webp','data':'QUJD'}}]},"
        "{'role':'model','parts':[{'text':'A cat.'}]},"
        "{'role':'user','parts':[{'text':'A cat.'}]}],"
        "'generationConfig':{'temperature':0.5,'maxOutputTokens':300}}");
    what = (struct conversation){.temperature = -1};
    check_request(&dialect_gemini, &what,
                  "{'contents':[{'role':'user','parts':[{'text':'Go ahead.'}]}]}");
    const struct span stop[] = {span_of("a\"b"), span_of("END")};
    what = (struct conversation){.temperature = 0.5, .stop = stop, .n_stop = 2};
    check_request(&dialect_gemini, &what,
                  "{'contents':[{'role':'user','parts':[{'text':'Go ahead.'}]}],"
                  "'generationConfig':{'temperature':0.5,'stopSequences':['a\\\"b','END']}}");
}

static void test_schemas(void **state)
{
    (void)state;
    check_schema_of(&dialect_gemini,
                    "{'type':'object','properties':{'type':{'type':'string','format':'uri',"
                    "'minLength':1,'enum':['a','b']},'n':{'type':'integer','minimum':0,'enum':[1]},"
                    "'list':{'type':'array','minItems':3,'items':{'type':'object','properties':"
                    "{'x':{'type':'boolean'}},'required':['x'],'additionalProperties':false}},"
                    "'when':{'type':'string','format':'date-time'}},'required':['type'],"
                    "'additionalProperties':false,'$schema':'x'}",
                    "{'type':'OBJECT','properties':{'type':{'type':'STRING','minLength':1,"
                    "'enum':['a','b']},'n':{'type':'INTEGER','minimum':0},"
                    "'list':{'type':'ARRAY','minItems':3,'items':{'type':'OBJECT','properties':"
                    "{'x':{'type':'BOOLEAN'}},'required':['x']}},"
                    "'when':{'type':'STRING','format':'date-time'}},'required':['type']}");
    static const char *const beyond[] = {
        "{'type':'object','additionalProperties':{'type':'integer'}}",
        "{'type':'object','properties':{'a':{'type':'object'}}}",
        "{'type':'array','items':{'type':'object'}}",
        "{'properties':{}}",
        "[]",
        "nonsense"};
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++)
        check_schema_of(&dialect_gemini, beyond[i], NULL);
    /* Then it is told in words. */
    const struct conversation what = {.temperature = -1, .schema = "{\"type\":\"object\"}"};
    check_request(
        &dialect_gemini, &what,
        "{'systemInstruction':{'parts':[{'text':'Answer with one JSON value that fits this "
        "JSON Schema, and with nothing else:\\n{\\'type\\':\\'object\\'}'}]},"
        "'contents':[{'role':'user','parts':[{'text':'Go ahead.'}]}],"
        "'generationConfig':{'responseMimeType':'application/json'}}");
    const struct conversation plain = {
        .temperature = 0,
        .schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}"};
    check_request(&dialect_gemini, &plain,
                  "{'contents':[{'role':'user','parts':[{'text':'Go ahead.'}]}],"
                  "'generationConfig':{'temperature':0,'responseMimeType':'application/json',"
                  "'responseSchema':{'type':'OBJECT','properties':{'a':{'type':'STRING'}}}}}");
}

static void test_paths(void **state)
{
    (void)state;
    check_path(&dialect_gemini, "gemini-2.5-flash", false,
               "/models/gemini-2.5-flash:generateContent");
    check_path(&dialect_gemini, "tunedModels/mine", true,
               "/tunedModels/mine:streamGenerateContent?alt=sse");
    check_path(&dialect_gemini, "a b?key=1#:\r\n", false,
               "/models/a%20b%3Fkey%3D1%23%3A%0D%0A:generateContent");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers), cmocka_unit_test(test_events),
        cmocka_unit_test(test_streams), cmocka_unit_test(test_requests),
        cmocka_unit_test(test_schemas), cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
