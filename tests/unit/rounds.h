/* How often a test repeats what is mere repetition: a sanitizer takes its time, and sees in an
 * eighth of the rounds what it would see in all. What a test says of sizes that matter by
 * themselves stays as it is, or shrinks together with the bound. */
#ifndef WEIR_TESTS_ROUNDS_H
#define WEIR_TESTS_ROUNDS_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROUNDS_OF(n) ((n) / 8)
#else
#define ROUNDS_OF(n) (n)
#endif

#endif
