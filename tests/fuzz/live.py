#!/usr/bin/env python3
"""Fuzzes the running binary over sockets: sessions of sessions.py, in batches, against a weir with
and without TLS, on one port and on two.

After each batch every weir lives, answers, has let go of all connections and descriptors, is not
larger than it may be, and no sanitizer nor its own log reports an error. The files of corpus/live
come first. A failure prints the seed, looks for the session that causes it, and keeps that.

  live.py --build build/asan [--seconds 20 | --minutes 60] [--seed N] [--from BATCH] [--keep FOLDER]
  live.py --build build/asan --replay FILE...
"""
import argparse
import base64
import concurrent.futures
import contextlib
import os
import random
import socket
import ssl
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support"))

BATCH, AT_ONCE = 48, 4
BATCHES_A_ROUND = 60    # then all weirs are ended, which shows leaks, and begun anew
MOST_GROWTH_KB = 300 * 1024
SLACK_FILES = 6


def arguments():
    parser = argparse.ArgumentParser(description="Fuzzes the running binary over sockets.")
    parser.add_argument("--build", required=True, help="a build's folder")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first batch")
    parser.add_argument("--keep", help="where a session that fails is kept")
    parser.add_argument("--replay", nargs="+", help="only these files of sessions")
    return parser.parse_args()


ARGUMENTS = arguments()
BUILD = os.path.abspath(ARGUMENTS.build)
os.environ.setdefault("WEIR_BINARY", os.path.join(BUILD, "weir"))
os.environ.setdefault("WEIR_PROTOSET", os.path.join(BUILD, "weir.protoset"))
os.environ.setdefault("WEIR_CLIENT_PROTOSET",
                      os.path.join(BUILD, "tests/support/clients.protoset"))

import sessions  # noqa: E402
from authority import Authority  # noqa: E402
from harness import Weir, slow, wait_until  # noqa: E402


class Fleet:
    """A weir for each way to listen: (TLS, single port)."""
    WAYS = [(tls, single) for tls in (False, True) for single in (False, True)]

    def __init__(self, authority):
        self.cert, self.key = authority.issue()
        self.cafile = authority.cert
        self.weirs = {way: self.begin(*way) for way in self.WAYS}
        for session in warm_up():
            self.run(session)
        time.sleep(0.5)
        self.base = {way: (weir.open_files(), weir.rss_kb()) for way, weir in self.weirs.items()}

    def begin(self, tls, single):
        settings = {"SINGLE_PORT": "true" if single else "false", "LLM_IMAGES": "inline",
                    "MAX_CONNECTIONS": "500", "MAX_CONNECTIONS_PER_ADDRESS": "500"}
        if tls:
            settings |= {"TLS_CERT_FILE": self.cert, "TLS_KEY_FILE": self.key}
        return Weir(settings, debug=True)

    # --- one session ---

    def context(self, alpn=None):
        context = ssl.create_default_context(cafile=self.cafile)
        if alpn:
            context.set_alpn_protocols([alpn])
        return context

    def connect(self, weir, session):
        rpc = session["to"] == "http2"
        port = weir.grpc_port if rpc else weir.port
        plain = socket.create_connection(("127.0.0.1", port), slow(10))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not session["inside_tls"]:
            return plain
        return self.context("h2" if rpc else "http/1.1").wrap_socket(
            plain, server_hostname="localhost")

    def run(self, session):
        """Says what there is to say, as far as weir listens."""
        weir = self.weirs[session["inside_tls"] or session["to"] == "tls", session["single_port"]]
        with contextlib.suppress(OSError), self.connect(weir, session) as connection:
            for piece in session["say"]:
                connection.settimeout(slow(2))
                connection.sendall(piece)
                hear(connection, 0.001)
            if session["end"] == "half" and not session["inside_tls"]:
                connection.shutdown(socket.SHUT_WR)
            hear(connection, session["listen_ms"] / 1000)
            if session["end"] == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    # --- what has to hold ---

    def ask_for_health(self, weir, tls):
        plain = socket.create_connection(("127.0.0.1", weir.port), slow(10))
        with self.context().wrap_socket(plain, server_hostname="localhost") if tls else plain \
                as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
                               b"Connection: close\r\n\r\n")
            got = b""
            while part := connection.recv(65536):
                got += part
        if not got.startswith(b"HTTP/1.1 200"):
            raise AssertionError(f"its health: {got[:200]!r}")

    def check(self):
        for (tls, single), weir in self.weirs.items():
            name = f"weir (tls {tls}, single_port {single})"
            if not weir.alive() or weir.reports():
                weir.process.poll()
                time.sleep(0.5)
                raise AssertionError(f"{name} broke:\n" + "\n".join(weir.errors[-80:]))
            errors = [e for e in weir.events() if e.get("level") not in ("debug", "info", "warning")]
            if errors:
                raise AssertionError(f"{name} logged {errors[:3]}")
            self.ask_for_health(weir, tls)
            files, rss_kb = self.base[tls, single]
            wait_until(lambda w=weir, f=files: w.open_files() <= f + SLACK_FILES, 20,
                       f"{name}: the end of {weir.open_files() - files} descriptors")
            if weir.rss_kb() > rss_kb + MOST_GROWTH_KB:
                raise AssertionError(f"{name} grew from {rss_kb} to {weir.rss_kb()} KB")

    def stop(self):
        """Also looks for leaks."""
        for weir in self.weirs.values():
            weir.stop()

    def kill(self):
        for weir in self.weirs.values():
            weir.kill()


