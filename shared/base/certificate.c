#include "shared/base/certificate.h"

#include <stdatomic.h>
#include <stdlib.h>

struct certificate {
    atomic_uint refs;
    bool is_spiffe;
    size_t len;
    char name[];
};

struct certificate *certificate_new(struct span name, bool is_spiffe)
{
    struct certificate *certificate = malloc(sizeof *certificate + name.len);
    must(certificate != NULL);
    atomic_init(&certificate->refs, 1);
    certificate->is_spiffe = is_spiffe;
    certificate->len = name.len;
    if (name.len > 0)
        memcpy(certificate->name, name.at, name.len);
    return certificate;
}

struct certificate *certificate_ref(struct certificate *certificate)
{
    if (certificate != NULL)
        (void)atomic_fetch_add(&certificate->refs, 1);
    return certificate;
}

struct certificate *certificate_unref(struct certificate *certificate)
{
    if (certificate != NULL && atomic_fetch_sub(&certificate->refs, 1) == 1)
        free(certificate);
    return NULL;
}

struct span certificate_name(const struct certificate *certificate)
{
    return certificate != NULL ? span_make(certificate->name, certificate->len) : SPAN_EMPTY;
}

bool certificate_is_spiffe(const struct certificate *certificate)
{
    return certificate != NULL && certificate->is_spiffe;
}
