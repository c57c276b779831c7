/* Routes that are not of the contract: readiness, _up, version (O7, O8). Never limited, no
 * identity; they write no access line, since probes ask every few seconds. */
#include "rest/rest_headers.h"
#include "rest/rest_internal.h"
#include "shared/base/version.h"

enum { BODY_BYTES = 1024 };

static void put_member(struct buf *out, const char *name, const char *value)
{
    buf_put_char(out, out->len == 0 ? '{' : ',');
    buf_put_json_string(out, span_of(name));
    buf_put_char(out, ':');
    buf_put_json_string(out, span_of(value));
}

static void put_version(struct buf *out)
{
    put_member(out, "version", weir_version);
    put_member(out, "branch", weir_branch);
    put_member(out, "commit", weir_commit);
    put_member(out, "build_time", weir_build_time);
    put_member(out, "build_type", weir_build_type);
    buf_put_char(out, '}');
}

void rest_system_answer(struct rest_worker *worker, h2o_req_t *req, enum rest_system what)
{
    const struct readiness *readiness = worker->rest->core->readiness;
    struct buf body;
    int status = 200;
    buf_init(&body, NULL, BODY_BYTES);
    switch (what) {
    case REST_READY:
        status = readiness_write(readiness, &body) ? 200 : 503;
        break;
    case REST_VERSION:
        put_version(&body);
        break;
    case REST_UP:
    case REST_NO_SYSTEM:
        status = 204;
        break;
    }
    h2o_iovec_t copy = h2o_strdup(&req->pool, body.at != NULL ? body.at : "", body.len);
    buf_fini(&body);
    rest_respond(worker, req, status, status == 204 ? NULL : "application/json",
                 span_make(copy.base, copy.len));
}
