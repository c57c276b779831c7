#include "shared/pipeline/images.h"

#include "shared/base/buf.h"
#include "shared/base/log.h"
#include "shared/flow/base64.h"

static struct verdict refusal(struct images *images, enum verdict_code code, const char *rule,
                              const char *message)
{
    struct violation *violation = arena_alloc(images->arena, sizeof *violation);
    *violation = (struct violation){
        .path = images->part->name, .rule = span_of(rule), .message = span_of(message)};
    return (struct verdict){.code = code, .violations = violation, .n_violations = 1};
}

/* The next image behind `part`, NULL for the first of all; NULL: there are no more. */
static struct chat_part *next_image(const struct conversation *what, const struct chat_part *part)
{
    bool reached = part == NULL;
    for (size_t i = 0; i < what->n_messages; i++) {
        for (size_t j = 0; j < what->messages[i].n_parts; j++) {
            struct chat_part *here = &what->messages[i].parts[j];
            if (reached && here->kind == CHAT_IMAGE && !span_starts_with(here->text, "data:"))
                return here;
            reached = reached || here == part;
        }
    }
    return NULL;
}

/* Also of those that somebody else will fetch: nobody is to be sent to a private address. */
static bool check_all(struct images *images, struct verdict *verdict)
{
    size_t n = 0;
    for (images->part = next_image(images->what, NULL); images->part != NULL;
         images->part = next_image(images->what, images->part)) {
        enum fetch_refusal wrong = fetch_guard_url(&images->policy->guard, images->part->text);
        if (wrong != FETCH_FINE) {
            *verdict = refusal(images, VERDICT_INVALID, "image.url", fetch_refusal_text(wrong));
            return false;
        }
        if (++n > IMAGES_MOST) {
            *verdict = refusal(images, VERDICT_INVALID, "image.count", "is one image too many");
            return false;
        }
    }
    return true;
}

/* --- fetching --- */

static void log_failure(const struct images *images, const struct fetch_result *result)
{
    struct log_line line;
    log_begin(&line, LOG_INFO, "flow", "image_failed");
    log_text(&line, "request_id", images->request_id);
    log_text(&line, "end", fetch_end_name(result->end));
    log_text(&line, "reason", result->reason);
    log_end(&line);
}

/* Which of its names and hosts exist inside is nothing to tell a caller: what the guard refused on
 * the way looks like what is not there. */
static struct verdict verdict_of_end(struct images *images, enum fetch_end end)
{
    if (end == FETCH_TOO_LARGE)
        return refusal(images, VERDICT_INVALID, "image.max_bytes",
                       "must be an image of at most 5 MB");
    if (end == FETCH_NO_IMAGE)
        return refusal(images, VERDICT_INVALID, "image.type",
                       "must be a PNG, JPEG, GIF or WebP image, and be served as one");
    return refusal(images, VERDICT_IMAGE_UNAVAILABLE, "image.fetch",
                   "could not be fetched from a public address");
}

/* False: it would be too much. */
static bool put_in(struct images *images, const struct fetch_result *result)
{
    struct buf url;
    size_t need = 32 + (result->bytes.len + 2) / 3 * 4;
    if (images->bytes + need > IMAGES_BYTES)
        return false;
    images->bytes += need;
    buf_init(&url, images->arena, need);
    if (buf_reserve(&url, need) == NULL) /* once, for the arena keeps what is outgrown */
        return false;
    buf_put_text(&url, "data:");
    buf_put_text(&url, result->type);
    buf_put_text(&url, ";base64,");
    base64_encode(&url, (const uint8_t *)result->bytes.at, result->bytes.len);
    must(!url.overflow);
    images->part->text = buf_span(&url);
    return true;
}

static void on_done(void *context, const struct fetch_result *result);

static enum images_state fetch_next(struct images *images, struct verdict *verdict)
{
    images->part = next_image(images->what, images->part);
    if (images->part == NULL)
        return IMAGES_READY;
    if (images->fetcher != NULL)
        images->job = fetch_start(images->fetcher, images->part->text, on_done, images);
    if (images->job != NULL)
        return IMAGES_FETCHING;
    *verdict = verdict_of(VERDICT_OVERLOADED);
    return IMAGES_REFUSED;
}

static void on_done(void *context, const struct fetch_result *result)
{
    struct images *images = context;
    struct verdict verdict;
    images->job = NULL;
    if (result->end != FETCH_DONE) {
        log_failure(images, result);
        verdict = verdict_of_end(images, result->end);
        images->done(images, &verdict);
        return;
    }
    if (!put_in(images, result)) {
        verdict = refusal(images, VERDICT_INVALID, "image.max_bytes",
                          "is too large together with the other images");
        images->done(images, &verdict);
        return;
    }
    images->fetched++;
    switch (fetch_next(images, &verdict)) {
    case IMAGES_READY:
        images->done(images, NULL);
        return;
    case IMAGES_FETCHING:
        return;
    case IMAGES_REFUSED:
        images->done(images, &verdict);
        return;
    }
}

enum images_state images_start(struct images *images, struct verdict *verdict)
{
    if (!check_all(images, verdict))
        return IMAGES_REFUSED;
    images->part = NULL;
    return images->policy->fetches ? fetch_next(images, verdict) : IMAGES_READY;
}

void images_stop(struct images *images)
{
    if (images->job != NULL)
        fetch_cancel(images->job);
    images->job = NULL;
}
