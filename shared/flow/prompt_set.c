#include "shared/flow/prompt_set.h"

#include "shared/base/buf.h"
#include "shared/flow/prompt_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char suffix[] = ".prompt";

enum { SUFFIX_BYTES = sizeof suffix - 1 };

struct prompt_set {
    atomic_size_t references;
    const struct contract *contract;
    struct prompt **prompts; /* by method index */
    size_t overridden;
    char stray[256];
};

/* --- files --- */

static bool fail(struct prompt_set_error *error, const char *message)
{
    return prompt_fail(&error->prompt, 0, "%s", message);
}

static bool read_all(int fd, struct buf *source)
{
    ssize_t n = 1;
    while (n > 0 && !source->overflow) {
        char *room = buf_reserve(source, 4096);
        if (room == NULL)
            break;
        n = read(fd, room, 4096);
        if (n > 0)
            source->len += (size_t)n;
        else if (n < 0 && errno == EINTR)
            n = 1;
    }
    return n == 0;
}

/* *found: there is such a file, and `source` holds it. False: there is one that cannot be used. */
static bool read_file(const char *path, struct buf *source, bool *found,
                      struct prompt_set_error *error)
{
    struct stat about;
    /* Nobody must wait for the writer of a pipe. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *found = fd >= 0;
    if (fd < 0)
        return errno == ENOENT || fail(error, strerror(errno));
    bool fine = false;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
        fine = fail(error, "this is no file");
    else if (about.st_size > PROMPT_SOURCE_BYTES)
        fine = fail(error, "the file is too large");
    else
        fine = read_all(fd, source) || fail(error, "the file cannot be read");
    (void)close(fd);
    return fine;
}

/* --- one prompt --- */

static struct prompt *parse(struct span source, const struct contract_method *method,
                            struct prompt_set_error *error)
{
    return prompt_parse(source, method->request, &error->prompt);
}

static struct prompt *compiled_in(const struct contract *contract,
                                  const struct contract_method *method,
                                  struct prompt_set_error *error)
{
    const struct contract_prompt *source = contract_prompt_find(contract, method->prompt);
    (void)snprintf(error->file, sizeof error->file, "%s%s", method->prompt, suffix);
    if (source != NULL)
        return parse(source->source, method, error);
    (void)fail(error, "there is no such file");
    return NULL;
}

/* NULL with *failed false: the folder has none. */
static struct prompt *from_folder(const char *folder, const struct contract_method *method,
                                  bool *failed, struct prompt_set_error *error)
{
    struct buf source;
    bool found = false;
    struct prompt *prompt = NULL;
    int len = snprintf(error->file, sizeof error->file, "%s/%s%s", folder, method->prompt, suffix);
    *failed = true;
    if (len < 0 || (size_t)len >= sizeof error->file) {
        (void)fail(error, "the path is too long");
        return NULL;
    }
    buf_init(&source, NULL, PROMPT_SOURCE_BYTES + 2 * 4096);
    if (read_file(error->file, &source, &found, error)) {
        *failed = found;
        if (found)
            prompt = parse(buf_span(&source), method, error);
    }
    buf_fini(&source);
    return prompt;
}

static bool add(struct prompt_set *set, const struct contract_method *method, const char *folder,
                struct prompt_set_error *error)
{
    bool failed = false;
    struct prompt **prompt = &set->prompts[method->index];
    if (folder[0] != '\0')
        *prompt = from_folder(folder, method, &failed, error);
    if (*prompt != NULL)
        set->overridden++;
    else if (!failed)
        *prompt = compiled_in(set->contract, method, error);
    return *prompt != NULL;
}

/* --- the set --- */

static bool is_known(const struct contract *contract, const char *file)
{
    size_t len = strlen(file) - SUFFIX_BYTES;
    for (size_t i = 0; i < contract->n_methods; i++)
        if (contract->methods[i].prompt != NULL &&
            span_is(span_make(file, len), contract->methods[i].prompt))
            return true;
    return false;
}

/* A folder that is not there yet is an empty one. */
static void look_for_strays(struct prompt_set *set, const char *folder)
{
    DIR *listing = opendir(folder);
    if (listing == NULL)
        return;
    for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        size_t len = strlen(entry->d_name);
        if (len > SUFFIX_BYTES && strcmp(entry->d_name + len - SUFFIX_BYTES, suffix) == 0 &&
            !is_known(set->contract, entry->d_name))
            (void)snprintf(set->stray, sizeof set->stray, "%s", entry->d_name);
    }
    (void)closedir(listing);
}

struct prompt_set *prompt_set_new(const struct contract *contract, const char *folder,
                                  struct prompt_set_error *error)
{
    *error = (struct prompt_set_error){.prompt = {.line = 0}};
    struct prompt_set *set = calloc(1, sizeof *set);
    must(set != NULL);
    atomic_init(&set->references, 1);
    set->contract = contract;
    set->prompts = calloc(contract->n_methods + 1, sizeof(struct prompt *));
    must(set->prompts != NULL);
    folder = folder != NULL ? folder : "";
    for (size_t i = 0; i < contract->n_methods; i++)
        if (contract->methods[i].prompt != NULL && !add(set, &contract->methods[i], folder, error))
            return prompt_set_unref(set);
    if (folder[0] != '\0')
        look_for_strays(set, folder);
    return set;
}

struct prompt_set *prompt_set_ref(struct prompt_set *set)
{
    (void)atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

struct prompt_set *prompt_set_unref(struct prompt_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) > 1)
        return NULL;
    for (size_t i = 0; i < set->contract->n_methods; i++)
        set->prompts[i] = prompt_free(set->prompts[i]);
    free(set->prompts);
    free(set);
    return NULL;
}

const struct prompt *prompt_set_at(const struct prompt_set *set, size_t method_index)
{
    must(method_index < set->contract->n_methods);
    return set->prompts[method_index];
}

size_t prompt_set_overridden(const struct prompt_set *set)
{
    return set->overridden;
}

const char *prompt_set_stray(const struct prompt_set *set)
{
    return set->stray;
}

/* --- the shelf --- */

void prompt_shelf_init(struct prompt_shelf *shelf, struct prompt_set *set)
{
    must(pthread_mutex_init(&shelf->lock, NULL) == 0);
    shelf->current = set;
}

void prompt_shelf_fini(struct prompt_shelf *shelf)
{
    shelf->current = prompt_set_unref(shelf->current);
    must(pthread_mutex_destroy(&shelf->lock) == 0);
}

struct prompt_set *prompt_shelf_take(struct prompt_shelf *shelf)
{
    must(pthread_mutex_lock(&shelf->lock) == 0);
    struct prompt_set *set = prompt_set_ref(shelf->current);
    must(pthread_mutex_unlock(&shelf->lock) == 0);
    return set;
}

void prompt_shelf_put(struct prompt_shelf *shelf, struct prompt_set *set)
{
    must(pthread_mutex_lock(&shelf->lock) == 0);
    struct prompt_set *old = shelf->current;
    shelf->current = set;
    must(pthread_mutex_unlock(&shelf->lock) == 0);
    (void)prompt_set_unref(old);
}
