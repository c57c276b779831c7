/* Loopback connections, and a loop that runs until something holds or its time is up. */
#ifndef WEIR_TESTS_UNIT_SERVER_LOOP_KIT_H
#define WEIR_TESTS_UNIT_SERVER_LOOP_KIT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* Runs `loop` in turns until `holds` does, for at most `most_ms`; returns whether it did. *turns
 * (may be NULL) counts them. */
bool loop_until(uv_loop_t *loop, bool (*holds)(void *context), void *context, uint64_t most_ms,
                unsigned *turns);
/* Runs it for `ms`, and returns in how many turns. */
unsigned loop_for(uv_loop_t *loop, uint64_t ms);
/* Closes the loop; no handle may be left on it. */
void loop_close(uv_loop_t *loop);

/* A blocking client connected to 127.0.0.1:port, or to [::1]:port; -1 and errno. */
int client_connect(uint16_t port);
int client_connect_v6(uint16_t port);
void client_say(int fd, const char *text);
/* Waits until the other side's kernel has all that was said. */
void client_is_heard(int fd);
/* The other side closed or reset it; waits up to `ms`. */
bool client_is_closed(int fd, int ms);
/* Two ends of a loopback TCP connection. */
void client_pair(int fds[2]);

#endif
