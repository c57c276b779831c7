#include "shared/pipeline/sharing.h"

#include <stdlib.h>
#include <sys/random.h>

/* Each flight has a request that waits for it, so this is no limit on honest load. */
enum { MOST_FLIGHTS = 65536 };

static struct siphash_key new_seed(void)
{
    struct siphash_key seed;
    must(getrandom(&seed, sizeof seed, 0) == sizeof seed);
    return seed;
}

struct sharing *sharing_new(const struct sharing_settings *settings)
{
    const struct cache_settings cache = {.most_entries = settings->most_entries,
                                         .most_bytes = settings->most_bytes,
                                         .ttl_ns = settings->ttl_ms * 1000000U,
                                         .seed = new_seed()};
    const struct flight_settings flights = {
        .most = MOST_FLIGHTS, .workers = settings->workers, .seed = new_seed()};
    struct sharing *sharing = calloc(1, sizeof *sharing);
    must(sharing != NULL);
    sharing->cache = cache_new(&cache);
    sharing->flights = flights_new(&flights);
    sharing->keys = cache_key_maker_new();
    sharing->model = settings->model;
    return sharing;
}

struct sharing *sharing_free(struct sharing *sharing)
{
    if (sharing == NULL)
        return NULL;
    sharing->flights = flights_free(sharing->flights);
    sharing->cache = cache_free(sharing->cache);
    sharing->keys = cache_key_maker_free(sharing->keys);
    free(sharing);
    return NULL;
}

const char *share_state_name(enum share_state state)
{
    static const char *const names[] = {
        [SHARE_UNKNOWN] = NULL, [SHARE_HIT] = "hit",         [SHARE_MISS] = "miss",
        [SHARE_JOIN] = "join",  [SHARE_REFRESH] = "refresh", [SHARE_BYPASS] = "bypass"};
    return names[state];
}
