"""Requests that never end, many at a time: what weir holds for them is bounded, for each connection
and for all together."""
import contextlib
import struct
import time

from cost import SANITIZER, Hostile, closed_within, http2, main, slow

BLOCK = http2.grpc_headers("/weir.v1.FlowService/TellJoke")
WINDOW_UPDATE = 8
HEAD = b"POST /tell-joke HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def headers(stream):
    return http2.frame(http2.HEADERS, http2.END_HEADERS, stream, BLOCK)


class Windows:
    """A client that sends as much of its messages as the windows let it, and ends none of them."""
    SIZE = 1 << 20

    def __init__(self, connection, streams):
        self.connection, self.got = connection, b""
        self.whole = self.first = 65535
        self.of = {stream: self.first for stream in streams}
        self.sent = dict.fromkeys(streams, 0)

    def send(self):
        """False: no window is open."""
        frames = []
        for stream, window in self.of.items():
            most = min(window, self.whole, self.SIZE - self.sent[stream], 16_000)
            if most > 5:
                start = http2.grpc_message(b"", length=self.SIZE) if not self.sent[stream] else b""
                frames.append(http2.frame(http2.DATA, 0, stream, start.ljust(most, b"x")))
                self.of[stream] -= most
                self.sent[stream] += most
                self.whole -= most
        self.connection.settimeout(slow(5))
        self.connection.sendall(b"".join(frames))
        return bool(frames)

    def hear(self, seconds):
        self.connection.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            part = self.connection.recv(65536)
            if not part:
                raise ConnectionError
            self.got += part
        found = http2.frames(self.got)
        self.got = self.got[sum(9 + len(payload) for *_, payload in found):]
        for kind, flags, stream, payload in found:
            if kind == WINDOW_UPDATE and stream in self.of:
                self.of[stream] += struct.unpack(">I", payload)[0]
            elif kind == WINDOW_UPDATE:
                self.whole += struct.unpack(">I", payload)[0]
            elif kind == http2.SETTINGS and not flags & http2.ACK:
                self.first_window(payload)

    def first_window(self, payload):
        for at in range(0, len(payload), 6):
            name, value = struct.unpack(">HI", payload[at:at + 6])
            if name == 4:
                self.of = {s: window + value - self.first for s, window in self.of.items()}
                self.first = value


class Grpc(Hostile):
    settings = {"MAX_REQUESTS_SIZE": str(32 << 20)}

    def test_messages_without_end(self):
        since = len(self.weir.events("connection_ended"))
        with self.attack("messages without end", least_s=2), \
                self.weir.connect(self.target) as connection:
            streams = range(1, 200, 2)
            client = Windows(connection, streams)
            end = time.monotonic() + slow(10)
            with contextlib.suppress(ConnectionError):
                connection.sendall(http2.opening() + b"".join(map(headers, streams)))
                while time.monotonic() < end:
                    client.hear(0.01 if client.send() else 0.5)
        self.ended(since, "body_bytes")

    def test_streams_of_many_connections(self):
        """As many streams as each may open, on more connections than may have so many together."""
        since = len(self.weir.events("connection_ended"))
        opening = http2.opening() + b"".join(headers(2 * i + 1) for i in range(99))
        with self.attack("streams of many connections", cpu_s=4, rss_kb=110 << 10, least_s=1,
                         works=True), \
                contextlib.ExitStack() as stack:
            for _ in range(60 if SANITIZER else 150):
                connection = stack.enter_context(self.weir.connect(self.target))
                with contextlib.suppress(ConnectionError):
                    connection.sendall(opening)
                time.sleep(0.03)
        self.ended(since, "held_bytes")


# name: (what is sent at once, what is sent again and again)
CHUNKS = {
    "an extension of a chunk": (CHUNKED + b"1;", b"a" * 65_536),
    "chunks of one byte": (CHUNKED, b"1;aaaaaaaaaaaaaaaaaaaa\r\n \r\n" * 2000),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: yyyyyyyyyyyyyyy\r\n" * 3000),
    "one trailer": (CHUNKED + b"2\r\n{}\r\n0\r\nX: ", b"y" * 65_536),
}


class Rest(Hostile):
    settings = {"MAX_REQUESTS_SIZE": str(32 << 20)}

    def test_chunks_without_end(self):
        """h2o drops what is not body, and does not count it."""
        for name, (start, more) in CHUNKS.items():
            with self.subTest(chunks=name), self.attack(name), \
                    self.weir.connect() as connection:
                sent, end = len(start), time.monotonic() + slow(5)
                with self.assertRaises(ConnectionError):
                    connection.sendall(start)
                    while time.monotonic() < end:
                        connection.sendall(more)
                        sent += len(more)
                        time.sleep(0.002)

    def test_half_requests_of_many_connections(self):
        """Each holds as much as one may; the oldest have to go."""
        kinds = {"heads": b"GET / HTTP/1.1\r\nHost: weir\r\nX: " + b"y" * 400_000,
                 "bodies": HEAD + b"Content-Length: 1048576\r\n\r\n" + b" " * 1_048_000}
        for name, half in kinds.items():
            with self.subTest(half=name), contextlib.ExitStack() as stack:
                first = stack.enter_context(self.weir.connect())
                first.sendall(half)
                with self.attack(f"half {name}", cpu_s=4, rss_kb=180 << 10, least_s=1):
                    for _ in range(320_000_000 // len(half)):
                        connection = stack.enter_context(self.weir.connect())
                        with contextlib.suppress(ConnectionError):
                            connection.sendall(half)
                        time.sleep(2 * len(half) / 320_000_000)
                self.assertTrue(closed_within(first, slow(2)))

    def test_small_chunks_are_fine(self):
        body = b"".join(b"1\r\n \r\n" for _ in range(100_000)) + b"2\r\n{}\r\n0\r\n\r\n"
        got = self.weir.raw(CHUNKED.replace(b"Host", b"Connection: close\r\nHost") + body)
        self.assertIn(b"200 OK", got)


if __name__ == "__main__":
    main()
