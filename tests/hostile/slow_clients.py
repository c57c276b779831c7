"""Clients that say little, or nothing, or do not read (N1): each is ended in its time, at no cost.

All kinds run beside each other, so that the test takes as long as the longest of them.
"""
import contextlib
import struct
import threading
import time

from cost import Hostile, closed_within, http2, main, slow, wait_until

JOKE = "/weir.v1.FlowService/TellJoke"
STORY = "/weir.v1.FlowService/TellStory"
HEAD = b"POST /tell-joke HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\n"
OPENING = http2.opening()
HALF_FRAME = OPENING + http2.frame(http2.HEADERS, 4, 1, b"x" * 50)[:-20]
HALF_BLOCK = OPENING + http2.frame(http2.HEADERS, 0, 1, http2.grpc_headers(JOKE))

# name: (gRPC port?, what is sent at once, what is dripped, seconds after which it has to be over)
SLOW = {
    "half a preface": (True, http2.PREFACE[:10], b"", 5),
    "a preface alone": (True, http2.PREFACE, b"", 5),
    "half of the SETTINGS": (True, OPENING[:-4], b"", 5),
    "a preface in drops": (True, b"", http2.PREFACE, 5),
    "half a frame": (True, HALF_FRAME, b"", 8),
    "a frame in drops": (True, HALF_FRAME[:-15], b"x" * 15, 8),
    "half a header block": (True, HALF_BLOCK, b"", 8),
    "half a head": (False, HEAD, b"", 4),
    "a head in drops": (False, HEAD, b"X-Slow: " + b"y" * 1000, 4),
}
SPARE_S = 7  # looks are taken now and then


def is_open(connection):
    try:
        connection.send(b" ")
    except ConnectionError:
        return False
    return True


class Slow(Hostile):
    settings = {"KEEP_ALIVE_TIMEOUT": "30s", "HEAD_TIMEOUT": "4s"}  # 8 s for a frame

    def drip(self, name, ended):
        grpc, at_once, drops, _ = SLOW[name]
        begin = time.monotonic()
        with self.weir.connect(self.weir.grpc_port if grpc else self.weir.port) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(at_once)
                for i in range(len(drops)):
                    if time.monotonic() > begin + 30 or closed_within(connection, 0.5):
                        break
                    connection.sendall(drops[i:i + 1])
            over = closed_within(connection, 30)
        ended[name] = time.monotonic() - begin if over else None

    def test_each_is_ended_in_its_time(self):
        ended = {}
        threads = [threading.Thread(target=self.drip, args=(name, ended)) for name in SLOW]
        with self.attack("slow clients", cpu_s=3):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(40)
        for name, seconds in ended.items():
            with self.subTest(client=name):
                print(f"    {name}: {seconds if seconds is None else round(seconds, 1)} s")
                self.assertIsNotNone(seconds, "never ended")
                self.assertLess(seconds, slow(SLOW[name][3] + SPARE_S))
        self.assertEqual(set(ended), set(SLOW))


class DoNotRead(Hostile):
    settings = {"READ_TIMEOUT": "3s"}

    def test_windows_of_zero(self):
        """Fifty answers that may not be sent, on each of ten connections."""
        closed_window = http2.PREFACE + http2.frame(
            http2.SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
        calls = b"".join(
            http2.frame(http2.HEADERS, 4, 2 * i + 1, http2.grpc_headers(STORY)) +
            http2.frame(http2.DATA, 1, 2 * i + 1, http2.grpc_message(b"")) for i in range(50))
        with self.attack("windows of zero", least_s=2, works=True), contextlib.ExitStack() as stack:
            for _ in range(10):
                connection = stack.enter_context(self.weir.connect(self.weir.grpc_port))
                connection.sendall(closed_window + calls)
            time.sleep(1)

    def test_sockets_that_nobody_reads(self):
        wide = http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0, struct.pack(
            ">HI", 4, 0x7fffffff)) + http2.frame(8, 0, 0, struct.pack(">I", 0x7fff0000 - 65535))
        rest = (b"POST /tell-joke HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\n"
                b"Content-Length: 2\r\n\r\n{}") * 20_000
        with self.attack("nobody reads", cpu_s=4, least_s=2, works=True), \
                contextlib.ExitStack() as stack:
            for i in range(10):
                connection = stack.enter_context(self.weir.connect(self.weir.grpc_port))
                connection.sendall(wide)
                connection.settimeout(0.5)
                with contextlib.suppress(OSError):  # its time-out included
                    for first in range(0, 2000, 50):
                        connection.sendall(b"".join(
                            http2.frame(http2.HEADERS, 4, 2 * s + 1, http2.grpc_headers(STORY)) +
                            http2.frame(http2.DATA, 1, 2 * s + 1, http2.grpc_message(b""))
                            for s in range(first, first + 50)))
                if i % 5 == 0:
                    connection = stack.enter_context(self.weir.connect())
                    connection.settimeout(0.5)
                    with contextlib.suppress(OSError):
                        connection.sendall(rest)
            wait_until(lambda: self.weir.metric("weir_connections") == 2, 3 + SPARE_S,
                       "the end of all but the honest callers")


