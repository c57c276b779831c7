/* Yardstick: the gRPC C core with nothing behind it. Answers every unary call with the same bytes.
 *   bare_grpc <rpc path> <file with the response message>
 * One completion queue, one thread. Prints its port and serves until it is ended. */
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>

#include <stdio.h>
#include <stdlib.h>

enum { ARMED = 128 };

struct call {
    int answering;
    grpc_call *call;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_byte_buffer *request, *response;
    int cancelled;
};

static grpc_server *server;
static grpc_completion_queue *queue;
static void *method;
static grpc_byte_buffer *response;

static void arm(struct call *call)
{
    call->answering = 0;
    call->request = NULL;
    call->response = NULL;
    grpc_metadata_array_init(&call->metadata);
    if (grpc_server_request_registered_call(server, method, &call->call, &call->deadline,
                                            &call->metadata, &call->request, queue, queue,
                                            call) != GRPC_CALL_OK)
        abort();
}

static void answer(struct call *call)
{
    grpc_op ops[4] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                      {.op = GRPC_OP_SEND_MESSAGE},
                      {.op = GRPC_OP_SEND_STATUS_FROM_SERVER},
                      {.op = GRPC_OP_RECV_CLOSE_ON_SERVER}};
    /* Sending takes the slices out of the buffer; the copy shares the bytes. */
    call->response = grpc_byte_buffer_copy(response);
    ops[1].data.send_message.send_message = call->response;
    ops[2].data.send_status_from_server.status = GRPC_STATUS_OK;
    ops[3].data.recv_close_on_server.cancelled = &call->cancelled;
    call->answering = 1;
    if (grpc_call_start_batch(call->call, ops, 4, call, NULL) != GRPC_CALL_OK)
        abort();
}

static void release(struct call *call)
{
    grpc_call_unref(call->call);
    grpc_metadata_array_destroy(&call->metadata);
    if (call->request != NULL)
        grpc_byte_buffer_destroy(call->request);
    if (call->response != NULL)
        grpc_byte_buffer_destroy(call->response);
}

int main(int argc, char **argv)
{
    static char bytes[1 << 20];
    if (argc != 3)
        return 2;
    FILE *file = fopen(argv[2], "rb");
    if (file == NULL)
        return 2;
    size_t len = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);

    grpc_init();
    grpc_slice slice = grpc_slice_from_copied_buffer(bytes, len);
    response = grpc_raw_byte_buffer_create(&slice, 1);
    queue = grpc_completion_queue_create_for_next(NULL);
    server = grpc_server_create(NULL, NULL);
    grpc_server_register_completion_queue(server, queue, NULL);
    method = grpc_server_register_method(server, argv[1], NULL,
                                         GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
    int port = grpc_server_add_http2_port(server, "127.0.0.1:0", credentials);
    grpc_server_start(server);
    printf("%d\n", port);
    (void)fflush(stdout);

    static struct call calls[ARMED];
    for (int i = 0; i < ARMED; i++)
        arm(&calls[i]);
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        struct call *call = event.tag;
        if (event.type != GRPC_OP_COMPLETE)
            continue;
        if (!call->answering && event.success) {
            answer(call);
        } else {
            release(call);
            arm(call);
        }
    }
}