def hear(connection, seconds):
    """Drops what comes, for so long at most."""
    end = time.monotonic() + seconds
    with contextlib.suppress(TimeoutError, ssl.SSLWantReadError):
        while (left := end - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(1 << 16):
                return


def warm_up():
    """One call of each protocol in each way, so that what is made once has been made."""
    joke = (b"POST /tell-joke HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 2\r\n\r\n{}")
    rpc = sessions.http2.opening() + sessions.http2.frame(
        1, 4, 1, sessions.http2.grpc_headers("/weir.v1.FlowService/TellJoke")) + \
        sessions.http2.frame(0, 1, 1, sessions.http2.grpc_message(b""))
    for tls, single in Fleet.WAYS:
        for kind, said in (("http", joke), ("http2", rpc)):
            yield {"to": kind, "inside_tls": tls, "single_port": single, "end": "close",
                   "listen_ms": 300, "say": [said]}


def batch(seed, number):
    return [sessions.make(random.Random(f"{seed}/{number}/{i}")) for i in range(BATCH)]


# --- a failure ---

def fails(authority, some):
    """What is wrong after these sessions, one after the other, with fresh weirs; None: nothing."""
    fleet = Fleet(authority)
    try:
        for session in some:
            fleet.run(session)
        fleet.check()
        fleet.stop()
    except AssertionError as error:
        return error
    finally:
        fleet.kill()
    return None


def smallest(authority, some):
    """Halves the batch, then leaves out pieces, while it still fails; within a few minutes."""
    end = time.monotonic() + slow(120)
    if not fails(authority, some):
        return some
    while len(some) > 1 and time.monotonic() < end:
        half = len(some) // 2
        smaller = next((part for part in (some[:half], some[half:]) if fails(authority, part)), None)
        if smaller is None:
            break
        some = smaller
    if len(some) == 1:
        say, i = some[0]["say"], 0
        while i < len(say) and time.monotonic() < end:
            fewer = {**some[0], "say": say[:i] + say[i + 1:]}
            if fails(authority, [fewer]):
                say, some = fewer["say"], [fewer]
            else:
                i += 1
    return some


def report(authority, some, keep, seed, number):
    print(f"failed: seed {seed}, batch {number}; again: "
          f"tests/fuzz/live.py --build <build> --seed {seed} --from {number}", flush=True)
    some = smallest(authority, some)
    for i, session in enumerate(some[:4]):
        text = sessions.to_text(session)
        print(f"{len(some)} sessions are left; the text of one, in base64 (once mended, it belongs "
              f"into tests/fuzz/corpus/live):\n{base64.b64encode(text.encode()).decode()}")
    if keep:
        os.makedirs(keep, exist_ok=True)
        for i, session in enumerate(some):
            path = os.path.join(keep, f"session-{seed}-{number}-{i}")
            with open(path, "w", encoding="ascii") as file:
                file.write(sessions.to_text(session))
            print("kept:", path)


# --- the run ---

def read_all(paths):
    found = []
    for path in paths:
        with open(path, encoding="ascii") as file:
            found.append(sessions.from_text(file.read()))
    return found


def fuzz(authority, seed, first, until):
    """Rounds of batches until the time is over; returns how many sessions there were."""
    number, count = first, 0
    corpus = os.path.join(HERE, "corpus", "live")
    known = read_all(os.path.join(corpus, name) for name in sorted(os.listdir(corpus)))
    while number == first or time.monotonic() < until:
        fleet, since = Fleet(authority), number
        try:
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                while number - since < BATCHES_A_ROUND and \
                        (number == first or time.monotonic() < until):
                    some = (known if number == first else []) + batch(seed, number)
                    list(pool.map(fleet.run, some))
                    fleet.check()
                    number, count = number + 1, count + len(some)
            fleet.stop()
        except AssertionError:
            report(authority, some, ARGUMENTS.keep, seed, number)
            raise
        finally:
            fleet.kill()
    return count


def main():
    authority = Authority()
    try:
        if ARGUMENTS.replay:
            failed = fails(authority, read_all(ARGUMENTS.replay))
            print(f"failed: {failed}" if failed else f"passed: {len(ARGUMENTS.replay)} sessions")
            return 1 if failed else 0
        seconds = ARGUMENTS.minutes * 60 if ARGUMENTS.minutes else ARGUMENTS.seconds
        print(f"seed {ARGUMENTS.seed}", flush=True)
        count = fuzz(authority, ARGUMENTS.seed, ARGUMENTS.first, time.monotonic() + seconds)
        print(f"1 passed, 0 failed: {count} sessions")
        return 0
    finally:
        authority.remove()


if __name__ == "__main__":
    sys.exit(main())
