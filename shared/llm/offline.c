/* The built-in model: a fixed text with a few words of the user's in it, or a sample of a schema.
 */
#include "shared/llm/offline.h"

#include "shared/base/utf8.h"
#include "shared/llm/sample.h"

/* A stream that may be at least so many tokens long gets a story; else a sentence or two. */
enum { LONG_ANSWER_TOKENS = 1000, QUOTED_CHARACTERS = 60 };

void offline_init(struct offline *offline)
{
    memo_init(&offline->samples, sample_write);
}

void offline_fini(struct offline *offline)
{
    memo_fini(&offline->samples);
}

/* The first line of what the user said last. */
static struct span last_words(const struct conversation *what)
{
    for (size_t i = what->n_messages; i > 0; i--) {
        const struct chat_message *message = &what->messages[i - 1];
        for (size_t j = 0; message->role == CHAT_USER && j < message->n_parts; j++) {
            struct span text = span_trim(message->parts[j].text);
            if (message->parts[j].kind != CHAT_TEXT || text.len == 0)
                continue;
            text.len = utf8_valid_bytes(text);
            const char *end = memchr(text.at, '\n', text.len);
            if (end != NULL)
                text.len = (size_t)(end - text.at);
            return span_trim(utf8_prefix(text, QUOTED_CHARACTERS));
        }
    }
    return SPAN_EMPTY;
}

static void write_quoted(struct buf *out, struct span words)
{
    buf_put_text(out, "\"");
    if (words.len > 0)
        buf_put_span(out, words);
    else
        buf_put_text(out, "nothing at all");
    buf_put_text(out, "\"");
}

static void write_long(struct buf *out, struct span words)
{
    buf_put_text(out, "This story comes from weir's offline model, which lives inside the server "
                      "and needs no network. Somebody asked it: ");
    write_quoted(out, words);
    buf_put_text(out, ".\n\nThe offline model thought about that for no time at all, because it "
                      "cannot think. It knows just these three paragraphs, and it tells them "
                      "word by word, so that a stream can be seen to flow.\n\nIn the end somebody "
                      "configured a real model, and from that day on a real story stood in this "
                      "place. The offline model was not sad. It had done what it could.");
}

static void write_short(struct buf *out, struct span words)
{
    buf_put_text(out, "Hello from weir's offline model! You said ");
    write_quoted(out, words);
    buf_put_text(out, ". Once a real model is configured, its answer stands here.");
}

void offline_write(struct offline *offline, const struct conversation *what, struct buf *out)
{
    if (what->schema != NULL) {
        buf_put_span(out, memo_find(&offline->samples, what->schema));
        return;
    }
    long most = what->max_output_tokens;
    if (what->stream && (most == 0 || most >= LONG_ANSWER_TOKENS))
        write_long(out, last_words(what));
    else
        write_short(out, last_words(what));
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n';
}

struct span offline_word(struct span text)
{
    size_t len = 0;
    while (len < text.len && !is_space(text.at[len]))
        len++;
    while (len < text.len && is_space(text.at[len]))
        len++;
    return span_make(text.at, len);
}
