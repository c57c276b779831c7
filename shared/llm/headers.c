#include "shared/llm/headers.h"

#include "shared/base/version.h"

#include <stdio.h>
#include <stdlib.h>

struct headers {
    struct curl_slist *list;
    unsigned users;
};

static void add(struct headers *headers, const char *line)
{
    struct curl_slist *longer = curl_slist_append(headers->list, line);
    must(longer != NULL);
    headers->list = longer;
}

static void add_key(struct headers *headers, const char *key_header, struct span key)
{
    size_t size = strlen(key_header) + key.len + 1;
    char *line = malloc(size);
    must(line != NULL);
    (void)snprintf(line, size, "%s%.*s", key_header, (int)key.len, key.at);
    add(headers, line);
    explicit_bzero(line, size);
    free(line);
}

struct headers *headers_new(const char *fixed, const char *key_header, struct span key)
{
    struct headers *headers = calloc(1, sizeof *headers);
    char agent[64];
    must(headers != NULL);
    headers->users = 1;
    (void)snprintf(agent, sizeof agent, "User-Agent: weir/%.40s", weir_version);
    add(headers, agent);
    add(headers, "Content-Type: application/json");
    /* libcurl would ask before it sends a large body, and wait for an answer that few give. */
    add(headers, "Expect:");
    if (fixed != NULL)
        add(headers, fixed);
    if (key.len > 0)
        add_key(headers, key_header, key);
    return headers;
}

struct headers *headers_ref(struct headers *headers)
{
    headers->users++;
    return headers;
}

struct headers *headers_unref(struct headers *headers)
{
    if (headers == NULL || --headers->users > 0)
        return NULL;
    for (struct curl_slist *one = headers->list; one != NULL; one = one->next)
        explicit_bzero(one->data, strlen(one->data));
    curl_slist_free_all(headers->list);
    free(headers);
    return NULL;
}

struct curl_slist *headers_list(const struct headers *headers)
{
    return headers->list;
}
