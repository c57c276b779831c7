/* The claims of a token whose signature is good. */
#include "shared/base/buf.h"
#include "shared/policy/token.h"

#include <jansson.h>

static struct span text_of(const json_t *value)
{
    return span_make(json_string_value(value), json_string_length(value));
}

/* A name that goes into logs, keys of maps and prompts: no control characters, and not endless. */
static bool is_name(const json_t *value)
{
    if (!json_is_string(value) || json_string_length(value) == 0 ||
        json_string_length(value) > TOKEN_NAME_BYTES)
        return false;
    for (const char *at = json_string_value(value); *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    return true;
}

/* An absent time is fine and leaves *at as it is. */
static bool take_time(const json_t *root, const char *name, int64_t *at)
{
    const json_t *value = json_object_get(root, name);
    if (value == NULL)
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *at = json_integer_value(value);
    return true;
}

static enum token_end check_times(const struct token_rules *rules, const json_t *root,
                                  int64_t now_s, int64_t *expires_s)
{
    int64_t expires = -1, not_before = 0, issued = 0;
    if (!take_time(root, "exp", &expires) || !take_time(root, "nbf", &not_before) ||
        !take_time(root, "iat", &issued) || expires < 0)
        return TOKEN_CLAIMS;
    /* The leeway is on the side that cannot overflow. */
    if (expires <= now_s - rules->leeway_s)
        return TOKEN_EXPIRED;
    if (not_before > now_s + rules->leeway_s || issued > now_s + rules->leeway_s)
        return TOKEN_NOT_YET;
    *expires_s = expires > INT64_MAX - rules->leeway_s ? INT64_MAX : expires + rules->leeway_s;
    return TOKEN_FINE;
}

static enum token_end check_issuer(const struct token_rules *rules, const json_t *root)
{
    const json_t *issuer = json_object_get(root, "iss");
    if (issuer != NULL && !json_is_string(issuer))
        return TOKEN_CLAIMS;
    if (rules->issuer.len == 0)
        return TOKEN_FINE;
    return issuer != NULL && span_equal(text_of(issuer), rules->issuer) ? TOKEN_FINE : TOKEN_ISSUER;
}

/* One text or an array of them (RFC 7519 section 4.1.3). */
static enum token_end check_audience(const struct token_rules *rules, const json_t *root)
{
    const json_t *audience = json_object_get(root, "aud");
    bool meant = rules->audience.len == 0;
    if (json_is_string(audience)) {
        meant |= span_equal(text_of(audience), rules->audience);
    } else if (audience != NULL && !json_is_array(audience)) {
        return TOKEN_CLAIMS;
    }
    for (size_t i = 0; i < json_array_size(audience); i++) {
        const json_t *item = json_array_get(audience, i);
        if (!json_is_string(item))
            return TOKEN_CLAIMS;
        meant |= span_equal(text_of(item), rules->audience);
    }
    return meant ? TOKEN_FINE : TOKEN_AUDIENCE;
}

/* Appends the scopes of a text, separated by single spaces; false: a character that no scope has
 * (RFC 6749 section 3.3). */
static bool put_scopes(struct buf *out, const json_t *value)
{
    struct span text = text_of(value);
    if (!json_is_string(value))
        return false;
    bool apart = true;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == ' ') {
            apart = true;
            continue;
        }
        if (c < 0x21 || c > 0x7e || c == '"' || c == '\\')
            return false;
        if (apart && out->len > 0)
            buf_put_char(out, ' ');
        apart = false;
        buf_put_char(out, c);
    }
    return true;
}

static bool take_scopes(const json_t *root, struct arena *arena, struct span *scopes)
{
    struct buf out;
    const json_t *value = json_object_get(root, "scope");
    bool fine = true;
    if (value == NULL)
        value = json_object_get(root, "scp");
    buf_init(&out, arena, TOKEN_BYTES);
    if (json_is_array(value))
        for (size_t i = 0; fine && i < json_array_size(value); i++)
            fine = put_scopes(&out, json_array_get(value, i));
    else if (value != NULL)
        fine = put_scopes(&out, value);
    buf_put_char(&out, '\0');
    *scopes = span_make(out.at, out.len > 0 ? out.len - 1 : 0);
    return fine && !out.overflow;
}

static enum token_end check_claims(const struct token_rules *rules, const json_t *root,
                                   int64_t now_s, struct arena *arena, struct token_claims *claims)
{
    const json_t *subject = json_object_get(root, "sub");
    const json_t *tenant = json_object_get(root, "tenant");
    if (!json_is_object(root) || !is_name(subject) || (tenant != NULL && !is_name(tenant)) ||
        !take_scopes(root, arena, &claims->scopes))
        return TOKEN_CLAIMS;
    enum token_end end = check_times(rules, root, now_s, &claims->expires_s);
    if (end == TOKEN_FINE)
        end = check_issuer(rules, root);
    if (end == TOKEN_FINE)
        end = check_audience(rules, root);
    if (end != TOKEN_FINE)
        return end;
    struct span name = text_of(subject);
    claims->subject = span_make(arena_copy(arena, name), name.len);
    claims->tenant = claims->subject;
    if (tenant != NULL) {
        name = text_of(tenant);
        claims->tenant = span_make(arena_copy(arena, name), name.len);
    }
    return TOKEN_FINE;
}

enum token_end token_read_claims(const struct token_rules *rules, struct span json, int64_t now_s,
                                 struct arena *arena, struct token_claims *claims)
{
    json_t *root = json_loadb(json.at, json.len, JSON_REJECT_DUPLICATES, NULL);
    enum token_end end = check_claims(rules, root, now_s, arena, claims);
    json_decref(root);
    return end;
}
