/* The admin listener (O4): GET /metrics, /ready, /live and /version for operators and probes, on an
 * address of its own that is loopback unless somebody says otherwise.
 *
 * It has its own few lines of HTTP instead of the public listener's, shares nothing with that but
 * the process, and goes on answering while weir drains. One request a connection, few connections,
 * little time for each. Main thread only, on its loop. */
#ifndef WEIR_SERVER_ADMIN_H
#define WEIR_SERVER_ADMIN_H

#include "shared/base/exposition.h"
#include "shared/pipeline/readiness.h"

#include <uv.h>

struct admin;

struct admin_settings {
    const char *host;
    uint16_t port; /* 0: any */
    const struct readiness *readiness;
    /* Writes all families; called on the loop's thread. */
    void (*write_metrics)(void *context, struct exposition *exposition);
    void *context;
};

/* Binds, and answers as soon as the loop runs. `loop` and what `settings` points to must outlive
 * it. NULL: `error` is a line for the operator that names the setting. */
MUST_USE struct admin *admin_open(uv_loop_t *loop, const struct admin_settings *settings,
                                  char error[256]);
uint16_t admin_port(const struct admin *admin);
/* Closes it and its connections; it is gone when the loop has run them down. Accepts NULL. */
void admin_close(struct admin *admin);

#endif
