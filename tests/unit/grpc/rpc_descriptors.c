/* Looking through the descriptors of the test contract, as reflection does. */
#include "grpc/rpc_descriptors.h"

#include "shared/flow/contract.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int set_up(void **state)
{
    *state = rpc_descriptors_new(*weir_contract.surface->descriptors);
    return 0;
}

static int tear_down(void **state)
{
    *state = rpc_descriptors_free(*state);
    return 0;
}

static void symbols_have_a_file(void **state)
{
    static const struct {
        const char *symbol;
        const char *file;
    } cases[] = {
        {"weir_test.v1.EverythingService", "weir_test/v1/everything.proto"},
        {"weir_test.v1.EverythingService.TakeStock", "weir_test/v1/everything.proto"},
        {"weir_test.v1.Quality", "weir_test/v1/everything.proto"},
        {"weir_test.v1.QUALITY_FINE", "weir_test/v1/everything.proto"},
        {"weir_test.v1.TakeStockRequest.contact", "weir_test/v1/everything.proto"},
        {"weir_test.v1.TakeStockRequest.mail", "weir_test/v1/everything.proto"},
        {"weir_test.v1.TakeStockRequest.CountsEntry", "weir_test/v1/everything.proto"},
        {"weir_test.v1.TakeStockRequest.CountsEntry.key", "weir_test/v1/everything.proto"},
        {"weir.v1.field", "weir/v1/options.proto"},
        {"google.rpc.BadRequest.FieldViolation.field", "google/rpc/error_details.proto"},
        {"google.protobuf.FieldDescriptorProto.TYPE_INT64", "google/protobuf/descriptor.proto"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t file = rpc_descriptors_by_symbol(*state, cases[i].symbol);
        assert_int_not_equal(file, SIZE_MAX);
        assert_int_equal(file, rpc_descriptors_by_name(*state, cases[i].file));
    }
}

static void other_names_have_none(void **state)
{
    static const char *const names[] = {"",
                                        ".",
                                        "weir_test",
                                        "weir_test.v1",
                                        "weir_test.v1.",
                                        "weir_test.v1.Item.",
                                        "Item",
                                        "weir_test.v1.Ite",
                                        "weir_test.v1.Items",
                                        "weir_test.v1.Item.name.x",
                                        ".weir_test.v1.Item",
                                        "weir_test.v1.Quality.QUALITY_FINE",
                                        "weir_test.v1.EverythingService.Take",
                                        "weir_test.v1.EverythingService.TakeStock.x"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(rpc_descriptors_by_symbol(*state, names[i]), SIZE_MAX);
    assert_int_equal(rpc_descriptors_by_name(*state, ""), SIZE_MAX);
    assert_int_equal(rpc_descriptors_by_name(*state, "everything.proto"), SIZE_MAX);
}

static void a_closure_is_complete_and_has_each_file_once(void **state)
{
    size_t files[64];
    assert_in_range(rpc_descriptors_count(*state), 5, 64);
    size_t first = rpc_descriptors_by_name(*state, "weir_test/v1/everything.proto");
    size_t n = rpc_descriptors_closure(*state, first, files);
    static const char *const wanted[] = {"weir/v1/options.proto", "google/api/annotations.proto",
                                         "google/api/http.proto",
                                         "google/protobuf/descriptor.proto"};
    assert_int_equal(files[0], first);
    assert_int_equal(n, 5);
    for (size_t i = 0; i < 4; i++) {
        size_t file = rpc_descriptors_by_name(*state, wanted[i]), seen = 0;
        for (size_t j = 0; j < n; j++)
            seen += files[j] == file;
        assert_int_equal(seen, 1);
    }
    assert_true(rpc_descriptors_file(*state, first).len > 100);
}

static void extensions_are_found_by_number(void **state)
{
    int32_t numbers[4] = {0};
    const char *message = "google.protobuf.FieldOptions";
    assert_int_equal(rpc_descriptors_extensions(*state, message, NULL, 0), 1);
    assert_int_equal(rpc_descriptors_extensions(*state, message, numbers, 4), 1);
    assert_int_equal(numbers[0], 50101);
    assert_int_equal(rpc_descriptors_by_extension(*state, message, 50101),
                     rpc_descriptors_by_name(*state, "weir/v1/options.proto"));
    assert_int_equal(rpc_descriptors_by_extension(*state, message, 50102), SIZE_MAX);
    assert_int_equal(rpc_descriptors_by_extension(*state, "weir_test.v1.Item", 1), SIZE_MAX);
    assert_int_equal(rpc_descriptors_extensions(*state, "weir_test.v1.Item", numbers, 4), 0);
}

static void services_are_those_that_are_served(void **state)
{
    const char *names[8] = {NULL};
    size_t n = rpc_descriptors_services(*state, names, 8), everything = 0, health = 0, chat = 0;
    assert_int_equal(n, 6);
    for (size_t i = 0; i < n; i++) {
        everything += strcmp(names[i], "weir_test.v1.EverythingService") == 0;
        health += strcmp(names[i], "grpc.health.v1.Health") == 0;
        chat += strcmp(names[i], "weir.v1.ChatService") == 0;
    }
    assert_int_equal(everything, 1);
    assert_int_equal(health, 1);
    assert_int_equal(chat, 1);
    names[1] = NULL;
    assert_int_equal(rpc_descriptors_services(*state, names, 1), n);
    assert_null(names[1]);
}

static void an_empty_set_has_nothing(void **state)
{
    (void)state;
    struct rpc_descriptors *empty = rpc_descriptors_new(SPAN_EMPTY);
    assert_int_equal(rpc_descriptors_count(empty), 0);
    assert_int_equal(rpc_descriptors_by_symbol(empty, "a"), SIZE_MAX);
    assert_int_equal(rpc_descriptors_services(empty, NULL, 0), 0);
    assert_null(rpc_descriptors_free(empty));
    assert_null(rpc_descriptors_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(symbols_have_a_file),
        cmocka_unit_test(other_names_have_none),
        cmocka_unit_test(a_closure_is_complete_and_has_each_file_once),
        cmocka_unit_test(extensions_are_found_by_number),
        cmocka_unit_test(services_are_those_that_are_served),
        cmocka_unit_test(an_empty_set_has_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
