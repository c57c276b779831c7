/* What a token that is signed well may claim: times, issuer and audience, names, scopes. */
#include "tests/unit/policy/token_kit.h"

#include <stdio.h>

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *times;
        enum token_end end;
    } cases[] = {
        {"\"exp\":1800000001", TOKEN_FINE},
        {"\"exp\":1799999941", TOKEN_FINE},
        {"\"exp\":1799999940", TOKEN_EXPIRED},
        {"\"exp\":1", TOKEN_EXPIRED},
        {"\"exp\":0", TOKEN_EXPIRED},
        {"\"exp\":9223372036854775807", TOKEN_FINE},
        {"\"exp\":9223372036854775808", TOKEN_CLAIMS},
        {"\"exp\":-1", TOKEN_CLAIMS},
        {"\"exp\":\"1800000100\"", TOKEN_CLAIMS},
        {"\"exp\":1800000100.5", TOKEN_CLAIMS},
        {"\"exp\":1e99", TOKEN_CLAIMS},
        {"\"exp\":true", TOKEN_CLAIMS},
        {"\"exp\":null", TOKEN_CLAIMS},
        {"\"iss\":\"x\"", TOKEN_CLAIMS}, /* no exp */
        {"\"exp\":1800000100,\"nbf\":1800000060", TOKEN_FINE},
        {"\"exp\":1800000100,\"nbf\":1800000061", TOKEN_NOT_YET},
        {"\"exp\":1800000100,\"nbf\":9223372036854775807", TOKEN_NOT_YET},
        {"\"exp\":1800000100,\"nbf\":\"1\"", TOKEN_CLAIMS},
        {"\"exp\":1800000100,\"iat\":1800000060", TOKEN_FINE},
        {"\"exp\":1800000100,\"iat\":1800000061", TOKEN_NOT_YET},
        {"\"exp\":1800000100,\"iat\":1.5", TOKEN_CLAIMS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char payload[256];
        (void)snprintf(payload, sizeof payload, "{\"sub\":\"Ada\",%s}", cases[i].times);
        assert_rsa(RS256, payload, cases[i].end);
    }
}

