/* Prompt files: front matter and a template, parsed once, rendered for each request.
 *
 * File form (F3), UTF-8 without NUL, at most 256 KiB:
 *   ---
 *   model: gpt-4o-mini          optional; these keys and no others, `#` begins a comment line
 *   config:                     optional
 *     temperature: 0.7          0 to 2
 *     maxOutputTokens: 512
 *   ---
 *   {{role "system"}} ... {{role "user"}} ... text {{name}} ...
 *
 * Template language (a bounded part of Handlebars, as Dotprompt uses it):
 *   {{field}} {{a.b}}          the value; nested messages by dots; absent or empty gives nothing
 *   {{#if f}}..{{else}}..{{/if}}     truth: non-empty string, non-zero number, true, items, present
 *   {{#unless f}}..{{/unless}}       may have an {{else}} too
 *   {{#each f}}..{{this}}..{{this.x}}..{{@index}}..{{/each}}   repeated fields; `this` is the item
 *                                      of the innermost list, {{else}} is for the empty list
 *   {{role "system"|"user"|"model"}}   what follows is said in that role; text before the first
 *                                      role mark is the user's; not inside a block
 *   {{media url=field}}        an image; none when the field is empty
 *   {{! a comment }} {{!-- a comment with }} in it --}}
 *   \{{                        two plain braces; \\{{ is a backslash and then a tag
 * Fields go by their proto names; a plain name is always the request's. Strings, numbers, booleans
 * and enums (by name) can be inserted; bytes cannot, and maps cannot be used at all. A block, role
 * or comment that is alone on its line takes the line with it.
 *
 * Each text is trimmed at both ends; messages that come out without text and image are dropped.
 *
 * Values are inserted as they are: a value cannot open a role or a tag, because the template is
 * parsed before any value is known. Nothing recurses on what a caller sends; templates nest at
 * most 16 deep and have at most 4,096 tags and texts.
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
    unsigned line;     /* from 1 */
    char message[160]; /* a sentence without its line, printable ASCII */
};

/* Parses `source` against the request message it will be rendered with: a variable that the
 * message does not have is an error. Owns copies of all it needs; prompt_free gives them back.
 * NULL on error, with `error` filled in. `request` may be NULL: names are then not checked, and
 * prompt_render must not be called. */
MUST_USE struct prompt *prompt_parse(struct span source, const struct contract_message *request,
                                     struct prompt_error *error);
/* Accepts NULL; returns NULL. */
struct prompt *prompt_free(struct prompt *prompt);

/* A 64-bit digest (FNV-1a) of the source as 16 hex digits: the version that enters cache keys and
 * logs. It tells revisions apart; it is no proof against somebody who writes prompts to collide.
 * Lives with the prompt. */
const char *prompt_version(const struct prompt *prompt);

/* Fills in messages, model, temperature and max_output_tokens of `conversation` from the request
 * message (defaults already applied; prompt_trim and prompt_max_len of the contract are applied
 * here). Everything made is in `arena`. Returns false when the caller's values make it too large:
 * the rendered text and URLs would pass `limit_bytes`, or there are more than 1,024 texts and
 * images, or lists in lists ask for more than a fixed amount of work (some 20 ms). */
MUST_USE bool prompt_render(const struct prompt *prompt, const ProtobufCMessage *request,
                            struct arena *arena, size_t limit_bytes,
                            struct conversation *conversation);

#endif
