/* What the writers of the dialects share. */
#ifndef WEIR_LLM_WRITING_H
#define WEIR_LLM_WRITING_H

#include "shared/base/buf.h"
#include "shared/flow/conversation.h"

/* A "data:image/png;base64,..." URL in its parts; false: it is none. */
bool writing_data_url(struct span url, struct span *type, struct span *base64);
/* The media type that the path of an image's URL promises; NULL: none that is known. */
const char *writing_image_type(struct span url);
/* Puts all texts of the system's messages, a blank line between them, inside a JSON string that the
 * caller opens and closes. Returns whether there were any. */
bool writing_system(const struct conversation *what, struct buf *out);
/* Puts the stop texts as a JSON array. */
void writing_stop(const struct conversation *what, struct buf *out);
/* Puts `text` as the JSON object that it is; {} where it is none, because a model wrote it. */
void writing_object(struct buf *out, struct span text);
/* Does the JSON Schema of an object have members? */
bool writing_has_members(const char *schema);
/* Is there anything in it to be said? */
bool writing_has_words(const struct chat_message *message);

#endif
