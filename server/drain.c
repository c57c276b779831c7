#include "server/drain.h"

/* A fifth of the grace, and no more than it takes. */
enum { MOST_ROOM_MS = 2000, SEVER_AFTER_MS = 700, FAIL_AFTER_MS = 1700 };

struct drain_plan drain_plan_of(uint64_t grace_ms)
{
    uint64_t room_ms = grace_ms / 5 < MOST_ROOM_MS ? grace_ms / 5 : MOST_ROOM_MS;
    uint64_t cut_ms = grace_ms - room_ms;
    return (struct drain_plan){
        .cut_ms = cut_ms, .sever_ms = cut_ms + SEVER_AFTER_MS, .fail_ms = cut_ms + FAIL_AFTER_MS};
}
