"""PROXY_PROTOCOL: behind load balancers that pass bytes on, the client's address is the one that
their header tells, on every port and for everything that goes by addresses; and nobody else can
tell one (H11, N1)."""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import grpc

import http2
from authority import AuthorityCase
from balancer import LOCAL, SIGNATURE, UNKNOWN, Balancer, Behind, binary, line
from harness import (SANITIZER, GrpcCaller, Reply, RestCaller, Scenario, Weir, both, exchange, main,
                     run_once, slow, wait_until)
from waiting import with_parent

ADA, BOB, EVE = "198.51.100.7", "2001:db8:0:1::b", "203.0.113.66"
ON = {"PROXY_PROTOCOL": "127.0.0.1"}
HEALTH = b"GET /health HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n"
HAPROXY = shutil.which("haproxy") or "/usr/sbin/haproxy"


def ask(call, forwarded=None, rpc="TellJoke", **how):
    if call.protocol == "rest":
        return call(rpc, {}, headers=[f"X-Forwarded-For: {forwarded}"] if forwarded else (), **how)
    return call(rpc, {}, metadata=[("x-forwarded-for", forwarded)] if forwarded else (), **how)


def good(outcome):
    """The request id of a call that was answered."""
    if not outcome.ok:
        raise AssertionError(f"{outcome.protocol}: {outcome.code} {outcome.detail}")
    return outcome.request_id


def refused(weir, reason):
    got = weir.raw(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                   port=weir.admin_port).decode()
    name = f'weir_connections_refused_total{{reason="{reason}"}} '
    return int(got.split(name)[1].split("\n")[0])


class EveryPort(unittest.TestCase):
    """Each kind of listener, each version of the header: the access line has the client."""

    TWO = ((line(ADA), ADA), (binary(BOB), BOB))
    ALL = (*TWO, (line(BOB), BOB), (binary(ADA), ADA),
           (binary(BOB, fields=b"\4\0\3abc"), BOB), (LOCAL, "127.0.0.1"), (UNKNOWN, "127.0.0.1"),
           (binary(ADA, transport=2), "127.0.0.1"))

    def check(self, settings, *more, headers=TWO):
        with Weir({**ON, **settings}) as weir:
            for header, client in headers:
                with self.subTest(header=header, **settings), Behind(weir, header) as behind:
                    for name in [call(behind) for call in (*more, self.rest, self.rpc)]:
                        self.assertEqual(weir.access(name)[0]["peer"], client)

    def rest(self, weir):
        return good(RestCaller(weir)("TellJoke", {}))

    def rpc(self, weir):
        return good(GrpcCaller(weir)("TellJoke", {}))

    def http2(self, weir):
        reply = weir.curl("/tell-joke", {}, arguments=["--http2-prior-knowledge"])
        self.assertTrue(reply.head.startswith("HTTP/2 200"), reply.head)
        return reply.headers["x-request-id"]

    def test_two_ports(self):
        self.check({}, headers=self.ALL)
        self.check({"GRPC_GUARD": "off"})

    def test_a_single_port(self):
        for guard in ("on", "off"):
            self.check({"SINGLE_PORT": "true", "GRPC_GUARD": guard})

    def test_http2_for_rest(self):
        self.check({"REST_HTTP2": "true"}, self.http2)


