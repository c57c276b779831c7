/* Chat completions: whose model it is, whether it is kept, what the model is told, what is
 * answered.
 */
#include "shared/pipeline/chat.h"

#include "weir/v1/chat.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct chat_model names[] = {{"fast", 2}, {"wise", 3}};
static const struct chat_models models = {.list = names, .count = 2, .usual = "usual"};

static struct arena arena;
static Weir__V1__ChatRequest request;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    weir__v1__chat_request__init(&request);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static void models_by_name(void **state)
{
    static const struct {
        const char *name;
        bool there;
        size_t upstream;
    } rows[] = {{"", true, 0},      {"usual", true, 0}, {"fast", true, 2},  {"wise", true, 3},
                {"FAST", false, 0}, {"fas", false, 0},  {"fasts", false, 0}};
    size_t upstream;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        upstream = 99;
        assert_int_equal(chat_find_model(&models, span_of(rows[i].name), &upstream), rows[i].there);
        assert_int_equal(upstream, rows[i].upstream);
    }
    assert_true(chat_find_model(NULL, SPAN_EMPTY, &upstream));
    assert_false(chat_find_model(NULL, span_of("usual"), &upstream));
}

static void what_is_kept(void **state)
{
    (void)state;
    assert_false(chat_is_kept(&request.base)); /* the temperature is 0, but nobody said so */
    request.sampling_case = WEIR__V1__CHAT_REQUEST__SAMPLING_TEMPERATURE;
    assert_true(chat_is_kept(&request.base));
    request.temperature = 0.1;
    assert_false(chat_is_kept(&request.base));
    request.cache = true;
    assert_true(chat_is_kept(&request.base));
}

static void the_conversation(void **state)
{
    char text[] = "hello", url[] = "https://x/y.png", data[] = "data:image/png;base64,AA==";
    char system[] = "system", user[] = "user", assistant[] = "assistant", name[] = "wise";
    char stop[] = "END", schema[] = "{}", title[] = "Title";
    char *roles[] = {system, user, assistant}, *stops[] = {stop};
    Weir__V1__ChatPart parts[4], *lists[4];
    Weir__V1__ChatTurn turns[3], *all[3];
    struct conversation what = {.temperature = -1};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        weir__v1__chat_part__init(&parts[i]);
        lists[i] = &parts[i];
    }
    parts[0].part_case = WEIR__V1__CHAT_PART__PART_TEXT;
    parts[0].text = text;
    parts[1].part_case = WEIR__V1__CHAT_PART__PART_IMAGE_URL;
    parts[1].image_url = url; /* parts[2] says nothing */
    parts[3].part_case = WEIR__V1__CHAT_PART__PART_IMAGE_DATA;
    parts[3].image_data = data;
    for (size_t i = 0; i < 3; i++) {
        weir__v1__chat_turn__init(&turns[i]);
        turns[i].role = roles[i];
        turns[i].content = lists;
        turns[i].n_content = i == 1 ? 4 : i == 0 ? 1 : 0;
        all[i] = &turns[i];
    }
    request.model = name;
    request.messages = all;
    request.n_messages = 3;
    chat_conversation(&models, &request.base, &arena, &what);
    assert_true(what.temperature < 0);
    assert_null(what.schema);
    request.sampling_case = WEIR__V1__CHAT_REQUEST__SAMPLING_TEMPERATURE;
    request.temperature = 0;
    request.max_completion_tokens = 9;
    request.stop = stops;
    request.n_stop = 1;
    request.schema = schema;
    request.schema_name = title;
    chat_conversation(&models, &request.base, &arena, &what);
    assert_int_equal(what.upstream, 3);
    assert_int_equal(what.n_messages, 3);
    assert_int_equal(what.messages[0].role, CHAT_SYSTEM);
    assert_int_equal(what.messages[1].role, CHAT_USER);
    assert_int_equal(what.messages[2].role, CHAT_MODEL);
    assert_int_equal(what.messages[1].n_parts, 3);
    assert_true(span_is(what.messages[1].parts[0].text, text));
    assert_int_equal(what.messages[1].parts[1].kind, CHAT_IMAGE);
    assert_true(span_is(what.messages[1].parts[2].text, data));
    assert_int_equal(what.messages[2].n_parts, 0);
    assert_true(what.temperature >= 0 && what.temperature <= 0);
    assert_int_equal(what.max_output_tokens, 9);
    assert_int_equal(what.n_stop, 1);
    assert_true(span_is(what.stop[0], "END"));
    assert_string_equal(what.schema, "{}");
    assert_string_equal(what.schema_name, "Title");
}

