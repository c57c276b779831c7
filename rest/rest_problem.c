#include "rest/rest_problem.h"

enum { INSTANCE_BYTES = 512 };

static void put_member(struct buf *out, const char *name, struct span value)
{
    buf_put_text(out, ",\"");
    buf_put_text(out, name);
    buf_put_text(out, "\":");
    buf_put_json_string(out, value);
}

static void put_instance(struct buf *out, struct span path)
{
    static const char hex[] = "0123456789ABCDEF";
    buf_put_text(out, ",\"instance\":\"");
    for (size_t i = 0; i < path.len && i < INSTANCE_BYTES; i++) {
        unsigned char c = (unsigned char)path.at[i];
        if (c > ' ' && c < 0x7f && c != '"' && c != '\\') {
            buf_put_char(out, (char)c);
        } else {
            char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
            buf_put(out, escape, sizeof escape);
        }
    }
    buf_put_char(out, '"');
}

static void put_violations(struct buf *out, const struct verdict *verdict)
{
    buf_put_text(out, ",\"violations\":[");
    for (size_t i = 0; i < verdict->n_violations; i++) {
        buf_put_text(out, i == 0 ? "{\"path\":" : ",{\"path\":");
        buf_put_json_string(out, verdict->violations[i].path);
        put_member(out, "rule", verdict->violations[i].rule);
        put_member(out, "message", verdict->violations[i].message);
        buf_put_char(out, '}');
    }
    buf_put_char(out, ']');
}

void rest_problem_write(struct buf *out, const struct verdict *verdict, struct span instance,
                        const char *request_id)
{
    const struct verdict_row *row = verdict_row(verdict->code);
    buf_put_text(out, "{\"type\":\"about:blank\"");
    put_member(out, "title", span_of(row->title));
    buf_put_text(out, ",\"status\":");
    buf_put_i64(out, row->http_status);
    put_member(out, "detail", verdict_detail(verdict));
    put_instance(out, instance);
    put_member(out, "code", span_of(grpc_code_name(row->grpc_code)));
    put_member(out, "error", span_of(row->title));
    put_member(out, "request_id", span_of(request_id));
    if (verdict->n_violations > 0)
        put_violations(out, verdict);
    buf_put_char(out, '}');
}
