#include "server/key_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool fail(char problem[KEY_FILE_PROBLEM_BYTES], const char *what)
{
    (void)snprintf(problem, KEY_FILE_PROBLEM_BYTES, "%s", what);
    return false;
}

static bool read_all(int fd, struct span *text, size_t most, char problem[KEY_FILE_PROBLEM_BYTES])
{
    struct stat about;
    size_t len = 0;
    if (fstat(fd, &about) != 0)
        return fail(problem, strerror(errno));
    if (!S_ISREG(about.st_mode))
        return fail(problem, "it is not a plain file");
    if (about.st_size < 0 || (size_t)about.st_size > most)
        return fail(problem, "it is too large");
    char *bytes = malloc((size_t)about.st_size + 1);
    must(bytes != NULL);
    while (len < (size_t)about.st_size) {
        ssize_t got = read(fd, bytes + len, (size_t)about.st_size - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            free(bytes);
            return fail(problem, strerror(errno));
        }
        if (got == 0)
            break;
        len += (size_t)got;
    }
    *text = span_make(bytes, len);
    return true;
}

/* False: `problem` says why. The text is the caller's to free. */
static bool read_file(const char *path, struct span *text, size_t most,
                      char problem[KEY_FILE_PROBLEM_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail(problem, strerror(errno));
    bool fine = read_all(fd, text, most, problem);
    (void)close(fd);
    return fine;
}

static void free_text(struct span text)
{
    free((char *)(uintptr_t)text.at);
}

bool key_file_add_public(const char *path, struct keyset *set, char problem[KEY_FILE_PROBLEM_BYTES])
{
    struct span text;
    if (!read_file(path, &text, KEYSET_TEXT_BYTES, problem))
        return false;
    bool fine = keyset_add_pem(set, text, problem);
    free_text(text);
    return fine;
}

struct apikeys *key_file_read_api(const char *path, char problem[KEY_FILE_PROBLEM_BYTES])
{
    struct span text;
    if (!read_file(path, &text, APIKEYS_FILE_BYTES, problem))
        return NULL;
    struct apikeys *keys = apikeys_parse(text, problem);
    free_text(text);
    return keys;
}

bool key_file_is_open(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && (about.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

bool key_file_changed(const char *path, struct key_file_mark *mark)
{
    struct stat about;
    if (stat(path, &about) != 0)
        return false;
    bool same = about.st_ctim.tv_sec == mark->changed.tv_sec &&
                about.st_ctim.tv_nsec == mark->changed.tv_nsec && about.st_size == mark->size &&
                about.st_ino == mark->inode && about.st_dev == mark->device;
    *mark = (struct key_file_mark){.changed = about.st_ctim,
                                   .size = about.st_size,
                                   .inode = about.st_ino,
                                   .device = about.st_dev};
    return !same;
}
