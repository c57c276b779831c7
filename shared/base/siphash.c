#include "shared/base/siphash.h"

#include <endian.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned by)
{
    return (x << by) | (x >> (64 - by));
}

static void mix(struct state *s, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        s->v0 += s->v1;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

static uint64_t read_word(const void *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return le64toh(word);
}

static uint64_t fold(const struct state *s)
{
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

struct siphash siphash128(const struct siphash_key *key, struct span text)
{
    uint64_t k0 = read_word(key->bytes), k1 = read_word(key->bytes + 8);
    struct state s = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ 0xee,
                      k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
    size_t left = text.len;
    const char *at = text.at;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word = read_word(at);
        s.v3 ^= word;
        mix(&s, 2);
        s.v0 ^= word;
    }
    uint64_t last = (uint64_t)text.len << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)(unsigned char)at[i] << (8 * i);
    s.v3 ^= last;
    mix(&s, 2);
    s.v0 ^= last;
    s.v2 ^= 0xee;
    mix(&s, 4);
    struct siphash hash = {.a = fold(&s)};
    s.v1 ^= 0xdd;
    mix(&s, 4);
    hash.b = fold(&s);
    return hash;
}
