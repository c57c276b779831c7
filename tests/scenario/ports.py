"""Ports and connections (D2, N1): two ports or one, caps, running out of descriptors."""
import contextlib
import resource
import socket
import time
import unittest

import http2
from harness import SANITIZER, GrpcCaller, Scenario, Weir, exchange, main, wait_until

# What a client begins with, on the gRPC port and on the REST port: silence is not even accepted.
START = (http2.opening(), b"GET /health HTT")
HEALTH = b"GET /health HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n"


class SinglePort(Scenario):
    settings = {"SINGLE_PORT": "true"}

    def test_both_protocols_on_one_port(self):
        self.assertIn(self.weir.grpc_port, (0, self.weir.port))
        for _ in range(5):
            for call in (self.rest, self.rpc):
                for rpc in ("TellJoke", "TellStory", "ReviewCode"):
                    self.assert_ok(call(rpc, {}))
        self.assertEqual(self.weir.access(self.rpc("TellJoke", {}).request_id)[0]["peer"],
                         "127.0.0.1")

    def test_a_preface_in_pieces(self):
        data = http2.opening()
        for cut in (1, 3, 14, 23, 24):
            with self.subTest(cut=cut), self.weir.connect(seconds=1) as connection:
                connection.sendall(data[:cut])
                time.sleep(0.05)
                connection.sendall(data[cut:])
                self.assertTrue(http2.frames(connection.recv(65536)))

    def test_a_request_in_pieces(self):
        for cut in (1, 2, 10):
            with self.subTest(cut=cut), self.weir.connect(seconds=2) as connection:
                connection.sendall(HEALTH[:cut])
                time.sleep(0.05)
                connection.sendall(HEALTH[cut:])
                self.assertIn(b" 200 ", exchange(connection, b""))

    def test_a_method_that_begins_like_a_preface(self):
        with self.weir.connect(seconds=2) as connection:
            got = exchange(connection, b"POST /tell-joke HTTP/1.1\r\nHost: weir\r\nConnection: "
                           b"close\r\nContent-Type: application/json\r\nContent-Length: 2"
                           b"\r\n\r\n{}")
            self.assertIn(b" 200 ", got.split(b"\r\n")[0])

    def test_undecided_connections_are_closed_and_cost_nothing(self):
        with contextlib.ExitStack() as stack:
            connections = []
            for data in (b"", b"P", b"PRI * HTTP/2.0\r\n", http2.PREFACE[:23]) * 5:
                connection = stack.enter_context(self.weir.connect(seconds=15))
                connection.sendall(data)
                connections.append((data, connection))
            before, begin = self.weir.cpu_seconds(), time.monotonic()
            time.sleep(0.5)
            self.assertLess(self.weir.cpu_seconds() - before,
                            0.25 * (time.monotonic() - begin) * (3 if SANITIZER else 1))
            self.assert_ok(self.rest("TellJoke", {}))
            for data, connection in connections:
                if data:  # the others may be idle REST connections
                    self.assertEqual(exchange(connection, b""), b"", data)


class OnCloudRun(unittest.TestCase):
    def test_one_port(self):
        with Weir({"K_SERVICE": "weir", "PORT": "0", "AUTH_MODE": "none",
                   "LLM_PROVIDER": "offline"}, debug=False, ports=False) as weir:
            self.assertEqual(weir.curl("/chat", {}).status, 200)
            channel = weir.new_channel(port=weir.port)
            self.assertTrue(GrpcCaller(weir, channel)("PirateChat", {}).ok)
            channel.close()


class NoGrpc(unittest.TestCase):
    def test_no_grpc(self):
        with Weir({"NO_GRPC": "true"}) as weir:
            self.assertEqual(weir.grpc_port, 0)
            self.assertEqual(weir.curl("/chat", {}).status, 200)


class Caps(unittest.TestCase):
    def check(self, settings, cap):
        with Weir(settings) as weir, contextlib.ExitStack() as stack:
            held = []
            for i in range(cap * 2):
                port = weir.port if i % 2 else weir.grpc_port
                with contextlib.suppress(ConnectionError):
                    connection = stack.enter_context(weir.connect(port, seconds=3))
                    connection.sendall(START[i % 2])
                    held.append(connection)
                time.sleep(0.005)
            time.sleep(0.2)
            for connection in held:
                connection.setblocking(False)
            alive = 0
            for connection in held:
                with contextlib.suppress(ConnectionError):
                    try:
                        if connection.recv(1 << 16) != b"":
                            alive += 1  # the SETTINGS of a gRPC server
                    except BlockingIOError:
                        alive += 1
            self.assertLessEqual(alive, cap)
            self.assertGreaterEqual(alive, cap - 4)
            stack.close()
            self.serves(weir)

    def serves(self, weir):
        def ok():
            with contextlib.suppress(Exception):
                channel = weir.new_channel()
                try:
                    return (weir.curl("/chat", {}).status == 200 and
                            GrpcCaller(weir, channel)("PirateChat", {}).ok)
                finally:
                    channel.close()
            return False
        wait_until(ok, 8, "service on both protocols")

    def test_in_all(self):
        self.check({"MAX_CONNECTIONS": "20"}, 20)

    def test_per_address(self):
        self.check({"MAX_CONNECTIONS_PER_ADDRESS": "15"}, 15)


class Descriptors(Caps):
    """Few descriptors, many clients."""

    def crowd(self, weir, stack, count):
        for i in range(count):
            connection = stack.enter_context(socket.socket())
            connection.settimeout(0.5)
            with contextlib.suppress(OSError):
                connection.connect(("127.0.0.1", weir.port if i % 2 else weir.grpc_port))
                connection.sendall(START[i % 2])
        time.sleep(0.3)
        self.assertTrue(weir.alive())
        before, begin = weir.cpu_seconds(), time.monotonic()
        time.sleep(0.5)
        self.assertLess(weir.cpu_seconds() - before,
                        0.5 * (time.monotonic() - begin) * (3 if SANITIZER else 1),
                        "it spins while it has no descriptors")

    def test_caps_are_below_the_limit(self):
        with Weir(nofile=160) as weir, contextlib.ExitStack() as stack:
            self.crowd(weir, stack, 300)
            stack.close()
            self.serves(weir)

    def test_emfile(self):
        with Weir(debug=True) as weir, contextlib.ExitStack() as stack:
            limits = resource.prlimit(weir.process.pid, resource.RLIMIT_NOFILE)
            few = weir.open_files() + 20  # the caps were made for many more
            resource.prlimit(weir.process.pid, resource.RLIMIT_NOFILE, (few, limits[1]))
            self.crowd(weir, stack, 120)
            self.assertGreaterEqual(weir.open_files(), few - 4)
            stack.close()
            self.serves(weir)
            for _ in range(2):  # and again
                with contextlib.ExitStack() as more:
                    self.crowd(weir, more, 120)
                self.serves(weir)

    test_in_all = test_per_address = None


if __name__ == "__main__":
    main()
