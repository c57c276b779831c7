/* The models of chat completions: the name in a path, and OpenAI's lists. */
#include "rest/rest_chat.h"

#include "shared/base/utf8.h"
#include "weir/v1/chat.pb-c.h"

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool rest_chat_read_name(struct span path, struct arena *arena, char **name)
{
    char *to = arena_try(arena, path.len + 1);
    size_t len = 0;
    if (to == NULL)
        return false;
    for (size_t i = 0; i < path.len; i++) {
        int high = path.len - i > 2 ? digit_of(path.at[i + 1]) : -1;
        int low = high >= 0 ? digit_of(path.at[i + 2]) : -1;
        bool escaped = path.at[i] == '%' && low >= 0;
        char c = path.at[i];
        if (escaped) {
            c = (char)(high << 4 | low);
            i += 2;
        }
        to[len++] = c;
    }
    to[len] = '\0';
    *name = to;
    return strlen(to) == len && utf8_valid(span_make(to, len));
}

static void put_model(struct buf *out, const Weir__V1__ChatModel *model)
{
    buf_put_text(out, "{\"id\":");
    buf_put_json_string(out, span_of(model->id));
    buf_put_text(out, ",\"object\":\"model\",\"created\":");
    buf_put_i64(out, model->created);
    buf_put_text(out, ",\"owned_by\":");
    buf_put_json_string(out, span_of(model->owned_by));
    buf_put_char(out, '}');
}

void rest_chat_write_models(struct buf *out, const ProtobufCMessage *answer)
{
    if (answer->descriptor == &weir__v1__get_model_response__descriptor) {
        put_model(out, ((const Weir__V1__GetModelResponse *)answer)->model);
        return;
    }
    const Weir__V1__ListModelsResponse *list = (const Weir__V1__ListModelsResponse *)answer;
    must(answer->descriptor == &weir__v1__list_models_response__descriptor);
    buf_put_text(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < list->n_models; i++) {
        if (i > 0)
            buf_put_char(out, ',');
        put_model(out, list->models[i]);
    }
    buf_put_text(out, "]}");
}
