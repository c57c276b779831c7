/* Linear probing; a removed slot is closed by moving later ones back (Knuth 6.4, algorithm R), so
 * there are no tombstones to pile up. */
#include "server/tally.h"

#include <stdlib.h>
#include <string.h>

struct tally_slot {
    uint64_t key[2];
    uint32_t count; /* 0: free */
};

enum { FIRST_CAPACITY = 64 };

void tally_init(struct tally *tally, size_t most, size_t most_per_address, uint64_t seed)
{
    *tally = (struct tally){.most = most, .most_per_address = most_per_address, .seed = seed | 1};
    tally->capacity = FIRST_CAPACITY;
    tally->slots = calloc(tally->capacity, sizeof *tally->slots);
    must(tally->slots != NULL);
}

void tally_fini(struct tally *tally)
{
    free(tally->slots);
    tally->slots = NULL;
}

static void key_of(const struct peer *peer, uint64_t key[2])
{
    memcpy(key, peer->address, 16);
    if (!peer_is_v4(peer))
        key[1] = 0;
}

/* Multiplication by a secret odd number and a fold; enough to keep chosen addresses apart. */
static size_t home_of(const struct tally *tally, const uint64_t key[2])
{
    uint64_t hash = (key[0] ^ (key[0] >> 31)) * tally->seed;
    hash = (hash ^ (hash >> 29) ^ key[1]) * (tally->seed * 0x9e3779b97f4a7c15U | 1);
    return (size_t)(hash ^ (hash >> 32)) & (tally->capacity - 1);
}

/* The slot with the key, or the free one where it would go. */
static struct tally_slot *slot_of(const struct tally *tally, const uint64_t key[2])
{
    size_t i = home_of(tally, key);
    while (tally->slots[i].count > 0 && memcmp(tally->slots[i].key, key, 16) != 0)
        i = (i + 1) & (tally->capacity - 1);
    return &tally->slots[i];
}

static void grow(struct tally *tally)
{
    struct tally_slot *old = tally->slots;
    size_t old_capacity = tally->capacity;
    tally->capacity *= 2;
    tally->slots = calloc(tally->capacity, sizeof *tally->slots);
    must(tally->slots != NULL);
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].count > 0)
            *slot_of(tally, old[i].key) = old[i];
    free(old);
}

bool tally_admit(struct tally *tally)
{
    if (tally->open >= tally->most)
        return false;
    tally->open++;
    return true;
}

void tally_dismiss(struct tally *tally)
{
    must(tally->open > 0);
    tally->open--;
}

enum tally_result tally_name(struct tally *tally, const struct peer *peer)
{
    uint64_t key[2];
    if (tally->addresses * 2 >= tally->capacity)
        grow(tally);
    key_of(peer, key);
    struct tally_slot *slot = slot_of(tally, key);
    if (slot->count >= tally->most_per_address) {
        tally_dismiss(tally);
        return TALLY_ADDRESS_FULL;
    }
    if (slot->count == 0) {
        memcpy(slot->key, key, sizeof key);
        tally->addresses++;
    }
    slot->count++;
    return TALLY_FINE;
}

enum tally_result tally_enter(struct tally *tally, const struct peer *peer)
{
    return tally_admit(tally) ? tally_name(tally, peer) : TALLY_FULL;
}

static void close_gap(struct tally *tally, size_t gap)
{
    size_t mask = tally->capacity - 1;
    for (size_t i = (gap + 1) & mask; tally->slots[i].count > 0; i = (i + 1) & mask) {
        size_t home = home_of(tally, tally->slots[i].key);
        /* Stays if its home lies between the gap (not included) and where it is. */
        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        tally->slots[gap] = tally->slots[i];
        tally->slots[i].count = 0;
        gap = i;
    }
}

void tally_leave(struct tally *tally, const struct peer *peer)
{
    uint64_t key[2];
    key_of(peer, key);
    struct tally_slot *slot = slot_of(tally, key);
    must(slot->count > 0 && tally->open > 0);
    tally->open--;
    if (--slot->count > 0)
        return;
    tally->addresses--;
    close_gap(tally, (size_t)(slot - tally->slots));
}
