"""Bounds on waits, stretched by WEIR_TEST_SLOWNESS for slow builds."""
import ctypes
import os
import signal
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
SLOWNESS = float(os.environ.get("WEIR_TEST_SLOWNESS", "1"))


def slow(seconds):
    """A bound on a wait, stretched for slow builds."""
    return seconds * SLOWNESS


def wait_until(true, seconds, what="the condition"):
    """Waits until true() holds; the test fails when it does not in time."""
    end = time.monotonic() + slow(seconds)
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {slow(seconds):.1f} s")
        time.sleep(0.01)


def die_with_parent():
    """For preexec_fn: a test that is killed leaves no process behind."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
