/* The front door over real loopback sockets, with workers and a gRPC listener that only keep what
 * they are given. */
#ifndef WEIR_TESTS_UNIT_SERVER_FRONT_DOOR_KIT_H
#define WEIR_TESTS_UNIT_SERVER_FRONT_DOOR_KIT_H

#include "server/front_door.h"
#include "tests/unit/server/loop_kit.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MOST = 64 };

struct kept {
    int fds[MOST];
    struct peer peers[MOST];
    size_t count;
};

/* Stand-ins for what the door hands over to. */
struct worker {
    struct kept kept;
};
struct rpc_listener {
    struct kept kept;
};

extern uv_loop_t loop;
extern struct front_door *door;
extern struct worker workers[2];
extern struct rpc_listener rpc;
extern bool freed;
extern enum tls_use relayed_use; /* what a guard has to be asked for */
extern size_t relayed;
extern const struct front_door_settings plain; /* two ports, no bound in the way */
extern const char preface[];
extern const char request[];

int door_set_up(void **state);
/* Everybody leaves, nothing stays counted, and the loop has nothing left on it. */
int door_tear_down(void **state);
#define DOOR_TEST(name) cmocka_unit_test_setup_teardown(name, door_set_up, door_tear_down)

void open_door(const struct front_door_settings *settings);

/* As the REST listener does: closes its connections and tells. */
void close_rest(struct worker *worker);
/* As the C core does: shuts down, closes, and tells nobody. */
void close_rpc(void);
/* Connections that the workers have. */
size_t n_rest(void);
void on_freed(void *context);
bool is_freed(void *context);
bool is_empty(void *context);

/* Waits until so many have arrived, and no more. */
void wait_for(size_t rest, size_t rpc_count);
/* Clients that have said how they begin. */
int rest_client(void);
int rpc_client(void);

#endif
