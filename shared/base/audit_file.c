#include "shared/base/audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEGMENTS = 8, MOST_OLD = SEGMENTS + 1, PATH_BYTES = 1024 };

struct audit_file {
    char path[PATH_BYTES];
    uint64_t retention_s;
    uint64_t segment_s;
    uint64_t segment; /* of what is in the file; meaningless while it is empty */
    bool empty;
    int fd; /* -1: could not be opened again after a change of segments */
};

static uint64_t segment_of(const struct audit_file *file, uint64_t at_s)
{
    return at_s / file->segment_s;
}

/* -1: *problem is NULL (see errno) or says what is wrong with the file that is there. */
static int open_file(const char *path, const char **problem)
{
    const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
    struct stat seen;
    *problem = NULL;
    int fd = open(path, flags | O_CREAT | O_EXCL, 0600);
    if (fd >= 0 || errno != EEXIST)
        return fd;
    fd = open(path, flags | O_NONBLOCK); /* a pipe without a reader must not hold us */
    if (fd < 0)
        return -1;
    if (fstat(fd, &seen) != 0 || !S_ISREG(seen.st_mode) || seen.st_nlink != 1)
        *problem = "it is not a plain file";
    else if (seen.st_uid != geteuid())
        *problem = "it belongs to somebody else";
    else if ((seen.st_mode & 077) != 0)
        *problem = "others can read it; chmod 600 it";
    if (*problem == NULL)
        return fd;
    (void)close(fd);
    return -1;
}

static void look_at_content(struct audit_file *file)
{
    struct stat seen;
    must(fstat(file->fd, &seen) == 0);
    file->empty = seen.st_size == 0;
    file->segment = segment_of(file, (uint64_t)seen.st_mtime);
}

struct audit_file *audit_file_open(const char *path, uint64_t retention_s, uint64_t now_s,
                                   char error[128])
{
    const char *problem = NULL;
    if (strlen(path) + 4 >= PATH_BYTES) {
        (void)snprintf(error, 128, "its name is too long");
        return NULL;
    }
    int fd = open_file(path, &problem);
    if (fd < 0) {
        (void)snprintf(error, 128, "%s", problem != NULL ? problem : strerror(errno));
        return NULL;
    }
    struct audit_file *file = calloc(1, sizeof *file);
    must(file != NULL && retention_s >= SEGMENTS);
    (void)snprintf(file->path, sizeof file->path, "%s", path);
    file->retention_s = retention_s;
    file->segment_s = retention_s / SEGMENTS;
    file->fd = fd;
    look_at_content(file);
    audit_file_tend(file, now_s);
    return file;
}

struct audit_file *audit_file_close(struct audit_file *file)
{
    if (file == NULL)
        return NULL;
    if (file->fd >= 0)
        (void)close(file->fd);
    free(file);
    return NULL;
}

static void old_name(const struct audit_file *file, unsigned number, char name[PATH_BYTES + 16])
{
    (void)snprintf(name, PATH_BYTES + 16, "%s.%u", file->path, number);
}

/* What is in the file becomes number 1. */
static void change_segment(struct audit_file *file)
{
    char from[PATH_BYTES + 16], to[PATH_BYTES + 16];
    const char *problem = NULL;
    for (unsigned i = MOST_OLD; i > 1; i--) {
        old_name(file, i - 1, from);
        old_name(file, i, to);
        (void)rename(from, to);
    }
    old_name(file, 1, to);
    if (rename(file->path, to) != 0)
        return; /* records go on where they are, and the next look tries again */
    (void)close(file->fd);
    file->fd = open_file(file->path, &problem);
    file->empty = true;
}

static void remove_old(const struct audit_file *file, uint64_t now_s)
{
    char name[PATH_BYTES + 16];
    struct stat seen;
    for (unsigned i = 1; i <= MOST_OLD; i++) {
        old_name(file, i, name);
        if (lstat(name, &seen) == 0 && (uint64_t)seen.st_mtime + file->retention_s < now_s)
            (void)unlink(name);
    }
}

void audit_file_tend(struct audit_file *file, uint64_t now_s)
{
    const char *problem = NULL;
    if (file->fd < 0) {
        file->fd = open_file(file->path, &problem);
        if (file->fd >= 0)
            look_at_content(file);
    }
    if (file->fd >= 0 && !file->empty && file->segment != segment_of(file, now_s))
        change_segment(file);
    remove_old(file, now_s);
}

/* All of it, or nothing but an error: a record that is cut would spoil the one that follows. */
static bool append(int fd, struct span lines)
{
    off_t before = lseek(fd, 0, SEEK_END);
    while (lines.len > 0) {
        ssize_t written = write(fd, lines.at, lines.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            (void)!ftruncate(fd, before);
            return false;
        }
        lines = span_from(lines, (size_t)written);
    }
    return true;
}

bool audit_file_write(struct audit_file *file, struct span lines, uint64_t now_s)
{
    audit_file_tend(file, now_s);
    if (file->fd < 0 || !append(file->fd, lines))
        return false;
    if (lines.len > 0) {
        file->empty = false;
        file->segment = segment_of(file, now_s);
    }
    return true;
}
