/* What is held behind the guard for its connections, and who goes when that is too much. */
#include "server/guard_internal.h"

void relay_weigh(struct relay *relay)
{
    const struct guard_streams *streams = &relay->frames.streams;
    uint64_t weight = (uint64_t)streams->count * GUARD_STREAM_BYTES + streams->bytes;
    if (relay->ending || relay->state != RELAY_RELAYING)
        weight = 0;
    relay->guard->weight = relay->guard->weight - relay->weight + weight;
    relay->weight = weight;
}

/* What is whole waits for us to answer it; what is owed, for the client, and honest ones end soon
 * what they have begun: it counts twice. */
static uint64_t badness_of(const struct relay *relay)
{
    const struct guard_streams *streams = &relay->frames.streams;
    return relay->weight + (uint64_t)streams->owed * GUARD_STREAM_BYTES + streams->owed_bytes;
}

static struct relay *find_worst(struct guard *guard)
{
    struct relay *worst = NULL;
    for (struct relay *relay = guard->relays; relay != NULL; relay = relay->next)
        if (relay->weight > 0 && (worst == NULL || badness_of(relay) > badness_of(worst)))
            worst = relay;
    return worst;
}

void guard_lighten(struct guard *guard)
{
    uint64_t most = guard->settings.held_bytes;
    while (most > 0 && guard->weight > most) {
        struct relay *worst = find_worst(guard);
        must(worst != NULL);
        relay_refuse(worst, GUARD_HELD);
        relay_turn(worst);
    }
}
