"""What an attack costs: CPU seconds and memory of weir, and what honest callers feel meanwhile (N3).

`Hostile` is a test case over one weir. `with self.attack(name):` runs beside an honest caller,
prints one line, and asserts the bounds. Sanitizers make memory and CPU incomparable: there only the
honest calls have to succeed.
"""
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import time

import http2
from harness import SANITIZER, Scenario, exchange, main, slow, wait_until

__all__ = ["Hostile", "SANITIZER", "closed_within", "goaway", "http2", "main", "reset", "slow",
           "wait_until"]

HERE = os.path.dirname(os.path.abspath(__file__))
MOST_RSS_KB = 50 * 1024
MOST_CPU_S = 1.0
MOST_P99_S = 0.25


def p99(times):
    return sorted(times)[int(len(times) * 0.99)] if times else 0.0


def goaway(data):
    """(error, text) of the GOAWAY in what came back, or None."""
    for kind, _, _, payload in http2.frames(data):
        if kind == http2.GOAWAY:
            return struct.unpack(">I", payload[4:8])[0], payload[8:].decode()
    return None


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

    @property
    def target(self):
        """The port that is attacked."""
        return self.weir.grpc_port

    def honest(self):
        process = subprocess.Popen(
            [sys.executable, "-B", os.path.join(HERE, "honest.py"), str(self.weir.port),
             str(self.weir.grpc_port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        return process

    def end_honest(self, process):
        out, _ = process.communicate("x", timeout=slow(20))
        result = json.loads(out)
        times = result["times"]["rest"] + result["times"]["grpc"]
        self.assertEqual(result["errors"], [], "honest callers felt it")
        self.assertTrue(times)
        self.honest_times = times
        return p99(times), len(times)

    @contextlib.contextmanager
    def attack(self, name, cpu_s=MOST_CPU_S, rss_kb=MOST_RSS_KB, least_s=0.2):
        """Measures what happens inside, for `least_s` at least."""
        process = self.honest()
        try:
            rss, cpu, begin = self.weir.rss_kb(), self.weir.cpu_seconds(), time.monotonic()
            yield
            time.sleep(max(0.0, begin + least_s - time.monotonic()))
            lasted = time.monotonic() - begin
            cpu = self.weir.cpu_seconds() - cpu
            grown = self.weir.rss_kb() - rss
            tail, calls = self.end_honest(process)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        each_s = cpu / calls if calls else 0
        print(f"    {name}: {lasted:.2f} s, CPU {cpu:.2f} s with {calls} honest calls, RSS "
              f"{grown / 1024:+.1f} MB, honest p99 {tail * 1000:.1f} ms", flush=True)
        self.assertTrue(self.weir.alive())
        if not SANITIZER:
            self.assertLess(tail, slow(MOST_P99_S), f"{name}: honest callers felt it")
            # The honest calls run meanwhile, and cost about 0.3 ms each in a debug build.
            self.assertLess(cpu - calls * min(each_s, 0.0003), slow(cpu_s), name)
            self.assertLess(grown, rss_kb, name)

    def ended(self, since, *rules):
        """Waits for a log line that says which rule ended a connection, behind the first `since`."""
        def found():
            return [e for e in self.weir.events("connection_ended")[since:] if e["rule"] in rules]
        wait_until(found, 5, f"the end by {rules}")

    def send_until_closed(self, pieces, listen=2.0):
        """Sends to `self.target` as long as the other side lets it; returns what came back."""
        with self.weir.connect(self.target) as connection:
            connection.settimeout(slow(8))
            with contextlib.suppress(ConnectionError, TimeoutError):
                for piece in pieces:
                    connection.sendall(piece)
            connection.settimeout(slow(listen))
            return exchange(connection, b"")

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
