"""What an attack costs: CPU and memory of weir, and what honest callers feel meanwhile (N3).

`Hostile` is a test case over two weirs: one is attacked, and `control` is let alone. `with
self.attack(name):` runs beside an honest caller of both, prints one line, and asserts the bounds.
Whatever else the machine does, the attacker's own work included, both weirs meet in the same
moments: what honest callers of the one feel and those of the other do not is weir's doing.
Sanitizers make memory and CPU incomparable: there only the honest calls have to succeed.
"""
import contextlib
import glob
import json
import math
import os
import socket
import struct
import subprocess
import sys
import time

import http2
from harness import SANITIZER, Scenario, Weir, exchange, main, slow, wait_until

__all__ = ["Hostile", "SANITIZER", "answered", "closed_within", "goaway", "http2", "main",
           "reset", "slow", "wait_until"]

HERE = os.path.dirname(os.path.abspath(__file__))
MOST_RSS_KB = 50 * 1024
MOST_CPU_S = 1.0
MOST_STALL_S = 0.25  # of the worst call, above the control's worst
TURN_S = 0.001       # a turn of the loop over what a hundred connections have said
DEVIATIONS = 3.0     # of what a percentile is known by
PROTOCOLS = ("rest", "grpc")


def p99(times, deviations=0.0):
    """The 99th percentile; with `deviations`, the end of its confidence interval that is so many
    standard deviations of a rank away."""
    ranks = math.sqrt(len(times) * 0.01 * 0.99)
    rank = len(times) * 0.99 + deviations * ranks
    return sorted(times)[max(0, min(int(rank), len(times) - 1))]


def stalled(attacked, control, waited_s):
    """Whether one call took far longer than any of the control's. waited_s: what the threads of the
    attacked weir have waited for a core, which others had."""
    return max(attacked) >= max(control) + waited_s + slow(MOST_STALL_S)


def felt(attacked, control):
    """Whether the 99th percentile is above twice the control's, as far as the few calls can tell:
    that of a hundred is the worst of them."""
    return p99(attacked, -DEVIATIONS) >= 2 * p99(control, DEVIATIONS) + TURN_S


