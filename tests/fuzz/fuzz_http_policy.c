/* Hosts and origins: the first line is the list, the rest what a request says. */
#include "shared/policy/hosts.h"
#include "shared/policy/origins.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_host(struct span list, struct span said)
{
    struct span host = hosts_of_authority(said);
    must(host.len == 0 || (host.at == said.at && host.len <= said.len));
    for (size_t i = 0; i < host.len; i++)
        must((unsigned char)host.at[i] > ' ' && (unsigned char)host.at[i] < 0x7f &&
             host.at[i] != '/' && host.at[i] != '@');
    bool allowed = hosts_allow(list, said);
    must(!allowed || host.len > 0);
    must(list.len > 0 || allowed == (host.len > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* so that reading past the end is seen */
    must(text != NULL);
    memcpy(text, data, size);
    struct span all = span_make(text, size), bad = SPAN_EMPTY;
    const char *end = size > 0 ? memchr(text, '\n', size) : NULL;
    struct span list = span_make(text, end != NULL ? (size_t)(end - text) : size);
    struct span said = end != NULL ? span_from(all, list.len + 1) : SPAN_EMPTY;
    bool hosts_fine = hosts_check(list, &bad);
    check_host(list, said);
    must(!hosts_fine || list.len > 0);
    bool origins_fine = origins_check(list, &bad);
    /* What is on a well-formed list is well formed itself. */
    if (origins_fine && !origins_any(list) && origins_allow(list, said))
        must(origins_check(said, &bad));
    free(text);
    return 0;
}
