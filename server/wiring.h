/* The settings of the process as those of its parts: REST, gRPC, the guard, TLS. Pure but for
 * wiring_tls, which reads files; main thread, at start. `config` must outlive what is made. */
#ifndef WEIR_SERVER_WIRING_H
#define WEIR_SERVER_WIRING_H

#include "grpc/rpc.h"
#include "rest/rest.h"
#include "server/config.h"
#include "server/guard.h"
#include "shared/llm/llm.h"
#include "shared/pipeline/images.h"
#include "shared/pipeline/limits.h"
#include "shared/pipeline/sharing.h"

/* Whether connections go through guards: those of gRPC, those of HTTP/2, or all with TLS. */
bool wiring_guarded(const struct config *config);
/* Without what to call; that is the caller's. */
struct rest_settings wiring_rest(const struct config *config);
struct guard_settings wiring_guard(const struct config *config);
struct rpc_settings wiring_rpc(const struct config *config);
/* PROXY_PROTOCOL; for cidr_list_free. */
MUST_USE struct cidr_list wiring_balancers(const struct config *config);
/* The limits of callers; for limits_free. */
MUST_USE struct limits *wiring_limits(const struct config *config);
/* The cache and the flights; for sharing_free. NULL: switched off. `llm` must outlive it. */
struct sharing *wiring_sharing(const struct config *config, const struct llm_settings *llm);
/* Where images may be fetched from, and whether they are. It is filled in in place, where it has to
 * stay; for wiring_images_free. `fetches`: the providers do not by themselves. */
void wiring_images(const struct config *config, bool fetches, struct images_policy *policy);
void wiring_images_free(struct images_policy *policy);
/* NULL: `error` names the setting that is wrong. */
MUST_USE struct tls *wiring_tls(const struct config *config, char error[256]);

#endif
