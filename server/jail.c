#include "server/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool is_built = false;
#else
static const bool is_built = true;
#endif

/* By what needs them. A call that is missing here fails with EPERM, which the C library and the
 * libraries of weir report as an ordinary error. */
static const int allowed[] = {
    /* bytes in and out */
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(fcntl),
    SCMP_SYS(pipe2),
    SCMP_SYS(eventfd2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    /* files: certificates, keys, prompts, the resolver's; logs and their rotation */
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(stat),
    SCMP_SYS(fstat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents64),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fchmod),
    SCMP_SYS(flock),
    SCMP_SYS(fadvise64),
    /* connections */
    SCMP_SYS(socketpair),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(connect),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(sendto),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(recvmmsg),
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(mprotect),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock),
    SCMP_SYS(munlock),
    SCMP_SYS(msync),
    /* threads and signals: the C core and the resolver start threads as they need them. clone3
     * hides its flags from a filter; the C library falls back to clone when it is told ENOSYS. */
    SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(futex),
    SCMP_SYS(membarrier),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    /* time, randomness, who am I */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(times),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrlimit),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    SCMP_SYS(getcpu),
};

/* Only for threads of this process: not fork, and no namespaces of its own. */
enum { THREAD_FLAGS = 0x00010000 /* CLONE_THREAD */ };

static int allow(scmp_filter_ctx filter, int call)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
}

static int allow_if(scmp_filter_ctx filter, int call, struct scmp_arg_cmp condition)
{
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition);
}

static int add_conditions(scmp_filter_ctx filter)
{
    static const unsigned families[] = {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK};
    static const unsigned long requests[] = {FIONREAD, FIONBIO, FIOCLEX, TCGETS};
    const scmp_datum_t pid = (scmp_datum_t)getpid();
    int bad = 0;
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        bad |= allow_if(filter, SCMP_SYS(socket), SCMP_A0_32(SCMP_CMP_EQ, families[i]));
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        bad |= allow_if(filter, SCMP_SYS(ioctl), SCMP_A1_32(SCMP_CMP_EQ, requests[i]));
    bad |= allow_if(filter, SCMP_SYS(clone),
                    SCMP_A0_64(SCMP_CMP_MASKED_EQ, THREAD_FLAGS, THREAD_FLAGS));
    bad |= allow_if(filter, SCMP_SYS(prctl), SCMP_A0_32(SCMP_CMP_EQ, PR_SET_NAME));
    bad |= allow_if(filter, SCMP_SYS(prctl), SCMP_A0_32(SCMP_CMP_EQ, PR_SET_VMA));
    /* abort() and raise(), not signals to others. */
    bad |= allow_if(filter, SCMP_SYS(tgkill), SCMP_A0_64(SCMP_CMP_EQ, pid));
    bad |= allow_if(filter, SCMP_SYS(kill), SCMP_A0_64(SCMP_CMP_EQ, pid));
    /* Reads the limits of this process only. */
    bad |= allow_if(filter, SCMP_SYS(prlimit64), SCMP_A2_64(SCMP_CMP_EQ, 0));
    bad |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return bad;
}

static bool install(char error[256])
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int bad = filter == NULL ? -ENOMEM : 0;
    if (bad == 0)
        bad = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (bad == 0) /* a binary tree in place of a long chain: older libraries lack it */
        (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    for (size_t i = 0; bad == 0 && i < sizeof allowed / sizeof allowed[0]; i++)
        bad = allow(filter, allowed[i]);
    if (bad == 0)
        bad = add_conditions(filter);
    if (bad == 0)
        bad = seccomp_load(filter);
    if (filter != NULL)
        seccomp_release(filter);
    if (bad != 0)
        (void)snprintf(error, 256, "the seccomp filter could not be installed: %s", strerror(-bad));
    return bad == 0;
}

static bool fails(long result)
{
    return result == -1 && errno == EPERM;
}

/* Calls that an attacker would want, each harmless if it were let through. */
static bool verify(char error[256])
{
    static char *const none[] = {NULL};
    const char *open = NULL;
    if (prctl(PR_GET_NO_NEW_PRIVS) == 0) /* not on the list: has to fail, too */
        open = "prctl";
    if (!fails(execve("/nonexistent", none, none)))
        open = "execve";
    if (!fails(syscall(SYS_ptrace, 0x4206 /* PTRACE_SEIZE */, 0, 0, 0)))
        open = "ptrace";
    if (!fails(syscall(SYS_unshare, 0)))
        open = "unshare";
    if (!fails(socket(AF_PACKET, SOCK_RAW, 0)))
        open = "socket";
    if (open != NULL)
        (void)snprintf(error, 256, "the seccomp filter is installed and %s is still possible",
                       open);
    return open == NULL;
}

enum jail_result jail_close(char error[256])
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        (void)snprintf(error, 256, "no_new_privs: %s", strerror(errno));
        return JAIL_FAILED;
    }
    if (!is_built)
        return JAIL_NOT_BUILT;
    return install(error) && verify(error) ? JAIL_CLOSED : JAIL_FAILED;
}
