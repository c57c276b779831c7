/* What the readers of the dialects share: JSON with suspicion, and reasons without prose. Pure; any
 * thread, each on its own objects. */
#ifndef WEIR_LLM_READING_H
#define WEIR_LLM_READING_H

#include "shared/llm/dialect.h"
#include "shared/llm/tool_calls.h"

#include <jansson.h>

enum { READING_WORD_BYTES = 41 };

/* A JSON object without NUL and in UTF-8 only; NULL: it is none. */
json_t *reading_parse(struct span text);
/* Adds to result->reason. */
void reading_note(struct llm_result *result, const char *text);
/* Adds a word of the provider's lists: cut to harmless characters, and not many. */
void reading_note_word(struct llm_result *result, const char *text);
/* Adds the member, if it is a text or a number: a word of the provider's lists. */
void reading_word(struct llm_result *result, const json_t *object, const char *member);
void reading_end(struct llm_result *result, enum llm_end end, const char *reason);
/* A count of tokens; false: it is none, and *count is left alone. */
MUST_USE bool reading_count(const json_t *object, const char *member, uint64_t *count);
/* The member's text; empty when it is none. Lives with the object. */
struct span reading_text(const json_t *object, const char *member);
/* Adds the member as JSON text; "{}" when it is no object. */
void reading_put_object(const json_t *object, const char *member, struct buf *out);
/* Adds a part to the text. The document must outlive the text; see reading_keep. */
void reading_add(struct dialect_text *text, struct span part);
/* Were tools asked for, and did the answer call some? */
bool reading_has_calls(const struct llm_result *result);
/* Reads a unary answer: `read` has its document if the status is one of success; of others
 * `append_error` notes the words, `document` being NULL where the body is no JSON object. */
void reading_answer(struct span body, struct llm_result *result, struct dialect_text *text,
                    void (*append_error)(struct llm_result *result, const json_t *document),
                    void (*read)(const json_t *document, struct llm_result *result,
                                 struct dialect_text *text));
/* At the end of a reading: LLM_DONE keeps the document for its texts, else it goes with the text.
 */
void reading_keep(json_t *document, const struct llm_result *result, struct dialect_text *text);

#endif
