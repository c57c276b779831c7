/* Settings of a guard that has time, for tests that say themselves what runs out. */
#ifndef WEIR_TESTS_UNIT_SERVER_GUARD_PATIENCE_H
#define WEIR_TESTS_UNIT_SERVER_GUARD_PATIENCE_H

#include "server/guard.h"

enum { SHORT_MS = 60, LONG_MS = 60000 };

static inline struct guard_settings patient_settings(void)
{
    return (struct guard_settings){.handshake_ms = LONG_MS,
                                   .frame_ms = LONG_MS,
                                   .message_ms = LONG_MS,
                                   .read_ms = LONG_MS,
                                   .idle_ms = LONG_MS,
                                   .age_ms = LONG_MS,
                                   .leave_ms = LONG_MS,
                                   .linger_ms = SHORT_MS,
                                   .rules = true};
}

#endif
