/* Who is asking? One credential, verified, becomes the request's identity.
 *
 * What the request itself carries, a token or an API key, comes before the certificate that the
 * connection was opened with: a gateway with a certificate of its own calls for many. A credential
 * that was presented has to be good, also where none is required: a caller that thinks
 * it is somebody must not be served as nobody. Only where no way to authenticate is configured at
 * all is nothing looked at, since nothing could be said about it. */
#include "shared/pipeline/step.h"

#include "shared/pipeline/key_refresh.h"
#include "shared/policy/authenticator.h"

#include <stdlib.h>

/* A request that waits for fresh keys. On the heap: the task may still be on its way to the worker
 * when the request is long gone. */
struct identity_wait {
    struct key_waiter waiter;
    struct request *request; /* worker's thread; NULL: it has ended */
};

enum { RETRY_AFTER_MS = 5000 };

/* The answers of RFC 6750 section 3; a caller that sent nothing is told no error. */
static const char challenge_plain[] = "Bearer realm=\"weir\"";
static const char challenge_request[] = "Bearer realm=\"weir\", error=\"invalid_request\"";
static const char challenge_token[] = "Bearer realm=\"weir\", error=\"invalid_token\"";
static const char challenge_expired[] =
    "Bearer realm=\"weir\", error=\"invalid_token\", error_description=\"expired\"";

static enum step_result refuse(struct request *request, struct verdict *verdict,
                               enum verdict_code code, const char *challenge, const char *detail,
                               const char *reason)
{
    request->presented_bad = code == VERDICT_UNAUTHENTICATED && challenge != challenge_plain;
    if (challenge != NULL)
        request_note(request, "www-authenticate", span_of(challenge));
    *verdict = (struct verdict){.code = code, .detail = span_of(detail)};
    request->refusal = reason;
    return STEP_END;
}

static enum authentication ask(struct request *request, const char **reason)
{
    const struct core *core = request->worker->core;
    const struct port *port = request->port;
    struct credentials credentials = {0};
    credentials.n_authorization =
        port->metadata(request, "authorization", credentials.authorization, 2);
    credentials.n_api_key = port->metadata(request, "x-api-key", credentials.api_key, 2);
    return authenticate(core->authenticator, &credentials, core->now_s(), &request->arena,
                        &request->identity, reason);
}

/* Nobody in particular asks: by the name in the client's certificate, as one of those who need
 * none, or in vain. The last is limited as anonymous calls are, so that asking in vain is no
 * cheaper. */
static enum step_result settle_nobody(struct request *request, const char *reason,
                                      struct verdict *verdict)
{
    const struct authenticator *authenticator = request->worker->core->authenticator;
    if (authenticate_certificate(authenticator, request->given.certificate, &request->arena,
                                 &request->identity) ||
        !authenticator->required)
        return STEP_NEXT;
    if (step_subject(request, verdict) == STEP_END)
        return STEP_END;
    return refuse(request, verdict, VERDICT_UNAUTHENTICATED, challenge_plain, NULL, reason);
}

static enum step_result settle(struct request *request, enum authentication result,
                               const char *reason, struct verdict *verdict)
{
    switch (result) {
    case AUTHENTICATION_KNOWN:
        return STEP_NEXT;
    case AUTHENTICATION_NOBODY:
        return settle_nobody(request, reason, verdict);
    case AUTHENTICATION_AMBIGUOUS:
        return refuse(request, verdict, VERDICT_MALFORMED, challenge_request,
                      "Send exactly one credential: Authorization: Bearer, or X-API-Key.", reason);
    case AUTHENTICATION_EXPIRED:
        return refuse(request, verdict, VERDICT_UNAUTHENTICATED, challenge_expired,
                      "The credential has expired.", reason);
    case AUTHENTICATION_UNAVAILABLE:
        (void)refuse(request, verdict, VERDICT_IDENTITY_UNAVAILABLE, NULL, NULL, reason);
        verdict->retry_after_ms = RETRY_AFTER_MS;
        return STEP_END;
    case AUTHENTICATION_REFUSED:
    case AUTHENTICATION_UNKNOWN_KEY:
        break;
    }
    return refuse(request, verdict, VERDICT_UNAUTHENTICATED, challenge_token,
                  "The credential is not valid.", reason);
}

/* The refresh has ended: the keys are what they are now. */
static void on_refreshed(struct task *task)
{
    struct identity_wait *wait = container_of(task, struct identity_wait, waiter.task);
    struct request *request = wait->request;
    struct verdict verdict;
    const char *reason = NULL;
    free(wait);
    if (request == NULL)
        return;
    request->identity_wait = NULL;
    enum authentication result = ask(request, &reason);
    if (settle(request, result, reason, &verdict) == STEP_NEXT)
        pipeline_continue(request);
    else
        pipeline_end(request, &verdict);
}

/* False: there is nothing to wait for. */
static bool wait_for_keys(struct request *request)
{
    struct identity_wait *wait = calloc(1, sizeof *wait);
    must(wait != NULL);
    wait->request = request;
    wait->waiter.task.run = on_refreshed;
    wait->waiter.executor = request->worker->executor;
    request->identity_wait = wait;
    if (key_refresh_ask(request->worker->core->key_refresh, &wait->waiter))
        return true;
    request->identity_wait = NULL;
    free(wait);
    return false;
}

void identity_stop(struct request *request)
{
    if (request->identity_wait != NULL)
        request->identity_wait->request = NULL;
    request->identity_wait = NULL;
}

enum step_result step_identity(struct request *request, struct verdict *verdict)
{
    const struct authenticator *authenticator = request->worker->core->authenticator;
    const char *reason = NULL;
    if (request->given.method->kind == CONTRACT_HEALTH)
        return STEP_NEXT;
    if (!authenticator->required && !authenticator->by_token && !authenticator->by_apikey)
        return settle_nobody(request, NULL, verdict);
    enum authentication result = ask(request, &reason);
    if (result == AUTHENTICATION_UNKNOWN_KEY && wait_for_keys(request))
        return STEP_WAIT;
    return settle(request, result, reason, verdict);
}
