/* Overflows a signed integer; UndefinedBehaviorSanitizer must stop it. */
#include <limits.h>

int main(int argc, char **argv)
{
    (void)argv;
    volatile int most = INT_MAX;
    volatile int sum = most + argc;
    return sum == 0;
}
