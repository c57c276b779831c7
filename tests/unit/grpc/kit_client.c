/* The client: the C core's own, driven synchronously. */
#include "tests/unit/grpc/kit.h"

#include "shared/base/must.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>

/* Tags, one a kind of batch. */
static char tag_send, tag_header, tag_message, tag_status;

void kit_client_init(struct kit_client *client, int fd, int window_bytes)
{
    grpc_arg args[2] = {
        {.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t) "grpc.http2.bdp_probe"},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)(uintptr_t)GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES}};
    grpc_channel_args all = {.num_args = window_bytes > 0 ? 2 : 0, .args = args};
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    args[1].value.integer = window_bytes;
    client->channel = grpc_channel_create_from_fd("kit", fd, credentials, &all);
    client->queue = grpc_completion_queue_create_for_pluck(NULL);
    grpc_channel_credentials_release(credentials);
}

void kit_client_fini(struct kit_client *client)
{
    grpc_channel_destroy(client->channel);
    grpc_completion_queue_shutdown(client->queue);
    grpc_completion_queue_destroy(client->queue);
}

static gpr_timespec soon(int64_t ms)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

static bool await(struct kit_call *call, void *tag)
{
    grpc_event event =
        grpc_completion_queue_pluck(call->client->queue, tag, soon(KIT_WAIT_MS), NULL);
    must(event.type == GRPC_OP_COMPLETE);
    return event.success != 0;
}

static void start(struct kit_call *call, const grpc_op *ops, size_t n, void *tag)
{
    must(grpc_call_start_batch(call->core_call, ops, n, tag, NULL) == GRPC_CALL_OK);
}

void kit_call_start(struct kit_call *call, struct kit_client *client, const char *path,
                    struct span body, const struct kit_options *options)
{
    struct kit_options none = {0};
    if (options == NULL)
        options = &none;
    *call = (struct kit_call){.client = client, .message = grpc_empty_slice()};
    grpc_metadata_array_init(&call->header);
    grpc_metadata_array_init(&call->trailer);
    grpc_slice host = grpc_slice_from_static_string("kit");
    gpr_timespec deadline =
        options->deadline_ms > 0 ? soon(options->deadline_ms) : gpr_inf_future(GPR_CLOCK_REALTIME);
    call->core_call =
        grpc_channel_create_call(client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, client->queue,
                                 grpc_slice_from_static_string(path), &host, deadline, NULL);
    grpc_metadata pair = {0};
    if (options->key != NULL) {
        pair.key = grpc_slice_from_static_string(options->key);
        pair.value = grpc_slice_from_static_string(options->value);
    }
    grpc_slice slice = grpc_slice_from_copied_buffer(body.at, body.len);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_op ops[3] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                      {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                      {.op = GRPC_OP_SEND_MESSAGE}};
    ops[0].data.send_initial_metadata.count = options->key != NULL ? 1 : 0;
    ops[0].data.send_initial_metadata.metadata = &pair;
    ops[2].data.send_message.send_message = buffer;
    start(call, ops, options->no_message ? 2 : 3, &tag_send);
    (void)await(call, &tag_send);
    grpc_byte_buffer_destroy(buffer);
    grpc_slice_unref(slice);
    grpc_op header = {.op = GRPC_OP_RECV_INITIAL_METADATA};
    header.data.recv_initial_metadata.recv_initial_metadata = &call->header;
    start(call, &header, 1, &tag_header);
}

bool kit_call_next(struct kit_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &call->received;
    start(call, &op, 1, &tag_message);
    if (!await(call, &tag_message) || call->received == NULL)
        return false;
    grpc_byte_buffer_reader reader;
    must(grpc_byte_buffer_reader_init(&reader, call->received) != 0);
    grpc_slice whole = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    call->message_len = GRPC_SLICE_LENGTH(whole);
    call->text_len = call->message_len < KIT_TEXT_BYTES ? call->message_len : KIT_TEXT_BYTES - 1;
    memcpy(call->text, GRPC_SLICE_START_PTR(whole), call->text_len);
    call->text[call->text_len] = '\0';
    grpc_slice_unref(whole);
    grpc_byte_buffer_destroy(call->received);
    call->received = NULL;
    return true;
}

grpc_status_code kit_call_status(struct kit_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    op.data.recv_status_on_client.trailing_metadata = &call->trailer;
    op.data.recv_status_on_client.status = &call->code;
    op.data.recv_status_on_client.status_details = &call->message;
    start(call, &op, 1, &tag_status);
    (void)await(call, &tag_status);
    return call->code;
}

void kit_call_fini(struct kit_call *call)
{
    (void)grpc_call_cancel(call->core_call, NULL);
    (void)await(call, &tag_header);
    grpc_metadata_array_destroy(&call->header);
    grpc_metadata_array_destroy(&call->trailer);
    grpc_slice_unref(call->message);
    grpc_call_unref(call->core_call);
}

struct span kit_slice(const grpc_slice *slice)
{
    return span_make((const char *)GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice));
}

struct span kit_metadata(const grpc_metadata_array *array, const char *key)
{
    for (size_t i = 0; i < array->count; i++)
        if (grpc_slice_str_cmp(array->metadata[i].key, key) == 0)
            return kit_slice(&array->metadata[i].value);
    return SPAN_EMPTY;
}
