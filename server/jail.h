/* The jail (D4): what the process gives up for good once it is set up.
 *
 * no_new_privs, and a seccomp filter on every thread that lets through the system calls that
 * serving takes and answers all others with EPERM: no exec, no ptrace, no mount, no module, no bpf,
 * no io_uring, no new namespaces, no sockets but TCP, UDP and local ones. The filter outlives
 * everything and is inherited by threads that start later.
 *
 * In sanitizer builds there is no filter: their runtimes need calls of their own (LeakSanitizer
 * traces its own process). Main thread, once, after all listeners are open and before the first
 * accept. */
#ifndef WEIR_SERVER_JAIL_H
#define WEIR_SERVER_JAIL_H

#include "shared/base/must.h"

#include <stdbool.h>

enum jail_result {
    JAIL_CLOSED,
    JAIL_NOT_BUILT, /* a sanitizer build */
    JAIL_FAILED     /* `error` says at what */
};

/* Closes the jail and verifies it by trying calls that have to fail. */
MUST_USE enum jail_result jail_close(char error[256]);

#endif
