/* The stream of questions and answers: one question at a time, the next is read once its answer has
 * room to go out. */
#include "grpc/rpc_reflection.h"

#include "grpc/rpc_call.h"
#include "grpc/rpc_descriptors.h"

/* v1alpha has the same messages under other names. */
#include <grpc/reflection/v1/reflection.pb-c.h>

const char *const rpc_reflection_paths[] = {
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
};

/* A question is a name; more is not worth unpacking. Who asks nothing for a while can come again.
 */
enum { QUESTION_BYTES = 4096, LOOK_MS = 1000, SILENCE_MS = 60000 };

typedef Grpc__Reflection__V1__ServerReflectionRequest question;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer;

/* An answer in the making, with room for whichever it is. */
struct reply {
    const struct rpc_descriptors *descriptors;
    struct arena arena;
    answer answer;
    Grpc__Reflection__V1__FileDescriptorResponse files;
    Grpc__Reflection__V1__ExtensionNumberResponse extensions;
    Grpc__Reflection__V1__ListServiceResponse services;
    Grpc__Reflection__V1__ErrorResponse error;
};

static void reply_error(struct reply *reply, enum grpc_code code, const char *message)
{
    grpc__reflection__v1__error_response__init(&reply->error);
    reply->error.error_code = (int32_t)code;
    reply->error.error_message = (char *)(uintptr_t)message;
    reply->answer.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    reply->answer.error_response = &reply->error;
}

/* The file and all that it imports. */
static void reply_file(struct reply *reply, size_t file)
{
    if (file == SIZE_MAX) {
        reply_error(reply, GRPC_NOT_FOUND, "There is no such file or symbol.");
        return;
    }
    size_t most = rpc_descriptors_count(reply->descriptors);
    size_t *all = arena_alloc(&reply->arena, most * sizeof *all);
    size_t n = rpc_descriptors_closure(reply->descriptors, file, all);
    ProtobufCBinaryData *protos = arena_alloc(&reply->arena, n * sizeof *protos);
    for (size_t i = 0; i < n; i++) {
        struct span bytes = rpc_descriptors_file(reply->descriptors, all[i]);
        protos[i] = (ProtobufCBinaryData){bytes.len, (uint8_t *)(uintptr_t)bytes.at};
    }
    grpc__reflection__v1__file_descriptor_response__init(&reply->files);
    reply->files.n_file_descriptor_proto = n;
    reply->files.file_descriptor_proto = protos;
    reply->answer.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    reply->answer.file_descriptor_response = &reply->files;
}

static void reply_extensions(struct reply *reply, const char *message)
{
    if (rpc_descriptors_by_symbol(reply->descriptors, message) == SIZE_MAX) {
        reply_error(reply, GRPC_NOT_FOUND, "There is no such message.");
        return;
    }
    size_t n = rpc_descriptors_extensions(reply->descriptors, message, NULL, 0);
    int32_t *numbers = arena_alloc(&reply->arena, (n + 1) * sizeof *numbers);
    (void)rpc_descriptors_extensions(reply->descriptors, message, numbers, n);
    grpc__reflection__v1__extension_number_response__init(&reply->extensions);
    reply->extensions.base_type_name = (char *)(uintptr_t)message;
    reply->extensions.n_extension_number = n;
    reply->extensions.extension_number = numbers;
    reply->answer.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
    reply->answer.all_extension_numbers_response = &reply->extensions;
}

static void reply_services(struct reply *reply)
{
    size_t n = rpc_descriptors_services(reply->descriptors, NULL, 0);
    const char **names = arena_alloc(&reply->arena, (n + 1) * sizeof *names);
    Grpc__Reflection__V1__ServiceResponse *each =
        arena_alloc(&reply->arena, (n + 1) * sizeof *each);
    Grpc__Reflection__V1__ServiceResponse **all =
        arena_alloc(&reply->arena, (n + 1) * sizeof(void *));
    (void)rpc_descriptors_services(reply->descriptors, names, n);
    for (size_t i = 0; i < n; i++) {
        grpc__reflection__v1__service_response__init(&each[i]);
        each[i].name = (char *)(uintptr_t)names[i];
        all[i] = &each[i];
    }
    grpc__reflection__v1__list_service_response__init(&reply->services);
    reply->services.n_service = n;
    reply->services.service = all;
    reply->answer.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    reply->answer.list_services_response = &reply->services;
}

