/* The access line: one a request, of either protocol, written when it ends. */
#include "shared/base/trace.h"
#include "shared/pipeline/meters.h"
#include "shared/pipeline/step.h"

#include <stdio.h>

enum { PROJECT_BYTES = 128 };

/* Exactly one value of a header says something; several contradict each other. */
static bool header(const struct request *request, const char *name,
                   bool (*read)(struct span value, struct trace *trace), struct trace *trace)
{
    struct span values[2];
    return request->port->metadata(request, name, values, 2) == 1 && read(values[0], trace);
}

/* As Google Cloud's log viewer wants it where the project is known, so that it shows the trace. */
static void put_trace(struct log_line *line, const struct request *request)
{
    const char *project = request->worker->core->trace_project;
    char name[PROJECT_BYTES + 64];
    struct trace trace;
    if (!header(request, "traceparent", trace_from_parent, &trace) &&
        !header(request, "x-cloud-trace-context", trace_from_cloud, &trace))
        return;
    if (project == NULL || project[0] == '\0') {
        log_text(line, "trace_id", trace.id);
        return;
    }
    (void)snprintf(name, sizeof name, "projects/%.128s/traces/%s", project, trace.id);
    log_text(line, "logging.googleapis.com/trace", name);
    if (trace.span[0] != '\0')
        log_text(line, "logging.googleapis.com/spanId", trace.span);
    log_bool(line, "logging.googleapis.com/trace_sampled", trace.sampled);
}

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

/* What the client saw: dialects have statuses of their own for what is refused. */
static int status_of(const struct request *request, const struct verdict *verdict)
{
    int status = verdict_row(verdict->code)->http_status;
    return status >= 400 && request->port->status != NULL ? request->port->status(verdict) : status;
}

void access_line(const struct request *request, const struct verdict *verdict,
                 struct log_line *line)
{
    const struct core *core = request->worker->core;
    const struct verdict_row *row = verdict_row(verdict->code);
    uint64_t duration_ns = core->now_ns() - request->given.received_ns;
    meters_request(request->worker->meters, request, verdict, duration_ns);
    audit_request(request, verdict);
    line->on = false;
    if (!core->access_log)
        return;
    log_begin(line, row->level, "access", "request");
    if (!line->on)
        return;
    char peer[PEER_TEXT_BYTES];
    peer_text(&request->client, peer);
    log_text(line, "request_id", request->id);
    put_trace(line, request);
    log_text(line, "protocol", request->port->protocol);
    log_span(line, "method", request->given.verb);
    log_span(line, "path", request->given.path);
    if (request->given.method != NULL)
        log_text(line, "flow", request->given.method->flow);
    log_i64(line, "status", status_of(request, verdict));
    log_text(line, "code", grpc_code_name(row->grpc_code));
    log_text(line, "end", row->name);
    log_ms(line, "duration_ms", duration_ns);
    log_text(line, "peer", peer);
    if (identity_is_known(&request->identity))
        log_span(line, "tenant", request->identity.tenant);
    if (request->given.certificate != NULL)
        log_span(line, "certificate", certificate_name(request->given.certificate));
    log_text(line, "cache", share_state_name(request->share.state));
    if (request->upstream_ns > 0)
        log_ms(line, "upstream_ms", request->upstream_ns);
    access_model(line, &request->model);
}
