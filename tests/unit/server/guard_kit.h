/* The guard's relay over real sockets: a client on loopback, and what is handed on to as the other
 * end of a pair. Time is the loop's, in tens of milliseconds. */
#ifndef WEIR_TESTS_UNIT_SERVER_GUARD_KIT_H
#define WEIR_TESTS_UNIT_SERVER_GUARD_KIT_H

#include "server/guard.h"
#include "shared/base/tick.h"
#include "tests/unit/server/frame_kit.h"
#include "tests/unit/server/guard_patience.h"
#include "tests/unit/server/loop_kit.h"

#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

extern uv_loop_t loop;
extern struct timers timers;
extern struct guard *guard;
extern struct guard_settings settings; /* all times long; for tests to change before they adopt */
extern int inside;                     /* what was handed on; -1: nothing yet */
extern unsigned handed;                /* how often */
extern unsigned closed;
extern uint16_t last_port;
extern int client; /* one end of a connection; the guard has the other */

int guard_set_up(void **state);
/* The connection has ended, exactly once. */
int guard_tear_down(void **state);
#define GUARD_TEST(name) cmocka_unit_test_setup_teardown(name, guard_set_up, guard_tear_down)

bool has_closed(void *context);
bool has_handed(void *context);

/* A new connection, from port 4711; as gRPC's unless told. */
void adopt(void);
void adopt_as(enum tls_use use);

void say(int fd, const struct buf *what);
void say_opening(void);
void say_frame(int fd, unsigned kind, unsigned flags, uint32_t stream, const void *payload,
               size_t len);
/* The relay is up: preface and SETTINGS have arrived inside. */
void open_relay(void);
/* The same for REST over HTTP/2, whose relay has no rules but for bodies and ages. */
void open_rest(void);
/* All that arrives at `fd` until it ends or nothing more comes. */
size_t hear(int fd, char *to, size_t most);

void expect_end(void);
/* The guard says the name of the rule and ends the connection. */
void expect_breach(enum guard_rule rule);

#endif