static void test_issuer_and_audience(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        enum token_end end;
    } cases[] = {
        {"\"iss\":\"me\",\"aud\":\"weir\"", TOKEN_FINE},
        {"\"iss\":\"me\",\"aud\":[\"x\",\"weir\"]", TOKEN_FINE},
        {"\"iss\":\"ME\",\"aud\":\"weir\"", TOKEN_ISSUER},
        {"\"iss\":\"me/\",\"aud\":\"weir\"", TOKEN_ISSUER},
        {"\"aud\":\"weir\"", TOKEN_ISSUER},
        {"\"iss\":[\"me\"],\"aud\":\"weir\"", TOKEN_CLAIMS},
        {"\"iss\":null,\"aud\":\"weir\"", TOKEN_CLAIMS},
        {"\"iss\":\"me\"", TOKEN_AUDIENCE},
        {"\"iss\":\"me\",\"aud\":[]", TOKEN_AUDIENCE},
        {"\"iss\":\"me\",\"aud\":\"weir2\"", TOKEN_AUDIENCE},
        {"\"iss\":\"me\",\"aud\":\"\"", TOKEN_AUDIENCE},
        {"\"iss\":\"me\",\"aud\":[\"x\",\"y\"]", TOKEN_AUDIENCE},
        {"\"iss\":\"me\",\"aud\":[\"weir\",7]", TOKEN_CLAIMS},
        {"\"iss\":\"me\",\"aud\":{\"weir\":1}", TOKEN_CLAIMS},
        {"\"iss\":\"me\",\"aud\":null", TOKEN_CLAIMS},
    };
    rules.issuer = span_of("me");
    rules.audience = span_of("weir");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char payload[256];
        (void)snprintf(payload, sizeof payload, "{\"sub\":\"Ada\",\"exp\":1800000100,%s}",
                       cases[i].claims);
        assert_rsa(RS256, payload, cases[i].end);
    }
    rules.issuer = rules.audience = SPAN_EMPTY;
    assert_rsa(RS256, "{\"sub\":\"Ada\",\"exp\":1800000100,\"iss\":\"x\",\"aud\":\"y\"}",
               TOKEN_FINE);
    assert_rsa(RS256, "{\"sub\":\"Ada\",\"exp\":1800000100,\"aud\":7}", TOKEN_CLAIMS);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "{\"exp\":1800000100}",
        "{\"exp\":1800000100,\"tenant\":\"acme\"}",
        "{\"exp\":1800000100,\"sub\":\"\"}",
        "{\"exp\":1800000100,\"sub\":7}",
        "{\"exp\":1800000100,\"sub\":null}",
        "{\"exp\":1800000100,\"sub\":[\"Ada\"]}",
        "{\"exp\":1800000100,\"sub\":\"a\\nb\"}",
        "{\"exp\":1800000100,\"sub\":\"a\\u007f\"}",
        "{\"exp\":1800000100,\"sub\":\"Ada\",\"tenant\":\"\"}",
        "{\"exp\":1800000100,\"sub\":\"Ada\",\"tenant\":null}",
        "{\"exp\":1800000100,\"sub\":\"Ada\",\"tenant\":7}",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_rsa(RS256, refused[i], TOKEN_CLAIMS);
    assert_rsa(RS256, "{\"exp\":1800000100,\"sub\":\"Ada\",\"tenant\":\"acme\"}", TOKEN_FINE);
    assert_true(span_is(claims.subject, "Ada"));
    assert_true(span_is(claims.tenant, "acme"));
    char payload[600];
    for (int len = TOKEN_NAME_BYTES; len <= TOKEN_NAME_BYTES + 1; len++) {
        (void)snprintf(payload, sizeof payload, "{\"exp\":1800000100,\"sub\":\"%0*d\"}", len, 0);
        assert_rsa(RS256, payload, len == TOKEN_NAME_BYTES ? TOKEN_FINE : TOKEN_CLAIMS);
    }
}

static void test_scopes(void **state)
{
    (void)state;
    static const struct {
        const char *claim, *scopes; /* NULL: refused */
    } cases[] = {
        {"\"scope\":\"flow:* profile\"", "flow:* profile"},
        {"\"scope\":\"  a   b \"", "a b"},
        {"\"scope\":\"\"", ""},
        {"\"scp\":[\"a\",\"b\"]", "a b"},
        {"\"scp\":[\"a b\",\"c\"]", "a b c"},
        {"\"scp\":\"a b\"", "a b"},
        {"\"scope\":[\"a\"]", "a"},
        {"\"scope\":\"a\",\"scp\":[\"b\"]", "a"},
        {"\"scope\":\"\",\"scp\":[\"b\"]", ""},
        {"\"scope\":7", NULL},
        {"\"scope\":null", NULL},
        {"\"scp\":[\"a\",7]", NULL},
        {"\"scp\":{\"a\":1}", NULL},
        {"\"scope\":\"a\\tb\"", NULL},
        {"\"scope\":\"a\\\"b\"", NULL},
        {"\"scope\":\"\\u00e9\"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char payload[256];
        (void)snprintf(payload, sizeof payload, "{\"sub\":\"Ada\",\"exp\":1800000100,%s}",
                       cases[i].claim);
        assert_rsa(RS256, payload, cases[i].scopes != NULL ? TOKEN_FINE : TOKEN_CLAIMS);
        if (cases[i].scopes != NULL)
            assert_int_equal(claims.scopes.at[claims.scopes.len], '\0');
        if (cases[i].scopes != NULL)
            assert_true(span_is(claims.scopes, cases[i].scopes));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_issuer_and_audience),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_scopes),
    };
    return cmocka_run_group_tests(tests, token_set_up, token_tear_down);
}
