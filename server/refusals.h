/* Why connections are turned away at the door: each reason counted, and the log told once a second
 * at most. Loop thread only; nothing here fails. */
#ifndef WEIR_SERVER_REFUSALS_H
#define WEIR_SERVER_REFUSALS_H

#include "shared/base/peer.h"
#include "shared/base/tick.h"

enum refusal {
    REFUSAL_CONNECTIONS, /* MAX_CONNECTIONS */
    REFUSAL_ADDRESS,     /* MAX_CONNECTIONS_PER_ADDRESS */
    REFUSAL_UNDECIDED,   /* too many have not said enough yet */
    REFUSAL_DESCRIPTORS,
    REFUSAL_PROXY_SENDER, /* PROXY_PROTOCOL does not list it */
    REFUSAL_PROXY_HEADER, /* what came is none */
    REFUSAL_PROXY_SILENT, /* none came in time, or not all of it */
    REFUSALS
};

/* Something that may happen very often. */
struct complaint {
    const char *event;
    uint64_t count;
    tick_ms again_ms; /* not logged before */
};

struct refusals {
    uint64_t counts[REFUSALS];
    struct complaint complaint; /* of all of them */
};

/* As metrics name it; static. */
const char *refusal_name(enum refusal refusal);
/* `peer` is whose connection it is; `open` how many there are. */
void refusals_add(struct refusals *refusals, enum refusal refusal, const struct peer *peer,
                  size_t open);
/* Logs it, unless that was done less than a second ago. `peer` may be NULL. */
void complaint_make(struct complaint *complaint, const char *reason, const struct peer *peer,
                    size_t open);

#endif