class HonestCallers:
    """Calls each of `weirs` in turn until `end`, which returns one {"rest": seconds of each call,
    "grpc": ...} a weir."""

    def __init__(self, weirs, gap_s=0.002):
        self.process = subprocess.Popen(
            [sys.executable, "-B", os.path.join(HERE, "honest.py"), str(gap_s),
             *(str(port) for weir in weirs for port in (weir.port, weir.grpc_port))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        self.process.stdout.readline()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def end(self, moments=False):
        """moments: with the times of those who would have called while one call took long, too, as
        of callers who come one after another whatever the last one waits for."""
        out, _ = self.process.communicate("x", timeout=slow(20))
        result = json.loads(out)
        if result["errors"]:
            raise AssertionError(f"honest callers felt it: {result['errors']}")
        if moments:
            for one in result["times"]:
                for protocol, times in one.items():
                    one[protocol] = [time_s - i * result["round"] for time_s in times
                                     for i in range(1 + int(time_s / result["round"]))]
        return result["times"]


class Usage:
    """CPU seconds and memory that a weir takes from now on."""

    def __init__(self, weir):
        self.weir = weir
        self.cpu_s, self.rss_kb = weir.cpu_seconds(), weir.rss_kb()
        self.waited_s = self._waited()

    def since(self):
        return self.weir.cpu_seconds() - self.cpu_s, self.weir.rss_kb() - self.rss_kb

    def waited(self):
        """What its threads have waited for a core, together."""
        return max(0.0, self._waited() - self.waited_s)

    def _waited(self):
        total_ns = 0
        for path in glob.glob(f"/proc/{self.weir.process.pid}/task/*/schedstat"):
            with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
                total_ns += int(file.read().split()[1])
        return total_ns / 1e9


def goaway(data):
    """(error, text) of the GOAWAY in what came back, or None."""
    for kind, _, _, payload in http2.frames(data):
        if kind == http2.GOAWAY:
            return struct.unpack(">I", payload[4:8])[0], payload[8:].decode()
    return None


def answered(connection, streams):
    """Reads until the peer has ended these streams. False: it has ended the connection."""
    got, left = b"", set(streams)
    while left:
        part = connection.recv(1 << 16)
        if not part:
            return False
        got += part
        found = http2.frames(got)
        left -= {stream for kind, flags, stream, _ in found
                 if kind in (http2.DATA, http2.HEADERS) and flags & http2.END_STREAM}
        got = got[sum(9 + len(payload) for _, _, _, payload in found):]
    return True


def closed_within(connection, seconds):
    """Whether the peer ends the connection in time; what it says before is dropped."""
    connection.settimeout(seconds)
    try:
        while connection.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Hostile(Scenario):
    debug = True  # a release build keeps its /proc entries to itself

    @classmethod
    def setUpClass(cls):
        if not SANITIZER:  # one loop serves the attacker and the honest; more may have races
            cls.settings = {"WORKERS": "1", **cls.settings}
        super().setUpClass()
        cls.addClassCleanup(cls.weir.kill)
        cls.control = Weir(cls.settings, debug=cls.debug)
        cls.addClassCleanup(cls.control.stop)
        cls.all_times = [{name: [] for name in PROTOCOLS} for _ in range(2)]

    @classmethod
    def tearDownClass(cls):
        """What honest callers felt in all the attacks: in one alone there are too few calls."""
        super().tearDownClass()
        if not cls.all_times[0]["rest"]:
            return
        for protocol in PROTOCOLS:
            attacked, control = (one[protocol] for one in cls.all_times)
            print(f"    {cls.__name__}, all attacks: honest p99 over {protocol} of {len(attacked)} "
                  f"calls {p99(attacked) * 1000:.1f} ms, beside {p99(control) * 1000:.1f} ms")
            if felt(attacked, control) and not SANITIZER:
                raise AssertionError(f"{cls.__name__}: honest callers over {protocol} felt it")

    @property
    def target(self):
        """The port that is attacked."""
        return self.weir.grpc_port

    @contextlib.contextmanager
    def attack(self, name, cpu_s=MOST_CPU_S, rss_kb=MOST_RSS_KB, least_s=0.2, works=False):
        """Measures what happens inside, for `least_s` at least. works: it makes hundreds of calls
        that weir has to answer: others queue behind them as behind an honest crowd."""
        with HonestCallers([self.weir, self.control]) as honest:
            usage, beside, begin = Usage(self.weir), Usage(self.control), time.monotonic()
            yield
            time.sleep(max(0.0, begin + least_s - time.monotonic()))
            lasted = time.monotonic() - begin
            (cpu, rss), (control_cpu, control_rss) = usage.since(), beside.since()
            times, waited_s = honest.end(), usage.waited()
        self.assertTrue(self.weir.alive())
        self.assert_cost(f"{name}: {lasted:.2f} s", times, cpu - control_cpu, rss - control_rss,
                         cpu_s, rss_kb)
        for protocol in PROTOCOLS:
            self.assertFalse(stalled(*(one[protocol] for one in times), waited_s) and not SANITIZER,
                             f"{name}: honest callers over {protocol} felt it")
        for all_of_one, one in zip(self.all_times, times if not works else ()):
            for protocol in PROTOCOLS:
                all_of_one[protocol] += one[protocol]

    def assert_cost(self, name, times, cpu_s, rss_kb, most_cpu_s, most_rss_kb):
        attacked, control = times
        tails = ", ".join(
            f"{protocol} {p99(attacked[protocol]) * 1000:.1f} ms beside "
            f"{p99(control[protocol]) * 1000:.1f}" for protocol in PROTOCOLS)
        print(f"    {name}, CPU {cpu_s:.2f} s, RSS {rss_kb / 1024:+.1f} MB, honest p99 of "
              f"{len(attacked['rest'])}: {tails}", flush=True)
        if SANITIZER:
            return
        self.assertLess(cpu_s, slow(most_cpu_s), name)
        self.assertLess(rss_kb, most_rss_kb, name)

    def ended(self, since, *rules):
        """Waits for a log line that says which rule ended a connection, behind the first `since`."""
        def found():
            return [e for e in self.weir.events("connection_ended")[since:] if e["rule"] in rules]
        wait_until(found, 5, f"the end by {rules}")

    @contextlib.contextmanager
    def breach(self, rule):
        """Somebody breaks this rule inside. For many a second there are no log lines."""
        name = rf'weir_guard_breaches_total{{rule="{rule}"}}'
        before = self.weir.metric(name)
        yield
        wait_until(lambda: self.weir.metric(name) > before, 5, f"the end by {rule}")

    def send_until_closed(self, pieces, listen=2.0):
        """Sends to `self.target` as long as the other side lets it; returns what came back."""
        with self.weir.connect(self.target) as connection:
            connection.settimeout(slow(8))
            with contextlib.suppress(ConnectionError, TimeoutError):
                for piece in pieces:
                    connection.sendall(piece)
            connection.settimeout(slow(listen))
            return exchange(connection, b"")

    def resets_between_answers(self, call, reset_call):
        """`call` and `reset_call` make frames of a stream. Each answer allows for a reset, but not
        in any number."""
        with self.attack("resets between answers", works=True), self.breach("resets"), \
                self.weir.connect(self.target) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(http2.opening())
            with contextlib.suppress(ConnectionError):
                for first in range(1, 1600, 40):
                    streams = range(first, first + 20, 2)
                    connection.sendall(b"".join(map(call, streams)))
                    if not answered(connection, streams):
                        break
                    connection.sendall(b"".join(reset_call(stream + 20) for stream in streams))

    def resets_in_time(self, reset_call):
        """As many at once as are allowed, and a few more when some are again: none is answered."""
        with self.attack("resets in time"), self.breach("reset_share"), \
                self.weir.connect(self.target) as connection:
            connection.sendall(http2.opening() +
                               b"".join(reset_call(2 * i + 1) for i in range(99)))
            time.sleep(1.2)
            connection.sendall(b"".join(reset_call(2 * i + 1) for i in range(99, 109)))
            connection.settimeout(slow(5))
            exchange(connection, b"")

    def each_is_ended_by_its_rule(self, floods):
        """`floods`: name -> (a function that makes pieces, the rules that may end it)."""
        for name, (pieces, rules) in floods.items():
            since = len(self.weir.events("connection_ended"))
            with self.subTest(attack=name), self.attack(name):
                opening = [] if name == "no SETTINGS" else [http2.opening()]
                got = goaway(self.send_until_closed([*opening, *pieces()]))
                if got is not None:  # it may be lost in a reset of the connection
                    self.assertIn(got[1], rules)
                if None not in rules:
                    self.ended(since, *rules)
