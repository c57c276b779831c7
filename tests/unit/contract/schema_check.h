/* Holds an answer schema against the contract's tables, and a contract's tables against
 * protobuf-c's descriptors. The two are written by different parts of the compiler.
 *
 * For tests: what does not agree fails the running cmocka test. */
#ifndef WEIR_TESTS_UNIT_CONTRACT_SCHEMA_CHECK_H
#define WEIR_TESTS_UNIT_CONTRACT_SCHEMA_CHECK_H

#include "shared/flow/contract.h"
#include "tests/support/method_named.h"

#include <jansson.h>

/* Every method's index, routes and messages make sense; schemas are there exactly for structured
 * responses, and agree with the tables. Returns the number of structured methods. */
size_t contract_check(const struct contract *contract);

/* The message's field of this proto name; fails the test when there is none. */
const struct contract_field *field_named(const struct contract_message *type, const char *name);
/* The method's answer schema, parsed; the caller frees it with json_decref. */
json_t *schema_of(const char *rpc);
/* Fails the test unless `got` is the JSON `want`. */
void assert_json(const json_t *got, const char *want);

#endif