static void the_answer(void **state)
{
    static const struct contract_method unary = {.kind = CONTRACT_CHAT},
                                        stream = {.kind = CONTRACT_CHAT, .streams = true};
    char name[] = "fast";
    struct llm_result result = {.text = SPAN_LITERAL("said"), .stop = LLM_STOP_LENGTH};
    (void)state;
    result.account.usage = (struct llm_usage){.input_tokens = 5, .output_tokens = 6, .known = true};
    request.model = name;
    const Weir__V1__ChatResponse *answer =
        (const Weir__V1__ChatResponse *)chat_answer(&unary, &request.base, &result, &arena);
    assert_ptr_equal(answer->base.descriptor, &weir__v1__chat_response__descriptor);
    assert_string_equal(answer->model, "fast");
    assert_string_equal(answer->content, "said");
    assert_string_equal(answer->finish_reason, "length");
    assert_int_equal(answer->usage->prompt_tokens, 5);
    assert_int_equal(answer->usage->completion_tokens, 6);
    assert_false(answer->usage->estimated);
    result.stop = LLM_STOP_END;
    result.account.usage.known = false;
    const Weir__V1__ChatChunk *last =
        (const Weir__V1__ChatChunk *)chat_answer(&stream, &request.base, &result, &arena);
    assert_ptr_equal(last->base.descriptor, &weir__v1__chat_chunk__descriptor);
    assert_string_equal(last->content, "");
    assert_string_equal(last->finish_reason, "stop");
    assert_true(last->usage->estimated);
}

static void the_models_themselves(void **state)
{
    static const struct chat_model same[] = {{"usual", 1}};
    const struct chat_models told = {.list = names, .count = 2, .usual = "usual", .since_s = 9},
                             twice = {.list = same, .count = 1, .usual = "usual"};
    Weir__V1__ListModelsRequest all;
    Weir__V1__GetModelRequest one;
    char wise[] = "wise";
    struct span name;
    (void)state;
    weir__v1__list_models_request__init(&all);
    weir__v1__get_model_request__init(&one);
    one.model = wise;
    assert_false(chat_asks_for_model(&all.base, &name));
    assert_true(chat_asks_for_model(&one.base, &name));
    assert_true(span_is(name, "wise"));
    const Weir__V1__ListModelsResponse *list =
        (const Weir__V1__ListModelsResponse *)chat_tell_models(&told, &all.base, &arena);
    assert_int_equal(list->n_models, 3);
    assert_string_equal(list->models[0]->id, "usual");
    assert_string_equal(list->models[1]->id, "fast");
    assert_string_equal(list->models[2]->id, "wise");
    assert_int_equal(list->models[2]->created, 9);
    assert_string_equal(list->models[2]->owned_by, "weir");
    list = (const Weir__V1__ListModelsResponse *)chat_tell_models(&twice, &all.base, &arena);
    assert_int_equal(list->n_models, 1);
    list = (const Weir__V1__ListModelsResponse *)chat_tell_models(NULL, &all.base, &arena);
    assert_int_equal(list->n_models, 0);
    const Weir__V1__GetModelResponse *found =
        (const Weir__V1__GetModelResponse *)chat_tell_models(&told, &one.base, &arena);
    assert_string_equal(found->model->id, "wise");
    assert_int_equal(found->model->created, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(models_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_conversation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_models_themselves, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
