/* The text forms of settings. The first byte chooses: a .env file, or one value for a setting. */
#include "server/config.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is accepted lies within the row's bounds; whatever is refused says why, in one line that
 * a terminal shows as it is, and without the secret. */
static void check_value(size_t index, const char *text)
{
    static const char *const unset = "";
    struct config config = {0};
    char error[CONFIG_ERROR_BYTES] = "";
    const struct config_row *row = &config_rows[index];
    const void *at = (const char *)&config + row->offset;
    uint64_t unit = row->kind == CONFIG_SECONDS ? 1000 : 1;
    if (!config_parse(&config, index, text, error)) {
        must(error[0] != '\0');
        for (const char *c = error; *c != '\0'; c++)
            must(!iscntrl((unsigned char)*c));
        must(row->kind != CONFIG_SECRET || strlen(text) < 4 || strstr(error, text) == NULL);
        return;
    }
    switch (row->kind) {
    case CONFIG_TEXT:
    case CONFIG_SECRET:
    case CONFIG_CHOICE:
    case CONFIG_CIDRS:
        must(*(const char *const *)at == text);
        break;
    case CONFIG_FLAG:
        break;
    case CONFIG_RATE:
        must(strcmp(text, unset) == 0 || (((const struct rate *)at)->count >= row->least &&
                                          ((const struct rate *)at)->count <= row->most));
        break;
    case CONFIG_COUNT_OR_OFF:
        must(strcmp(text, unset) == 0 ||
             (*(const uint64_t *)at == CONFIG_OFF
                  ? strcasecmp(text, "off") == 0
                  : *(const uint64_t *)at >= row->least && *(const uint64_t *)at <= row->most));
        break;
    default:
        must(strcmp(text, unset) == 0 || (*(const uint64_t *)at >= row->least * unit &&
                                          *(const uint64_t *)at <= row->most * unit));
    }
}

struct seen {
    const char *begin, *end; /* the caller's buffer, where names and values have to lie */
    unsigned line;
};

static bool see(void *context, struct span name, const char *value, unsigned line,
                char error[CONFIG_ERROR_BYTES])
{
    struct seen *seen = context;
    (void)error;
    must(name.len > 0 && name.at >= seen->begin && name.at + name.len <= seen->end);
    must(value >= seen->begin && value + strlen(value) <= seen->end);
    must(line > seen->line);
    seen->line = line;
    size_t index = config_find(name);
    if (index < CONFIG_COUNT_OF_SETTINGS)
        check_value(index, value);
    return true;
}

static void check_file(char *text, size_t len)
{
    char error[CONFIG_ERROR_BYTES] = "";
    struct seen seen = {.begin = text, .end = text + len};
    bool fine = config_parse_env_file(text, len, ".env", see, &seen, error);
    must(fine == (error[0] == '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = malloc(size);
    must(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] == 'F')
        check_file(text, size - 1);
    else
        check_value(data[0] % CONFIG_COUNT_OF_SETTINGS, text);
    free(text);
    return 0;
}
