/* CHAT_MODELS: what callers of chat completions may name, and who answers to it.
 *
 *   list  = model *("," model)               spaces around each are ignored
 *   model = name "=" fallback                "fast=gemini:gemini-2.5-flash", see fallbacks.h
 * A name is 1 to 100 visible characters, and is on the list once. Pure. */
#ifndef WEIR_SERVER_CHAT_LIST_H
#define WEIR_SERVER_CHAT_LIST_H

#include "server/fallbacks.h"

enum { CHAT_LIST_MOST = 8 };

struct chat_list {
    struct chat_place {
        char name[101];
        struct fallback place;
    } list[CHAT_LIST_MOST];
    size_t count;
};

/* False: `error` says which part is wrong. URLs are cut out, not checked. */
MUST_USE bool chat_list_parse(const char *text, struct chat_list *list, char error[200]);

#endif
