/* Documents with keys. The first byte chooses: PEM, a JWK Set, a registry's answer. Whatever key is
 * taken can be used and has a bounded id; whatever is refused says why in one plain line. */
#include "shared/policy/keyset.h"

#include <ctype.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char problem[KEYSET_PROBLEM_BYTES] = "";
    if (size == 0)
        return 0;
    struct span text = span_make((const char *)data + 1, size - 1);
    struct keyset *set = keyset_new();
    bool fine = data[0] == 'p'   ? keyset_add_pem(set, text, problem)
                : data[0] == 'j' ? keyset_add_jwks(set, text, problem)
                                 : keyset_add_registry(set, text, problem);
    must(fine == (problem[0] == '\0') && (!fine || keyset_count(set) > 0));
    for (const char *at = problem; *at != '\0'; at++)
        must(isprint((unsigned char)*at));
    for (unsigned i = 0; fine && i < ALGORITHM_COUNT; i++) {
        static const unsigned char signature[1024];
        const struct key *found[KEYSET_TRIES];
        bool known = false;
        size_t n = keyset_find(set, SPAN_EMPTY, (enum algorithm)i, found, &known);
        must(n <= KEYSET_TRIES);
        for (size_t j = 0; j < n; j++) {
            must(key_id(found[j]).len <= KEY_ID_BYTES);
            must(!key_verify(found[j], (enum algorithm)i, text, signature, 256));
            must(!key_verify(found[j], (enum algorithm)i, text, signature, 64));
        }
    }
    (void)keyset_unref(set);
    return 0;
}