class Tls(AuthorityCase):
    """The header stands before the handshake."""

    def curl(self, weir, version):
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--noproxy", "*", "-i", version, "--cacert",
             self.authority.cert, "--max-time", str(slow(20)), "-d", "{}", "-H",
             "Content-Type: application/json", f"https://127.0.0.1:{weir.port}/tell-joke"],
            capture_output=True, check=True)
        reply = Reply.parse(done.stdout)
        self.assertEqual(reply.status, 200)
        return reply.headers["x-request-id"]

    def rpc(self, weir):
        with open(self.authority.cert, "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        channel = grpc.secure_channel(
            f"127.0.0.1:{weir.grpc_port}", credentials,
            options=[("grpc.ssl_target_name_override", "localhost"),
                     ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)])
        try:
            outcome = GrpcCaller(weir, channel)("TellJoke", {})
        finally:
            channel.close()
        return good(outcome)

    def test_behind_a_header(self):
        for settings in ({}, {"SINGLE_PORT": "true"}, {"REST_HTTP2": "true"}):
            with Weir({**ON, "TLS_CERT_FILE": self.cert, "TLS_KEY_FILE": self.key, **settings}) as weir:
                for header, client in ((line(ADA), ADA), (binary(BOB), BOB)):
                    with self.subTest(header=header, **settings), Behind(weir, header) as behind:
                        ids = [self.curl(behind, "--http1.1"), self.rpc(behind)]
                        if settings.get("REST_HTTP2"):
                            ids.append(self.curl(behind, "--http2"))
                        for name in ids:
                            self.assertEqual(weir.access(name)[0]["peer"], client)

    def test_without_a_header(self):
        """There is no handshake; but weir may ask after its own health."""
        settings = {**ON, "TLS_CERT_FILE": self.cert, "TLS_KEY_FILE": self.key}
        with Weir(settings) as weir:
            with self.assertRaises(subprocess.CalledProcessError):
                self.curl(weir, "--http1.1")
            done = run_once("--health", "--port", str(weir.port), settings={
                **settings, "AUTH_MODE": "none", "LLM_PROVIDER": "offline", "HOST": "127.0.0.1"})
            self.assertEqual(done.returncode, 0, done.stderr)


class WhatGoesByAddress(unittest.TestCase):
    def test_rates(self):
        with Weir({**ON, "RATE_LIMIT_DEFAULT": "4/hour"}) as weir:
            for headers in ((line(ADA), binary(ADA, port=1)),
                            (binary(BOB), line("2001:db8:0:1:ffff::1"))):  # of one /64
                passed = 0
                for header in headers:
                    with Behind(weir, header) as behind:
                        for call in both(behind):
                            for i in range(3):
                                passed += ask(call, forwarded=f"192.0.2.{i}").ok
                self.assertEqual(passed, 4, headers)

    def test_connections(self):
        with Weir({**ON, "MAX_CONNECTIONS_PER_ADDRESS": "3"}) as weir, \
                contextlib.ExitStack() as stack:
            def hold(port, data):
                held.append(stack.enter_context(weir.connect(port, seconds=2)))
                held[-1].sendall(data)
                wait_until(lambda: weir.metric("weir_connections") +
                           refused(weir, "max_connections_per_address") == len(held), 5,
                           "the decision on a connection")

            def is_open(connection):
                connection.settimeout(slow(0.3))
                try:
                    return connection.recv(65536) != b""
                except TimeoutError:
                    return True
                except ConnectionError:
                    return False
            half, held = b"GET /health HTT", []
            for port, header in ((weir.port, line(ADA)), (weir.grpc_port, binary(ADA)),
                                 (weir.port, binary(ADA)), (weir.port, line(ADA)),
                                 (weir.grpc_port, line(ADA)), (weir.port, line(BOB))):
                hold(port, header + (half if port == weir.port else http2.opening()))
            self.assertEqual([is_open(connection) for connection in held],
                             [True, True, True, False, False, True])
            self.assertEqual(refused(weir, "max_connections_per_address"), 2)
            self.assertEqual(logged(weir)["peer"], ADA)
            stack.close()

            def served():
                with contextlib.suppress(OSError):
                    return b" 200 " in weir.raw(line(ADA) + HEALTH)
                return False
            wait_until(served, 5, "room for one more")

    def test_allow_list_and_audit(self):
        with Weir({**ON, "IP_ALLOWLIST": f"{ADA}, 2001:db8::/32", "AUDIT_LOG_FILE": "audit.log"}) \
                as weir:
            for header, good in ((line(ADA), True), (binary(BOB), True), (binary(EVE), False),
                                 (LOCAL, False)):
                with Behind(weir, header) as behind:
                    for call in both(behind):
                        outcome = ask(call, forwarded=ADA)
                        self.assertEqual(outcome.ok, good, (header, outcome.detail))
            def denied():
                with open(os.path.join(weir.directory, "audit.log"), encoding="utf-8") as file:
                    return [r["peer"] for r in map(json.loads, file)
                            if r["event"] == "access_denied"]
            wait_until(lambda: len(denied()) == 4, 5, "the audit records")
            self.assertEqual(sorted(denied()), ["127.0.0.1", "127.0.0.1", EVE, EVE])


