/* weir: settings in, exit code out. */
#include "server/command.h"
#include "server/config.h"
#include "server/lifecycle.h"
#include "server/probe.h"
#include "shared/base/audit.h"
#include "shared/base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

static enum log_level level_of(const char *name)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    size_t i = 0;
    while (strcmp(names[i], name) != 0)
        i++;
    return (enum log_level)i;
}

/* Before there are threads, so that all have it; what the jail adds comes later. */
static void refuse_new_privileges(void)
{
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Secrets are in this memory: no core file, no ptrace by others of the same user. */
static void keep_memory_private(void)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
}

/* A missing standard descriptor would be given to the first connection, and log lines with it. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", O_RDWR);
}

int main(int argc, char **argv)
{
    struct config config;
    char error[CONFIG_ERROR_BYTES] = "", why[128] = "";
    sigset_t signals;
    int command_code = 0;
    fill_standard_descriptors();
    if (command_run(argc, argv, stdout, stderr, &command_code))
        return command_code;
    enum config_outcome outcome = config_load(&config, argc, argv, environ, stdout, error);
    if (outcome == CONFIG_PROBE) {
        int code = probe_run(&config);
        config_fini(&config);
        return code;
    }
    if (outcome != CONFIG_RUN) {
        if (outcome == CONFIG_REFUSE)
            (void)fprintf(stderr, "weir: %s\n", error);
        config_fini(&config);
        return outcome == CONFIG_REFUSE ? 2 : 0;
    }
    refuse_new_privileges();
    if (!config.debug)
        keep_memory_private();
    (void)signal(SIGPIPE, SIG_IGN);
    /* Signals are the main thread's: all others inherit this mask, and lifecycle_run takes it off.
     */
    (void)sigfillset(&signals);
    (void)pthread_sigmask(SIG_SETMASK, &signals, NULL);
    json_object_seed(0); /* against keys chosen to collide; once, before there are threads */
    const struct log_settings log = {
        .level = level_of(config.log_level),
        .format = strcmp(config.log_format, "json") == 0 ? LOG_JSON : LOG_CONSOLE,
        .severity = config.cloud_run,
        .fd = STDOUT_FILENO,
    };
    if (!audit_start(config.audit_log_file, config.audit_retention_ms, why)) {
        (void)fprintf(stderr, "weir: AUDIT_LOG_FILE: %s\n", why);
        config_fini(&config);
        return 2;
    }
    log_start(&log);
    int code = lifecycle_run(&config, &weir_contract);
    log_stop(1000);
    config_fini(&config);
    return code;
}
