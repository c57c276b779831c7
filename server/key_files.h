/* The files that callers are authenticated with: public keys (PEM) and API keys (hashes).
 *
 * Plain files, read whole, bounded, without waiting for who may write into them. Any thread. What
 * is wrong is one line without the path; the caller knows the setting. */
#ifndef WEIR_SERVER_KEY_FILES_H
#define WEIR_SERVER_KEY_FILES_H

#include "shared/policy/apikey.h"
#include "shared/policy/keyset.h"

#include <sys/stat.h>

enum { KEY_FILE_PROBLEM_BYTES = 256 };

/* Adds the file's keys. */
MUST_USE bool key_file_add_public(const char *path, struct keyset *set,
                                  char problem[KEY_FILE_PROBLEM_BYTES]);
/* NULL when it cannot be used. */
MUST_USE struct apikeys *key_file_read_api(const char *path, char problem[KEY_FILE_PROBLEM_BYTES]);
/* May others than the owner write into it? Who can could let anybody in. */
bool key_file_is_open(const char *path);

/* Which version of a file was seen last; starts as zero. Its change time moves with its content,
 * its rights and its name, and cannot be set. */
struct key_file_mark {
    struct timespec changed;
    off_t size;
    ino_t inode;
    dev_t device;
};

/* Is it another version than the mark's? Moves the mark. A file that is not there has not changed:
 * it may be about to be replaced. */
bool key_file_changed(const char *path, struct key_file_mark *mark);

#endif