class Forwarded(unittest.TestCase):
    """X-Forwarded-For is believed of whom the header names, if that is a trusted proxy: the
    balancer itself writes none, so its own place on a list opens nothing."""

    def check(self, settings, cases):
        with Weir({**ON, **settings}) as weir:
            for header, forwarded, client in cases:
                with self.subTest(header=header, forwarded=forwarded, **settings), \
                        Behind(weir, header) as behind:
                    for call in both(behind):
                        name = good(ask(call, forwarded=forwarded))
                        self.assertEqual(weir.access(name)[0]["peer"], client)

    def test_nobody_is_trusted(self):
        self.check({}, ((line(ADA), EVE, ADA), (LOCAL, EVE, "127.0.0.1"),
                        (UNKNOWN, EVE, "127.0.0.1")))

    def test_the_balancer_is_trusted(self):
        self.check({"TRUSTED_PROXIES": "127.0.0.1"}, ((line(ADA), EVE, ADA),
                                                      (binary(BOB), EVE, BOB)))

    def test_a_proxy_before_the_balancer_is_trusted(self):
        self.check({"TRUSTED_PROXIES": "198.51.100.0/24"}, (
            (line(ADA), EVE, EVE), (binary(ADA), f"{BOB}, {EVE}", EVE),
            (line(ADA), None, ADA), (line(EVE), ADA, EVE), (LOCAL, EVE, "127.0.0.1")))

    def test_hops(self):
        self.check({"TRUSTED_HOPS": "1"}, ((line(ADA), f"{BOB}, {EVE}", EVE),))


def logged(weir):
    """The first line about a refusal; waits for it."""
    wait_until(lambda: weir.events("connection_refused"), 5, "a line about the refusal")
    return weir.events("connection_refused")[0]


# name: (what is sent, the reason it is refused for)
BAD = {
    "an HTTP/1.1 request": (HEALTH, "proxy_header"),
    "an HTTP/2 preface": (http2.opening(), "proxy_header"),
    "a TLS hello": (b"\x16\3\1\2\0\1\0\1\xfc\3\3" + bytes(200), "proxy_header"),
    "garbage": (bytes(range(1, 256)), "proxy_header"),
    "an address that is none": (b"PROXY TCP4 192.0.2.256 192.0.2.9 1 2\r\n" + HEALTH,
                                "proxy_header"),
    "another family": (b"PROXY TCP6 192.0.2.1 192.0.2.9 1 2\r\n" + HEALTH, "proxy_header"),
    "an LF alone": (line(ADA)[:-2] + b"\n" + HEALTH, "proxy_header"),
    "a line without end": (b"PROXY UNKNOWN " + b"x" * 200, "proxy_header"),
    "version 3": (SIGNATURE + b"\x31\x11\0\x0c" + bytes(12) + HEALTH, "proxy_header"),
    "an unknown command": (SIGNATURE + b"\x22\x11\0\x0c" + bytes(12) + HEALTH, "proxy_header"),
    "an unknown family": (SIGNATURE + b"\x21\x51\0\x0c" + bytes(12) + HEALTH, "proxy_header"),
    "addresses cut short": (SIGNATURE + b"\x21\x21\0\x0c" + bytes(12) + HEALTH, "proxy_header"),
    "too many bytes": (SIGNATURE + b"\x20\0\xff\xff" + bytes(65535) + HEALTH, "proxy_header"),
}


