/* A verifier with one key of each kind, at a time that stands still. */
#ifndef WEIR_TESTS_UNIT_POLICY_TOKEN_KIT_H
#define WEIR_TESTS_UNIT_POLICY_TOKEN_KIT_H

#include "shared/policy/token.h"
#include "tests/unit/policy/mint.h"

enum { NOW_S = 1800000000, LEEWAY_S = 60 };

#define RS256          "{\"alg\":\"RS256\",\"typ\":\"JWT\"}"
#define CLAIMS         "{\"sub\":\"Ada\",\"exp\":1800000100}"
#define SECRET         "0123456789abcdef0123456789abcdef"
#define ALL_ALGORITHMS ((1U << ALGORITHM_COUNT) - 1)

extern EVP_PKEY *rsa, *other_rsa, *ec, *ed;
extern char *rsa_pem;
extern struct keyset *keys; /* all but other_rsa, without ids, and the secret */
extern struct arena arena;
extern struct token_claims claims; /* of the last token */
extern struct token_rules rules;   /* all algorithms; whoever changes them puts them back */

/* Of a group of tests. */
int token_set_up(void **state);
int token_tear_down(void **state);

void add_pem(struct keyset *set, EVP_PKEY *key);
/* An exact copy on the heap, so that a sanitizer sees a read past its end. */
enum token_end verify_at(struct span token, int64_t now_s);
enum token_end verify(const char *token);
#define assert_end(token, expected)                                                                \
    assert_string_equal(token_end_name(verify(token)), token_end_name(expected))
/* Signs with the RSA key and verifies. */
enum token_end try_rsa(const char *header, const char *payload);
#define assert_rsa(header, payload, expected)                                                      \
    assert_string_equal(token_end_name(try_rsa(header, payload)), token_end_name(expected))

#endif
