"""Bounds on waits, stretched by WEIR_TEST_SLOWNESS for slow builds."""
import os
import time

SLOWNESS = float(os.environ.get("WEIR_TEST_SLOWNESS", "1"))


def slow(seconds):
    """A bound on a wait, stretched for slow builds."""
    return seconds * SLOWNESS


def wait_until(true, seconds, what="the condition", pause=0.01):
    """Waits until true() holds, with a pause between looks; the test fails when it does not in time."""
    end = time.monotonic() + slow(seconds)
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {slow(seconds):.1f} s")
        time.sleep(pause)


def with_parent(words, nofile=None):
    """The words of a command that dies with its parent, so that a test that is killed leaves no
    process behind; nofile: its RLIMIT_NOFILE.

    Other programs set this up, not a preexec_fn: with one, Python forks, and the fork handlers of
    grpcio's C core now and then abort the whole test (thread_pool.cc, "state_ == kRunning")."""
    limit = ["prlimit", f"--nofile={nofile}:{nofile}"] if nofile else []
    return [*limit, "setpriv", "--pdeathsig", "KILL", "--", *words]
