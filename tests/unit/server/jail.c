/* What the jail lets through and what it does not; in a child each, since there is no way out. */
#include "server/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool is_built = false;
#else
static const bool is_built = true;
#endif

/* Runs `attempt` in a closed jail; true: the jail was closed and the attempt said yes. */
static bool in_jail(bool (*attempt)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char error[256] = "";
        enum jail_result result = jail_close(error);
        if (!is_built)
            _exit(result == JAIL_NOT_BUILT ? 0 : 2);
        _exit(result == JAIL_CLOSED && attempt() ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool is_refused(long result)
{
    return result == -1 && errno == EPERM;
}

static bool cannot_exec(void)
{
    char *const words[] = {(char *)(uintptr_t) "true", NULL};
    return is_refused(execve("/bin/true", words, words + 1));
}

static bool cannot_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return is_refused(child);
}

static bool cannot_signal_others(void)
{
    return is_refused(kill(getppid(), 0)) && kill(getpid(), 0) == 0;
}

static bool cannot_make_raw_sockets(void)
{
    return is_refused(socket(AF_PACKET, SOCK_RAW, 0)) &&
           is_refused(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static bool cannot_administer(void)
{
    return is_refused(syscall(SYS_mount, "a", "b", "c", 0, NULL)) &&
           is_refused(syscall(SYS_bpf, 0, NULL, 0)) && is_refused(syscall(SYS_setuid, 0)) &&
           is_refused(syscall(SYS_io_uring_setup, 1, NULL)) &&
           is_refused(syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0)) &&
           is_refused(syscall(SYS_keyctl, 0)) && is_refused(syscall(SYS_memfd_create, "a", 0)) &&
           is_refused(syscall(SYS_chmod, "/nonexistent", 0));
}

static void *nothing(void *argument)
{
    return argument;
}

static bool still_serves(void)
{
    pthread_t thread;
    void *answer = NULL;
    int something = 0;
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    int file = open("/etc/passwd", O_RDONLY);
    if (fd < 0 || file < 0 || listen(fd, 1) != 0)
        return false;
    return pthread_create(&thread, NULL, nothing, &something) == 0 &&
           pthread_join(thread, &answer) == 0 && answer == &something;
}

static void refuses_what_serving_does_not_take(void **state)
{
    (void)state;
    assert_true(in_jail(cannot_exec));
    assert_true(in_jail(cannot_fork));
    assert_true(in_jail(cannot_signal_others));
    assert_true(in_jail(cannot_make_raw_sockets));
    assert_true(in_jail(cannot_administer));
}

static void lets_through_what_serving_takes(void **state)
{
    (void)state;
    assert_true(in_jail(still_serves));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_serving_does_not_take),
        cmocka_unit_test(lets_through_what_serving_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
