/* Methods of the contract a test is linked with. Inside a running cmocka test. */
#ifndef WEIR_TESTS_SUPPORT_METHOD_NAMED_H
#define WEIR_TESTS_SUPPORT_METHOD_NAMED_H

#include "shared/flow/contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The method of this rpc name; fails the test when there is none. */
static inline const struct contract_method *method_named(const char *rpc)
{
    for (size_t i = 0; i < weir_contract.n_methods; i++)
        if (strcmp(weir_contract.methods[i].rpc_name, rpc) == 0)
            return &weir_contract.methods[i];
    fail_msg("there is no rpc %s", rpc);
    abort();
}

#endif
