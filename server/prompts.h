/* The prompts of PROMPTS_DIR (F3): what the log is told of them, and how they are read again. Main
 * thread. */
#ifndef WEIR_SERVER_PROMPTS_H
#define WEIR_SERVER_PROMPTS_H

#include "shared/pipeline/core.h"

/* How many flows have a prompt of their own, and whether a file looks misspelt; nothing where there
 * is no such folder in the settings. */
void prompts_announce(const struct core *core);
/* All prompts are new from now on; or all stay as they are, and the log says which file and line
 * is to blame. Running requests keep what they began with. */
void prompts_reload(struct core *core);

#endif
