/* The envelope of a token: its three parts, its header, its signature. */
#include "shared/policy/token.h"

#include "shared/policy/base64url.h"

#include <jansson.h>

struct parts {
    struct span header, payload, signature;
    struct span signed_text; /* header "." payload */
};

/* What is taken from a header. */
struct header {
    enum algorithm algorithm;
    struct span key_id; /* in the arena; empty: it names none */
};

const char *token_end_name(enum token_end end)
{
    static const char *const names[TOKEN_END_COUNT] = {
        [TOKEN_FINE] = "fine",
        [TOKEN_TOO_LONG] = "too_long",
        [TOKEN_MALFORMED] = "malformed",
        [TOKEN_HEADER] = "header",
        [TOKEN_ALGORITHM] = "algorithm",
        [TOKEN_KEY_TYPE] = "key_type",
        [TOKEN_UNKNOWN_KEY] = "unknown_key",
        [TOKEN_SIGNATURE] = "signature",
        [TOKEN_CLAIMS] = "claims",
        [TOKEN_EXPIRED] = "expired",
        [TOKEN_NOT_YET] = "not_yet_valid",
        [TOKEN_ISSUER] = "issuer",
        [TOKEN_AUDIENCE] = "audience",
    };
    return names[end];
}

static bool split(struct span token, struct parts *parts)
{
    const char *first = token.len > 0 ? memchr(token.at, '.', token.len) : NULL;
    if (first == NULL)
        return false;
    parts->header = span_make(token.at, (size_t)(first - token.at));
    struct span rest = span_from(token, parts->header.len + 1);
    const char *second = rest.len > 0 ? memchr(rest.at, '.', rest.len) : NULL;
    if (second == NULL)
        return false;
    parts->payload = span_make(rest.at, (size_t)(second - rest.at));
    parts->signature = span_from(rest, parts->payload.len + 1);
    parts->signed_text = span_make(token.at, token.len - parts->signature.len - 1);
    /* A third dot is no base64url and is refused there. */
    return parts->header.len > 0 && parts->payload.len > 0 && parts->signature.len > 0;
}

static bool decode(struct span part, struct arena *arena, struct span *bytes)
{
    uint8_t *to = arena_alloc(arena, base64url_bytes(part.len));
    size_t len = 0;
    if (!base64url_decode(part, to, &len))
        return false;
    *bytes = span_make((const char *)to, len);
    return true;
}

/* Media types are compared without case, and "application/" may be left out (RFC 7515 section
 * 4.1.9). */
static bool is_token_type(const json_t *type)
{
    static const char prefix[] = "application/";
    if (!json_is_string(type))
        return false;
    struct span text = span_make(json_string_value(type), json_string_length(type));
    if (text.len > sizeof prefix && strncasecmp(text.at, prefix, sizeof prefix - 1) == 0)
        text = span_from(text, sizeof prefix - 1);
    return span_is_nocase(text, "JWT") || span_is_nocase(text, "at+jwt");
}

static enum token_end take_header(const json_t *root, struct arena *arena, struct header *header)
{
    const json_t *algorithm = json_object_get(root, "alg");
    const json_t *type = json_object_get(root, "typ");
    const json_t *id = json_object_get(root, "kid");
    if (!json_is_object(root) || !json_is_string(algorithm) ||
        (id != NULL && (!json_is_string(id) || json_string_length(id) == 0 ||
                        json_string_length(id) > KEY_ID_BYTES)))
        return TOKEN_MALFORMED;
    /* No extension is understood here, so none may be critical (RFC 7515 section 4.1.11); "b64"
     * would change what is signed (RFC 7797). */
    if (json_object_get(root, "crit") != NULL || json_object_get(root, "b64") != NULL ||
        (type != NULL && !is_token_type(type)))
        return TOKEN_HEADER;
    header->algorithm =
        algorithm_find(span_make(json_string_value(algorithm), json_string_length(algorithm)));
    if (id != NULL) {
        struct span text = span_make(json_string_value(id), json_string_length(id));
        header->key_id = span_make(arena_copy(arena, text), text.len);
    }
    return TOKEN_FINE;
}

static enum token_end read_header(struct span part, struct arena *arena, struct header *header)
{
    struct span json;
    *header = (struct header){.algorithm = ALGORITHM_COUNT};
    if (!decode(part, arena, &json))
        return TOKEN_MALFORMED;
    json_t *root = json_loadb(json.at, json.len, JSON_REJECT_DUPLICATES, NULL);
    enum token_end end = take_header(root, arena, header);
    json_decref(root);
    return end;
}

static enum token_end check_signature(const struct token_rules *rules, const struct keyset *keys,
                                      const struct parts *parts, const struct header *header,
                                      struct arena *arena)
{
    const struct key *tries[KEYSET_TRIES];
    struct span signature;
    bool known = false;
    if (header->algorithm == ALGORITHM_COUNT ||
        (rules->algorithms & algorithm_bit(header->algorithm)) == 0)
        return TOKEN_ALGORITHM;
    if (!decode(parts->signature, arena, &signature))
        return TOKEN_MALFORMED;
    size_t n = keyset_find(keys, header->key_id, header->algorithm, tries, &known);
    if (n == 0)
        return known ? TOKEN_KEY_TYPE : TOKEN_UNKNOWN_KEY;
    for (size_t i = 0; i < n; i++)
        if (key_verify(tries[i], header->algorithm, parts->signed_text,
                       (const unsigned char *)signature.at, signature.len))
            return TOKEN_FINE;
    return TOKEN_SIGNATURE;
}

enum token_end token_verify(const struct token_rules *rules, const struct keyset *keys,
                            struct span token, int64_t now_s, struct arena *arena,
                            struct token_claims *claims)
{
    struct parts parts;
    struct header header;
    struct span json;
    if (token.len > TOKEN_BYTES)
        return TOKEN_TOO_LONG;
    if (!split(token, &parts))
        return TOKEN_MALFORMED;
    enum token_end end = read_header(parts.header, arena, &header);
    if (end == TOKEN_FINE)
        end = check_signature(rules, keys, &parts, &header, arena);
    if (end != TOKEN_FINE)
        return end;
    if (!decode(parts.payload, arena, &json))
        return TOKEN_MALFORMED;
    return token_read_claims(rules, json, now_s, arena, claims);
}