class Refused(Scenario):
    settings = ON
    debug = True  # a release build keeps its /proc entries to itself

    def ports(self):
        return (("rest", self.weir.port), ("grpc", self.weir.grpc_port))

    def test_what_is_no_header(self):
        for protocol, port in self.ports():
            for name, (data, reason) in BAD.items():
                with self.subTest(protocol=protocol, sent=name):
                    before, begin = refused(self.weir, reason), time.monotonic()
                    self.assertEqual(self.weir.raw(data, port=port, seconds=10), b"")
                    self.assertLess(time.monotonic() - begin, slow(1.5))
                    self.assertEqual(refused(self.weir, reason), before + 1)
        self.assertLess(len(self.weir.events("connection_refused")), 2 * len(BAD))

    def test_two_headers(self):
        """The second is the client's, and no request."""
        for second in (line(EVE), binary(EVE)):
            got = self.weir.raw(line(ADA) + second + HEALTH)
            self.assertNotIn(b" 200 ", got)
        self.assertIn(b" 200 ", self.weir.raw(line(ADA) + HEALTH))

    def test_a_large_one(self):
        """Fields of balancers are skipped, to the byte."""
        for size in (0, 500, 4096 - 28 - 3):
            header = binary(ADA, fields=b"\4" + size.to_bytes(2, "big") + bytes(size))
            self.assertIn(b" 200 ", self.weir.raw(header + HEALTH), size)

    def test_too_little_for_too_long(self):
        """Each is closed after three seconds, and costs nothing until then; so does a crowd of them,
        and one in drops."""
        parts = [b"P", line(ADA)[:-1], LOCAL[:12], binary(ADA)[:-1]] * 30
        begin = time.monotonic()
        with contextlib.ExitStack() as stack:
            connections = []
            for i, part in enumerate(parts):
                connection = stack.enter_context(
                    self.weir.connect(self.ports()[i % 2][1], seconds=15))
                connection.sendall(part)
                if i % 3 == 2:  # the kernel counts it, and keeps it back
                    connection.send(b"!", socket.MSG_OOB)
                    connection.sendall(b"PROXY PROXY PROXY PROXY")
                connections.append(connection)
            before = self.weir.cpu_seconds()
            self.assertIn(b" 200 ", self.weir.raw(line(ADA) + HEALTH))
            with contextlib.suppress(ConnectionError):
                for i in range(20):
                    connections[0].sendall(b"PROXY UNKNOWN and more"[i + 1:i + 2])
                    time.sleep(0.05)
            for connection in connections:
                self.assertEqual(exchange(connection, b""), b"")
            spent = self.weir.cpu_seconds() - before
            print(f"    {spent:.2f} s of CPU")
            self.assertLess(spent, 0.2 * (4 if SANITIZER else 1), "it does not wait, it spins")
        self.assertGreater(time.monotonic() - begin, 2.5)
        self.assertLess(time.monotonic() - begin, slow(6))
        self.assertGreaterEqual(refused(self.weir, "proxy_silent"), len(parts) * 2 // 3)

    def test_the_admin_listener_does_not_speak_it(self):
        admin = self.weir.admin_port
        for path in (b"/live", b"/ready", b"/metrics"):
            self.assertIn(b" 200 ", self.weir.raw(b"GET " + path + b" HTTP/1.1\r\nHost: localhost"
                                                  b"\r\nConnection: close\r\n\r\n", port=admin))
        self.assertNotIn(b" 200 ", self.weir.raw(
            line(ADA) + b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n", port=admin))


class Off(Scenario):
    def test_a_header_is_no_request(self):
        for header in (line(ADA), binary(ADA), LOCAL):
            self.assertNotIn(b" 200 ", self.weir.raw(header + HEALTH))


class Operating(unittest.TestCase):
    def test_health(self):
        """weir asks after its own health, listed or not; but cannot name anybody unless listed."""
        for listed in ("127.0.0.0/8, ::1", "192.0.2.0/24"):
            with self.subTest(listed=listed), Weir({"PROXY_PROTOCOL": listed}) as weir:
                settings = {"AUTH_MODE": "none", "LLM_PROVIDER": "offline", "HOST": "127.0.0.1"}
                for speaks, code in ((listed, 0), ("", 1)):
                    done = run_once("--health", "--port", str(weir.port),
                                    settings={**settings, "PROXY_PROTOCOL": speaks})
                    self.assertEqual(done.returncode, code, done.stderr)
                got = weir.raw(line(ADA) + HEALTH)
                self.assertEqual(b" 200 " in got, listed.startswith("127"))

    def test_who_is_not_listed(self):
        """Is closed unread, and named in the log."""
        with Weir(ON) as weir, Behind(weir, line(ADA)[:9], source="127.0.0.2") as behind:
            for i, port in enumerate((behind.port, behind.grpc_port)):
                self.assertEqual(weir.raw(HEALTH, port=port), b"")
                self.assertEqual(refused(weir, "proxy_sender"), i + 1)
            event = logged(weir)
            self.assertEqual(event["peer"], "127.0.0.2")
            self.assertIn("PROXY_PROTOCOL", event["reason"])

    def test_a_stop_does_not_wait_for_headers(self):
        with Weir({**ON, "SHUTDOWN_GRACE": "60s"}) as weir, weir.connect() as connection:
            connection.sendall(line(ADA)[:-1])
            time.sleep(0.1)
            begin = time.monotonic()
            weir.stop()
            self.assertLess(time.monotonic() - begin, slow(2.5))
            self.assertEqual(exchange(connection, b""), b"")

    def test_bad_values_name_the_setting(self):
        for value in ("true", "10.0.0.0/33"):
            done = run_once(settings={"PROXY_PROTOCOL": value, "AUTH_MODE": "none",
                                      "LLM_PROVIDER": "offline"})
            self.assertEqual(done.returncode, 2)
            self.assertIn("PROXY_PROTOCOL", done.stderr)


CONFIG = """
global
  maxconn 100
defaults
  mode tcp
  timeout connect 5s
  timeout client 20s
  timeout server 20s
"""
PROXY = """
listen {name}
  bind fd@{fd}
  source 127.0.0.1
  server weir 127.0.0.1:{port} {words}
"""


@unittest.skipUnless(os.access(HAPROXY, os.X_OK), "haproxy is missing: scripts/setup.sh test")
class RealHaproxy(unittest.TestCase):
    """Debian's haproxy before weir, as the README has it."""

    def start(self, stack, targets):
        """One proxy for each target, (port of weir, words of its server line); returns the ports
        and the process."""
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="weir-haproxy-"))
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in targets]
        path = os.path.join(folder, "haproxy.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write(CONFIG + "".join(
                PROXY.format(name=f"p{i}", fd=s.fileno(), port=port, words=words)
                for i, (s, (port, words)) in enumerate(zip(sockets, targets))))
        process = subprocess.Popen(
            with_parent([HAPROXY, "-db", "-q", "-f", path]), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            pass_fds=[s.fileno() for s in sockets])
        stack.callback(process.stdout.close)
        stack.callback(process.wait)
        stack.callback(process.kill)
        return [s.getsockname()[1] for s in sockets]

    def test_both_versions(self):
        checks = "check inter 200ms"
        versions = ("send-proxy", "send-proxy-v2",
                    "send-proxy-v2 proxy-v2-options unique-id,crc32c,authority,ssl")
        with Weir(ON) as weir, contextlib.ExitStack() as stack:
            ports = self.start(stack, [(port, f"{words} {checks}") for words in versions
                                       for port in (weir.port, weir.grpc_port)])
            for i, words in enumerate(versions):
                # The client's address has to be another than haproxy's, which is weir's own here.
                source = f"127.0.0.{7 + i}"
                rest, rpc = (Balancer(port, source=source) for port in ports[2 * i:2 * i + 2])
                stack.callback(rest.stop)
                stack.callback(rpc.stop)
                client = Behind(weir, b"")
                stack.callback(client.__exit__)
                client.port, client.grpc_port = rest.port, rpc.port
                for call in both(client):
                    with self.subTest(words=words, protocol=call.protocol):
                        self.assertEqual(weir.access(good(ask(call)))[0]["peer"], source)
            # Its checks of weir's health are no strangers, either.
            time.sleep(0.5)
            self.assertEqual(weir.events("connection_refused"), [])


if __name__ == "__main__":
    main()
