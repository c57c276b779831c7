#include "shared/policy/token_memory.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum { SHARDS = 16, WAYS = 8 };

struct entry {
    unsigned char digest[TOKEN_DIGEST_BYTES];
    uint64_t generation;
    int64_t expires_s;
    int64_t since_s; /* when it was verified: if the clock is set back, it is verified anew */
    uint64_t used;   /* the shard's clock when it was last found; 0: the entry is free */
    char *text;      /* owned: subject, tenant, scopes, one behind the other, a NUL behind each */
    size_t subject_len, tenant_len, scopes_len;
};

struct shard {
    pthread_mutex_t mutex;
    struct entry *entries; /* sets_a_shard * WAYS */
    uint64_t clock;
    struct token_memory_stats stats;
} __attribute__((aligned(64)));

struct token_memory {
    EVP_MD *sha256; /* fetched once: looking it up costs as much as a short hash */
    size_t sets_a_shard;
    struct shard shards[SHARDS];
};

struct token_memory *token_memory_new(size_t entries)
{
    struct token_memory *memory = aligned_alloc(64, sizeof *memory);
    must(memory != NULL);
    memset(memory, 0, sizeof *memory);
    memory->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(memory->sha256 != NULL);
    memory->sets_a_shard = (entries + SHARDS * WAYS - 1) / (SHARDS * WAYS);
    if (memory->sets_a_shard == 0)
        memory->sets_a_shard = 1;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &memory->shards[i];
        must(pthread_mutex_init(&shard->mutex, NULL) == 0);
        shard->entries = calloc(memory->sets_a_shard * WAYS, sizeof *shard->entries);
        must(shard->entries != NULL);
    }
    return memory;
}

struct token_memory *token_memory_free(struct token_memory *memory)
{
    if (memory == NULL)
        return NULL;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &memory->shards[i];
        for (size_t j = 0; j < memory->sets_a_shard * WAYS; j++)
            free(shard->entries[j].text);
        free(shard->entries);
        must(pthread_mutex_destroy(&shard->mutex) == 0);
    }
    EVP_MD_free(memory->sha256);
    free(memory);
    return NULL;
}

void token_memory_digest(const struct token_memory *memory, struct span token,
                         struct token_digest *digest)
{
    must(EVP_Digest(token.at, token.len, digest->bytes, NULL, memory->sha256, NULL) == 1);
}

static struct shard *shard_of(struct token_memory *memory, const struct token_digest *digest)
{
    return &memory->shards[digest->bytes[0] % SHARDS];
}

/* The first of the WAYS entries where the token may be. */
static struct entry *set_of(const struct token_memory *memory, struct shard *shard,
                            const struct token_digest *digest)
{
    uint32_t number = 0;
    memcpy(&number, digest->bytes + 1, sizeof number);
    return &shard->entries[number % memory->sets_a_shard * WAYS];
}

static bool is_of_use(const struct entry *entry, uint64_t generation, int64_t now_s)
{
    return entry->used != 0 && entry->generation == generation && now_s >= entry->since_s &&
           now_s < entry->expires_s;
}

static struct entry *find_locked(struct entry *set, const struct token_digest *digest)
{
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].used != 0 && memcmp(set[i].digest, digest->bytes, TOKEN_DIGEST_BYTES) == 0)
            return &set[i];
    return NULL;
}

static void copy_locked(const struct entry *entry, struct arena *arena, struct token_claims *claims)
{
    size_t len = entry->subject_len + entry->tenant_len + entry->scopes_len + 3;
    char *text = arena_alloc(arena, len);
    memcpy(text, entry->text, len);
    claims->subject = span_make(text, entry->subject_len);
    text += entry->subject_len + 1;
    claims->tenant = span_make(text, entry->tenant_len);
    claims->scopes = span_make(text + entry->tenant_len + 1, entry->scopes_len);
    claims->expires_s = entry->expires_s;
}

bool token_memory_find(struct token_memory *memory, const struct token_digest *digest,
                       uint64_t generation, int64_t now_s, struct arena *arena,
                       struct token_claims *claims)
{
    struct shard *shard = shard_of(memory, digest);
    must(pthread_mutex_lock(&shard->mutex) == 0);
    struct entry *entry = find_locked(set_of(memory, shard, digest), digest);
    bool found = entry != NULL && is_of_use(entry, generation, now_s);
    if (found) {
        entry->used = ++shard->clock;
        copy_locked(entry, arena, claims);
        shard->stats.hits++;
    } else {
        shard->stats.misses++;
    }
    must(pthread_mutex_unlock(&shard->mutex) == 0);
    return found;
}

/* The token's own entry, else one that is of no use, else the least recently used one. */
static struct entry *place_locked(struct entry *set, const struct token_digest *digest,
                                  uint64_t generation, int64_t now_s)
{
    struct entry *place = find_locked(set, digest);
    for (size_t i = 0; i < WAYS && place == NULL; i++)
        if (!is_of_use(&set[i], generation, now_s))
            place = &set[i];
    if (place != NULL)
        return place;
    place = &set[0];
    for (size_t i = 1; i < WAYS; i++)
        if (set[i].used < place->used)
            place = &set[i];
    return place;
}

void token_memory_put(struct token_memory *memory, const struct token_digest *digest,
                      uint64_t generation, int64_t now_s, const struct token_claims *claims)
{
    size_t len = claims->subject.len + claims->tenant.len + claims->scopes.len;
    if (len > TOKEN_MEMORY_TEXT_BYTES)
        return;
    char *text = malloc(len + 3);
    must(text != NULL);
    struct span parts[] = {claims->subject, claims->tenant, claims->scopes};
    char *to = text;
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].len > 0)
            memcpy(to, parts[i].at, parts[i].len);
        to += parts[i].len;
        *to++ = '\0';
    }
    struct shard *shard = shard_of(memory, digest);
    must(pthread_mutex_lock(&shard->mutex) == 0);
    struct entry *entry = place_locked(set_of(memory, shard, digest), digest, generation, now_s);
    char *before = entry->text;
    bool same = memcmp(entry->digest, digest->bytes, TOKEN_DIGEST_BYTES) == 0;
    if (!same && is_of_use(entry, generation, now_s))
        shard->stats.evicted++;
    if (entry->used == 0)
        shard->stats.entries++;
    shard->stats.stored++;
    *entry = (struct entry){.generation = generation,
                            .expires_s = claims->expires_s,
                            .since_s = now_s,
                            .used = ++shard->clock,
                            .text = text,
                            .subject_len = claims->subject.len,
                            .tenant_len = claims->tenant.len,
                            .scopes_len = claims->scopes.len};
    memcpy(entry->digest, digest->bytes, TOKEN_DIGEST_BYTES);
    must(pthread_mutex_unlock(&shard->mutex) == 0);
    free(before);
}

void token_memory_stats(struct token_memory *memory, struct token_memory_stats *stats)
{
    *stats = (struct token_memory_stats){0};
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &memory->shards[i];
        must(pthread_mutex_lock(&shard->mutex) == 0);
        stats->hits += shard->stats.hits;
        stats->misses += shard->stats.misses;
        stats->stored += shard->stats.stored;
        stats->evicted += shard->stats.evicted;
        stats->entries += shard->stats.entries;
        must(pthread_mutex_unlock(&shard->mutex) == 0);
    }
}
