/* A file of records that are kept for a bounded time (O3).
 *
 * Records are appended to `path`. Time is cut into segments of an eighth of the retention; when a
 * new one begins, the file becomes path.1, that path.2, and so on. A segment whose last record is
 * older than the retention is removed. So each record is kept for the retention, and for an eighth
 * of it more at most; a restart changes nothing, since a file's last change tells its segment.
 *
 * Files are made with mode 0600; one that is there already is taken only if it is a plain file of
 * ours that nobody else can read. One thread at a time. */
#ifndef WEIR_BASE_AUDIT_FILE_H
#define WEIR_BASE_AUDIT_FILE_H

#include "shared/base/must.h"
#include "shared/base/span.h"

#include <stdbool.h>
#include <stdint.h>

struct audit_file;

/* Times are seconds since 1970. `path` is copied. NULL: `error` says why, without the path. */
MUST_USE struct audit_file *audit_file_open(const char *path, uint64_t retention_s, uint64_t now_s,
                                            char error[128]);
/* Accepts NULL. */
struct audit_file *audit_file_close(struct audit_file *file);
/* Appends whole lines. False: not all of it was written (the disk is full, say). */
MUST_USE bool audit_file_write(struct audit_file *file, struct span lines, uint64_t now_s);
/* Moves to a new segment where it is time, and removes what is too old. */
void audit_file_tend(struct audit_file *file, uint64_t now_s);

#endif
