/* The access line: one a request, of either protocol, written when it ends. */
#include "shared/pipeline/meters.h"
#include "shared/pipeline/step.h"

void access_model(struct log_line *line, const struct llm_account *model)
{
    log_text(line, "provider", model->provider);
    if (model->attempts > 0)
        log_u64(line, "attempts", model->attempts);
    if (model->fallback)
        log_bool(line, "fallback", true);
    if (model->stop == LLM_STOP_LENGTH)
        log_text(line, "stop", "length");
    if (model->tool_rounds > 0)
        log_u64(line, "tool_rounds", model->tool_rounds);
    if (model->answer_retries > 0)
        log_u64(line, "answer_retries", model->answer_retries);
    if (model->usage.input_tokens + model->usage.output_tokens == 0)
        return;
    log_u64(line, "input_tokens", model->usage.input_tokens);
    log_u64(line, "output_tokens", model->usage.output_tokens);
    log_text(line, "usage", model->usage.estimated ? "estimated" : "reported");
}

void access_log(const struct request *request, const struct verdict *verdict)
{
    const struct core *core = request->worker->core;
    const struct verdict_row *row = verdict_row(verdict->code);
    uint64_t duration_ns = core->now_ns() - request->given.received_ns;
    meters_request(request->worker->meters, request, verdict, duration_ns);
    audit_request(request, verdict);
    if (!core->access_log)
        return;
    struct log_line line;
    log_begin(&line, row->level, "access", "request");
    if (!line.on)
        return;
    char peer[PEER_TEXT_BYTES];
    peer_text(&request->client, peer);
    log_text(&line, "request_id", request->id);
    log_text(&line, "protocol", request->port->protocol);
    log_span(&line, "method", request->given.verb);
    log_span(&line, "path", request->given.path);
    if (request->given.method != NULL)
        log_text(&line, "flow", request->given.method->flow);
    log_i64(&line, "status", row->http_status);
    log_text(&line, "code", grpc_code_name(row->grpc_code));
    log_text(&line, "end", row->name);
    log_ms(&line, "duration_ms", duration_ns);
    log_text(&line, "peer", peer);
    if (identity_is_known(&request->identity))
        log_span(&line, "tenant", request->identity.tenant);
    if (request->given.certificate != NULL)
        log_span(&line, "certificate", certificate_name(request->given.certificate));
    log_text(&line, "cache", share_state_name(request->share.state));
    if (request->upstream_ns > 0)
        log_ms(&line, "upstream_ms", request->upstream_ns);
    access_model(&line, &request->model);
    log_end(&line);
}
