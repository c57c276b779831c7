/* Two threads write one variable without a lock; ThreadSanitizer must say so. */
#include <pthread.h>
#include <stddef.h>

static long counter;

static void *count(void *context)
{
    for (int i = 0; i < 100000; i++)
        counter++;
    return context;
}

int main(void)
{
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, count, NULL) != 0)
            return 0;
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return counter == 0;
}
