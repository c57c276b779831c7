/* Writes behind a heap block; AddressSanitizer must stop it. */
#include <stdlib.h>

static char *volatile block;

int main(int argc, char **argv)
{
    (void)argv;
    block = malloc(16);
    if (block == NULL)
        return 0;
    block[15 + argc] = 'x';
    free(block);
    return 0;
}
