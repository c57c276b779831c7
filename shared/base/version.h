/* What was built, and from what (O8). Static text; any thread. */
#ifndef WEIR_BASE_VERSION_H
#define WEIR_BASE_VERSION_H

extern const char weir_version[];    /* "0.1.0" */
extern const char weir_branch[];     /* "main", or "unknown" outside git */
extern const char weir_commit[];     /* full hash */
extern const char weir_build_time[]; /* ISO 8601 UTC */
extern const char weir_build_type[]; /* "debug" or "release" */

#endif
