/* Files of settings: .env files, and files that hold one secret. */
#include "server/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_FILE_BYTES = 64 * 1024 };

/* Takes the quotes off in place; false: they do not close, or something follows. */
static bool unquote(char *text)
{
    char quote = *text, *to = text, *from = text + 1;
    while (*from != quote) {
        if (*from == '\0')
            return false;
        if (quote == '"' && *from == '\\' && from[1] != '\0') {
            from++;
            *to++ = *from == 'n' ? '\n' : *from;
            from++;
        } else {
            *to++ = *from++;
        }
    }
    from += 1 + strspn(from + 1, " \t");
    *to = '\0';
    return *from == '\0' || *from == '#';
}

/* A plain value ends at " #" or the line's end. */
static void cut_comment(char *text)
{
    for (char *at = text; *at != '\0'; at++) {
        if (*at == '#' && (at == text || isspace((unsigned char)at[-1]))) {
            *at = '\0';
            break;
        }
    }
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
}

static bool parse_line(char *line, unsigned number, const char *file_name, config_assign assign,
                       void *context, char error[CONFIG_ERROR_BYTES])
{
    line += strspn(line, " \t\r");
    if (*line == '\0' || *line == '#')
        return true;
    if (strncmp(line, "export", 6) == 0 && (line[6] == ' ' || line[6] == '\t'))
        line += 6 + strspn(line + 6, " \t");
    size_t name_len =
        strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    char *value = line + name_len + strspn(line + name_len, " \t");
    if (name_len == 0 || *value != '=') {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s, line %u: NAME=value is expected", file_name,
                       number);
        return false;
    }
    value += 1 + strspn(value + 1, " \t");
    if (*value == '"' || *value == '\'') {
        size_t len = strlen(value);
        while (len > 0 && isspace((unsigned char)value[len - 1]))
            value[--len] = '\0';
        if (!unquote(value)) {
            (void)snprintf(error, CONFIG_ERROR_BYTES, "%s, line %u: the quotes do not close",
                           file_name, number);
            return false;
        }
    } else {
        cut_comment(value);
    }
    return assign(context, span_make(line, name_len), value, number, error);
}

bool config_parse_env_file(char *text, size_t len, const char *file_name, config_assign assign,
                           void *context, char error[CONFIG_ERROR_BYTES])
{
    unsigned number = 1;
    if (strlen(text) != len) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s: there is a NUL byte in it", file_name);
        return false;
    }
    for (char *line = text; line != NULL; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        if (!parse_line(line, number, file_name, assign, context, error))
            return false;
        line = end != NULL ? end + 1 : NULL;
    }
    return true;
}

/* At most `most` bytes; -1 where reading fails. */
static ssize_t read_bytes(int fd, char *to, size_t most)
{
    size_t len = 0;
    while (len < most) {
        ssize_t got = read(fd, to + len, most - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

/* What is wrong with the file, NULL when nothing is. */
static const char *read_plain_file(int fd, char *text, size_t *len, bool *open_to_others)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return strerror(errno);
    if (!S_ISREG(about.st_mode))
        return "it is not a plain file";
    *open_to_others = (about.st_mode & (S_IRGRP | S_IROTH)) != 0;
    ssize_t got = read_bytes(fd, text, MOST_FILE_BYTES + 1);
    if (got < 0)
        return strerror(errno);
    if (got > MOST_FILE_BYTES)
        return "it is larger than 64 KiB";
    *len = (size_t)got;
    text[*len] = '\0';
    return strlen(text) == *len ? NULL : "there is a NUL byte in it";
}

char *config_read_file(const char *path, size_t *len, bool *open_to_others, bool *missing,
                       char error[CONFIG_ERROR_BYTES])
{
    const char *problem = NULL;
    char *text = NULL;
    *missing = false;
    /* Not to wait for who writes into it, should it be a pipe. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        *missing = errno == ENOENT;
        problem = strerror(errno);
    } else {
        text = malloc(MOST_FILE_BYTES + 2);
        must(text != NULL);
        problem = read_plain_file(fd, text, len, open_to_others);
        (void)close(fd);
    }
    if (problem == NULL)
        return text;
    (void)snprintf(error, CONFIG_ERROR_BYTES, "%.200s cannot be read: %s", path, problem);
    if (text != NULL)
        explicit_bzero(text, MOST_FILE_BYTES + 2);
    free(text);
    return NULL;
}
