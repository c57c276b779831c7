/* The guard's frame parser between a client and a server whose bytes the test puts together. */
#ifndef WEIR_TESTS_UNIT_SERVER_GUARD_FRAMES_KIT_H
#define WEIR_TESTS_UNIT_SERVER_GUARD_FRAMES_KIT_H

#include "server/guard_frames.h"
#include "tests/unit/server/frame_kit.h"

#include <stdint.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

extern struct guard_frames frames;
extern struct buf bytes; /* put together, and not yet fed */
extern tick_ms now_ms;

/* :method POST, :scheme http, and a literal with and one without indexing. */
static const char block[] = "\x83\x86\x44\x05/a/bc\x40\x01x\x03yes\x0f\x2b\x01z";
enum { BLOCK = sizeof block - 1 };

int frames_set_up(void **state);
int frames_tear_down(void **state);
#define FRAMES_TEST(name) cmocka_unit_test_setup_teardown(name, frames_set_up, frames_tear_down)

/* Feeds what was put together, and forgets it. A second parser gets it byte by byte and has to come
 * to the same end, with the same streams open. */
enum guard_rule feed_client(void);
/* The same of the server, in pieces of seven bytes. */
enum guard_rule feed_server(void);
/* Feeds the client's, and fails the test when it ends otherwise. */
void assert_client(enum guard_rule expected);

void open_connection(void);
void put_headers(unsigned flags, uint32_t stream);
/* A whole call, and its answer. */
void call(uint32_t stream);

#endif
