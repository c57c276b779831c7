/* All that /metrics tells: each family is a line or a call here. It owns nothing of what it reads.
 * Main thread only. */
#ifndef WEIR_SERVER_GAUGES_H
#define WEIR_SERVER_GAUGES_H

#include "server/front_door.h"
#include "server/keeper.h"
#include "shared/base/exposition.h"

struct gauges;

MUST_USE struct gauges *gauges_new(void);
struct gauges *gauges_free(struct gauges *gauges);
/* From here on there is something to tell. All of it must outlive the gauges' last use; keeper is
 * NULL where there are no keys to keep. */
void gauges_serve(struct gauges *gauges, const struct front_door *door,
                  struct worker *const *workers, size_t n_workers, const struct core *core,
                  const struct llm_settings *llm, struct keeper *keeper);
/* For struct admin_settings; `context` is the gauges. */
void gauges_write(void *context, struct exposition *exposition);
/* Requests under way on all workers. */
uint64_t gauges_in_flight(const struct gauges *gauges);

#endif