class HeardOut(Hostile):
    """Whoever is refused is heard out, and only so long and so much (RFC 9112, section 9.6)."""
    HEAD = HEAD + b"Content-Length: 9999999\r\n\r\n"
    MOST_S = 5
    COUNT = 300

    def crowd(self, stack):
        crowd = [stack.enter_context(self.weir.connect()) for _ in range(self.COUNT)]
        for connection in crowd:
            connection.sendall(self.HEAD)
        return crowd

    def test_refused_and_stays(self):
        """They have been told to go, say a byte now and then, and never close."""
        with contextlib.ExitStack() as stack:
            with self.attack("refused, and stays", cpu_s=3, rss_kb=10 * 1024, works=True):
                begin, crowd = time.monotonic(), self.crowd(stack)
                for connection in crowd:
                    self.assertIn(b" 413 ", connection.recv(4096))
                while crowd and time.monotonic() < begin + slow(4 * self.MOST_S):
                    time.sleep(0.2)
                    crowd = [each for each in crowd if is_open(each)]
            self.assertEqual(len(crowd), 0)
            self.assertLess(time.monotonic() - begin, slow(self.MOST_S + SPARE_S))

    def test_refused_and_goes_on(self):
        """As much as they can say, which is far more than the body that was refused."""
        sent, part = 0, b" " * (1 << 20)
        with self.attack("refused, and goes on", cpu_s=4, works=True), \
                contextlib.ExitStack() as stack:
            for connection in self.crowd(stack)[:20]:
                with contextlib.suppress(ConnectionError):
                    for _ in range(100):
                        sent += connection.send(part)
        print(f"    {sent >> 20} MB were taken")
        self.assertLess(sent, 20 * 32 << 20)


class Idle(Hostile):
    COUNT = 800

    def crowd(self, stack, port, data):
        for _ in range(self.COUNT):
            stack.enter_context(self.weir.connect(port)).sendall(data)
            time.sleep(0.002)  # that they are there is the attack, not how fast they come

    def test_idle_connections_are_small(self):
        request = b"GET /health HTTP/1.1\r\nHost: weir\r\n\r\n"
        for name, port, data, most_kb in (("gRPC", self.weir.grpc_port, OPENING, 40),
                                          ("REST", self.weir.port, request, 12)):
            with self.subTest(protocol=name), contextlib.ExitStack() as stack:
                before = self.weir.rss_kb()
                with self.attack(f"{self.COUNT} idle {name} connections", cpu_s=3, least_s=2):
                    self.crowd(stack, port, data)
                each = (self.weir.rss_kb() - before) / self.COUNT
                print(f"    one takes {each:.1f} kB")
                self.assertLess(each, slow(most_kb))

    def test_silent_connections_cost_nothing(self):
        with contextlib.ExitStack() as stack:
            with self.attack(f"{self.COUNT} silent connections", rss_kb=20_000,
                             least_s=2):
                self.crowd(stack, self.weir.grpc_port, http2.PREFACE[:3])


if __name__ == "__main__":
    main()
