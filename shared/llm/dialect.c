/* The providers by name, and what an HTTP status means to all of them. */
#include "shared/llm/dialect.h"

#include <jansson.h>

/* As long as a tool's name may be at all providers. */
enum { ANSWER_NAME_BYTES = 64 };

struct span dialect_answer_name(const struct conversation *what)
{
    struct span name = span_of(what->schema_name != NULL ? what->schema_name : "answer");
    if (name.len > ANSWER_NAME_BYTES)
        name.len = ANSWER_NAME_BYTES;
    return name;
}

const struct dialect *dialect_find(struct span name)
{
    static const struct dialect *const all[] = {&dialect_openai, &dialect_gemini,
                                                &dialect_anthropic};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (span_is(name, all[i]->name))
            return all[i];
    return NULL;
}

void dialect_drop(struct dialect_text *text)
{
    json_decref(text->document);
    buf_fini(&text->joined);
    *text = (struct dialect_text){0};
}

enum llm_end dialect_end_of_status(int status)
{
    if (status >= 200 && status < 300)
        return LLM_DONE;
    if (status == 408 || status == 504)
        return LLM_TIMED_OUT;
    if (status == 429)
        return LLM_BUSY;
    if (status >= 400 && status < 500)
        return LLM_REJECTED;
    return status >= 500 && status < 600 ? LLM_FAILED : LLM_GARBLED;
}
