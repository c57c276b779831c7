/* Loses a heap block; LeakSanitizer must say so at exit. */
#include <stdlib.h>
#include <string.h>

static void *volatile held;

int main(void)
{
    held = malloc(1000);
    if (held != NULL)
        memset(held, 1, 1000);
    held = NULL;
    return 0;
}
