/* Routes that are not of the contract: readiness, _up, version (O7, O8). Never limited, no
 * identity. */
#include "rest/rest_internal.h"
#include "shared/base/version.h"

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

enum verdict_code rest_system_answer(const struct core *core, enum rest_system what,
                                     struct buf *body)
{
    switch (what) {
    case REST_READY:
        return readiness_write(core->readiness, body) ? VERDICT_OK : VERDICT_NOT_READY;
    case REST_VERSION:
        put_version(body);
        return VERDICT_OK;
    case REST_UP:
    case REST_NO_SYSTEM:
        break;
    }
    return VERDICT_NO_CONTENT;
}
