/* What the writers of the dialects share. Texts of parts and conversations are UTF-8. Pure; any
 * thread, each on its own objects; what is returned lives as long as the text that was given. */
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
/* Puts what `write` makes of each part that has words, a comma between them. */
void writing_parts(const struct chat_message *message,
                   void (*write)(struct buf *out, const struct chat_part *part), struct buf *out);
/* The same for each message that has words and is not the system's. Returns whether there was any.
 */
bool writing_messages(const struct conversation *what,
                      void (*write)(struct buf *out, const struct chat_message *message),
                      struct buf *out);
/* Puts a call's id as a JSON string: the provider's, or one made of the tool's name where it has
 * none, as it came from another provider. */
void writing_id(struct buf *out, const struct chat_part *part);
/* Puts the stop texts as a JSON array. */
void writing_stop(const struct conversation *what, struct buf *out);
/* Puts `text` as the JSON object that it is; {} where it is none, because a model wrote it. */
void writing_object(struct buf *out, struct span text);
/* Does the JSON Schema of an object have members? */
bool writing_has_members(const char *schema);

#endif