static void answer_question(struct reply *reply, const question *asked)
{
    const struct rpc_descriptors *descriptors = reply->descriptors;
    const Grpc__Reflection__V1__ExtensionRequest *extension;
    switch (asked->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        reply_file(reply, rpc_descriptors_by_name(descriptors, asked->file_by_filename));
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        reply_file(reply, rpc_descriptors_by_symbol(descriptors, asked->file_containing_symbol));
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
        extension = asked->file_containing_extension;
        reply_file(reply, rpc_descriptors_by_extension(descriptors, extension->containing_type,
                                                       extension->extension_number));
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        reply_extensions(reply, asked->all_extension_numbers_of_type);
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        reply_services(reply);
        return;
    default:
        reply_error(reply, GRPC_INVALID_ARGUMENT, "The question is none that is known.");
    }
}

static enum port_state send_answer(struct rpc_call *call, question *asked)
{
    struct reply reply = {.descriptors = call->queue->listener->descriptors};
    arena_init(&reply.arena, SIZE_MAX);
    grpc__reflection__v1__server_reflection_response__init(&reply.answer);
    reply.answer.valid_host = asked->host;
    reply.answer.original_request = asked;
    answer_question(&reply, asked);
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(&reply.answer.base));
    (void)protobuf_c_message_pack(&reply.answer.base, GRPC_SLICE_START_PTR(slice));
    arena_fini(&reply.arena);
    return rpc_call_send(call, slice);
}

/* --- the stream --- */

static void end(struct rpc_call *call, enum grpc_code code, const char *message)
{
    timers_cancel(call->worker->timers, &call->inquiry.timer);
    (void)atomic_fetch_sub(&call->queue->listener->inquiries, 1);
    rpc_call_conclude(call, code, span_of(message), SPAN_EMPTY);
    rpc_call_end(call);
}

static tick_ms now_ms(const struct rpc_call *call)
{
    return call->worker->core->now_ns() / 1000000U;
}

/* Neither a drain nor memory waits for those who leave a stream open. */
static void look(struct timer *timer, tick_ms now)
{
    struct rpc_call *call = container_of(timer, struct rpc_inquiry, timer)->call;
    if (atomic_load(&call->queue->listener->draining))
        end(call, GRPC_UNAVAILABLE, verdict_row(VERDICT_DRAINING)->detail);
    else if (now >= call->inquiry.asked_ms + SILENCE_MS)
        end(call, GRPC_DEADLINE_EXCEEDED, "Nothing was asked for a minute.");
    else
        timers_set(call->worker->timers, timer, now + LOOK_MS);
}

static void reflection_begin(struct rpc_call *call)
{
    atomic_size_t *inquiries = &call->queue->listener->inquiries;
    tick_ms now = now_ms(call);
    call->inquiry = (struct rpc_inquiry){.timer.fire = look, .call = call, .asked_ms = now};
    if (atomic_fetch_add(inquiries, 1) >= RPC_REFLECTION_STREAMS) {
        end(call, GRPC_RESOURCE_EXHAUSTED, "There are too many such streams already.");
        return;
    }
    timers_set(call->worker->timers, &call->inquiry.timer, now + LOOK_MS);
    rpc_call_receive(call);
}

static void reflection_received(struct rpc_call *call)
{
    struct span body;
    question *asked = NULL;
    if (call->payload == NULL) {
        end(call, GRPC_OK, NULL);
        return;
    }
    enum verdict_code code = rpc_call_body(call, &body);
    if (code == VERDICT_OK && body.len <= QUESTION_BYTES)
        asked = grpc__reflection__v1__server_reflection_request__unpack(NULL, body.len,
                                                                        (const uint8_t *)body.at);
    if (asked == NULL) {
        const struct verdict_row *row =
            verdict_row(code != VERDICT_OK ? code : VERDICT_BAD_MESSAGE);
        end(call, row->grpc_code, row->detail);
        return;
    }
    call->inquiry.asked_ms = now_ms(call);
    call->inquiry.waits = send_answer(call, asked) == PORT_FULL;
    grpc__reflection__v1__server_reflection_request__free_unpacked(asked, NULL);
    if (!call->inquiry.waits)
        rpc_call_receive(call);
}

static void reflection_writable(struct rpc_call *call)
{
    if (!call->inquiry.waits)
        return;
    call->inquiry.waits = false;
    rpc_call_receive(call);
}

static void reflection_left(struct rpc_call *call)
{
    end(call, GRPC_CANCELLED, NULL);
}

const struct rpc_handler rpc_reflection_handler = {
    .begin = reflection_begin,
    .left = reflection_left,
    .writable = reflection_writable,
    .received = reflection_received,
};
