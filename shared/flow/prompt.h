/* Prompt files: front matter and a template, parsed once, rendered for each request.
 *
 * File form (F3):
 *   ---
 *   model: gpt-4o-mini          optional
 *   config:                     optional
 *     temperature: 0.7
 *     maxOutputTokens: 512
 *   ---
 *   {{role "system"}} ... {{role "user"}} ... text {{name}} ...
 *
 * Template language (a bounded part of Handlebars, as Dotprompt uses it):
 *   {{field}} {{a.b}}          the value; nested messages by dots; absent or empty gives nothing
 *   {{#if f}}..{{else}}..{{/if}}     truth: non-empty string, non-zero number, true, items, present
 *   {{#unless f}}..{{/unless}}
 *   {{#each f}}..{{this}}..{{this.x}}..{{@index}}..{{/each}}   repeated fields
 *   {{role "system"|"user"|"model"}}   what follows is said in that role; text before the first
 *                                      role mark is the user's
 *   {{media url=field}}        an image
 *   {{! a comment }}
 * Values are inserted as they are: a value cannot open a role or a tag, because the template is
 * parsed before any value is known. Nothing recurses on what a caller sends; templates nest at
 * most 16 deep.
 *
 * A parsed prompt is immutable: any thread may render it. */
#ifndef WEIR_FLOW_PROMPT_H
#define WEIR_FLOW_PROMPT_H

#include "shared/base/arena.h"
#include "shared/base/must.h"
#include "shared/base/span.h"
#include "shared/flow/contract.h"
#include "shared/flow/conversation.h"

struct prompt;

struct prompt_error {
    unsigned line; /* from 1 */
    char message[160];
};

/* Parses `source` against the request message it will be rendered with: a variable that the
 * message does not have is an error. Owns copies of all it needs; prompt_free gives them back.
 * NULL on error, with `error` filled in. `request` may be NULL: names are then not checked, and
 * prompt_render must not be called. */
MUST_USE struct prompt *prompt_parse(struct span source, const struct contract_message *request,
                                     struct prompt_error *error);
/* Accepts NULL; returns NULL. */
struct prompt *prompt_free(struct prompt *prompt);

/* The first 8 bytes of the SHA-256 (or any 64-bit digest) of the source as hex: the version that
 * enters cache keys and logs. Lives with the prompt. */
const char *prompt_version(const struct prompt *prompt);

/* Fills in messages, model, temperature and max_output_tokens of `conversation` from the request
 * message (defaults already applied; prompt_trim and prompt_max_len of the contract are applied
 * here). Everything made is in `arena`. Returns false when the rendered text would pass
 * `limit_bytes`. */
MUST_USE bool prompt_render(const struct prompt *prompt, const ProtobufCMessage *request,
                            struct arena *arena, size_t limit_bytes,
                            struct conversation *conversation);

#endif
