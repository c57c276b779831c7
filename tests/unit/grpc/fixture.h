/* A kit and a client of it, from port 4711, new for each test of a program. For one source of the
 * program. */
#ifndef WEIR_TESTS_GRPC_FIXTURE_H
#define WEIR_TESTS_GRPC_FIXTURE_H

#include "tests/unit/grpc/kit.h"

static struct kit *kit;
static struct kit_client client;

static int set_up(void **state)
{
    (void)state;
    kit = kit_new(0);
    kit_client_init(&client, kit_connect(kit, 4711), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_client_fini(&client);
    kit_free(kit);
    return 0;
}

#endif
