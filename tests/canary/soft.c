/* Built without any hardening: the check of the hardening must refuse it. */
#include <stdio.h>

int main(int argc, char **argv)
{
    char text[64];
    snprintf(text, sizeof text, "%s %d", argv[0], argc);
    return puts(text) < 0;
}
