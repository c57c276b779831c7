/* A table keyed by the field's address in the contract; written by main before there are other
 * threads, read-only from then on. */
#include "shared/flow/patterns.h"

#include <regex.h>
#include <stdlib.h>

struct pattern {
    const struct contract_field *field;
    regex_t regex;
};

static struct {
    struct pattern *at;
    size_t n;
} patterns;

/* The messages that were looked through already: they may refer to each other in circles. */
struct visit {
    const struct contract_message **seen;
    size_t n;
    const char *bad;
};

void patterns_shutdown(void)
{
    for (size_t i = 0; i < patterns.n; i++)
        regfree(&patterns.at[i].regex);
    free(patterns.at);
    patterns.at = NULL;
    patterns.n = 0;
}

static bool compile(struct visit *visit, const struct contract_field *field)
{
    regex_t regex;
    if (regcomp(&regex, field->rules.pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        visit->bad = field->rules.pattern;
        return false;
    }
    patterns.at = realloc(patterns.at, (patterns.n + 1) * sizeof *patterns.at);
    must(patterns.at != NULL);
    patterns.at[patterns.n++] = (struct pattern){field, regex};
    return true;
}

static bool visit_message(struct visit *visit, const struct contract_message *type)
{
    for (size_t i = 0; i < visit->n; i++)
        if (visit->seen[i] == type)
            return true;
    visit->seen = realloc(visit->seen, (visit->n + 1) * sizeof(struct contract_message *));
    must(visit->seen != NULL);
    visit->seen[visit->n++] = type;
    for (size_t i = 0; i < type->pb->n_fields; i++) {
        const struct contract_field *field = &type->fields[i];
        if (field->rules.pattern != NULL && !compile(visit, field))
            return false;
        if (field->message != NULL && !visit_message(visit, field->message))
            return false;
    }
    return true;
}

bool patterns_prepare(const struct contract *contract, const char **bad)
{
    struct visit visit = {0};
    bool fine = true;
    patterns_shutdown();
    for (size_t i = 0; fine && i < contract->n_methods; i++)
        fine = visit_message(&visit, contract->methods[i].request) &&
               visit_message(&visit, contract->methods[i].response);
    free(visit.seen);
    if (!fine)
        patterns_shutdown();
    *bad = visit.bad;
    return fine;
}

bool patterns_match(const struct contract_field *field, const char *text)
{
    size_t i = 0;
    while (i < patterns.n && patterns.at[i].field != field)
        i++;
    must(i < patterns.n);
    return regexec(&patterns.at[i].regex, text, 0, NULL, 0) == 0;
}
