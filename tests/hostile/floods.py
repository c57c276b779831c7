"""HTTP/2 floods on the gRPC port (N3, N4): each ends by the guard's hand, at little cost."""
import gzip
import struct

from cost import Hostile, goaway, http2, main, slow
from harness import exchange

JOKE = "/weir.v1.FlowService/TellJoke"
BLOCK = http2.grpc_headers(JOKE)
MESSAGE = http2.grpc_message(b"")
PRIORITY, PUSH_PROMISE, WINDOW_UPDATE = 2, 5, 8
CANCEL = struct.pack(">I", 8)
BATCH, MOST = 500, 50_000


def headers(stream, block=BLOCK, flags=http2.END_HEADERS):
    return http2.frame(http2.HEADERS, flags, stream, block)


def calls(each, most=MOST):
    """each(stream) for many streams, in batches."""
    for first in range(0, most, BATCH):
        yield b"".join(each(2 * i + 1) for i in range(first, first + BATCH))


def times(frame, most=MOST, before=b""):
    yield before
    for _ in range(0, most, BATCH):
        yield frame * BATCH


def rst(stream):
    return http2.frame(http2.RST_STREAM, 0, stream, CANCEL)


def window(stream, by):
    return http2.frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", by))


def data(stream, payload=MESSAGE, flags=http2.END_STREAM):
    return http2.frame(http2.DATA, flags, stream, payload)


def continuation(payload=b"", flags=0):
    return http2.frame(http2.CONTINUATION, flags, 1, payload)


FIELD = b"\0\x01x\x7f\x80\x7e" + b"y" * 16_255  # one of 16,255 bytes, with its name: a whole frame
OPEN = headers(1)
LATE = headers(1) + data(1)

# name: (what is sent after the opening, the rules one of which ends it)
FLOODS = {
    "rapid reset": (lambda: calls(lambda s: headers(s) + rst(s)), {"resets", "reset_share"}),
    "rapid reset with messages": (lambda: calls(lambda s: headers(s) + data(s) + rst(s)),
                                  {"resets", "reset_share", "open_streams"}),
    "made to reset: window of 0": (lambda: calls(lambda s: headers(s) + window(s, 0)),
                                   {"window_increment_zero"}),
    "made to reset: window overflow": (
        lambda: calls(lambda s: headers(s) + window(s, 0x7fffffff)),
        {"resets", "reset_share", "open_streams", None}),
    "made to reset: data after the end": (
        lambda: calls(lambda s: headers(s) + data(s) + data(s)), {"stream_closed"}),
    "made to reset: no message": (
        lambda: calls(lambda s: headers(s, flags=http2.END_HEADERS | http2.END_STREAM) +
                      headers(s)), {"stream_closed"}),
    "empty CONTINUATIONs": (lambda: times(continuation(), before=headers(1, BLOCK, 0)),
                            {"continuations"}),
    "full CONTINUATIONs": (lambda: times(continuation(FIELD), 2000, headers(1, BLOCK, 0)),
                           {"header_block_bytes", "continuations"}),
    "header block of references": (lambda: times(continuation(b"\x83" * 16_000), 2000,
                                                 headers(1, BLOCK, 0)), {"header_fields"}),
    "padded integers": (lambda: times(continuation(b"\x80" * 16_000), 2000,
                                      headers(1, b"\xff", 0)), {"hpack_integer"}),
    "huge string": (lambda: times(continuation(b"x" * 16_000), 2000,
                                  headers(1, b"\0\x01x\x7f\x81\xff\xff\x13", 0)),
                    {"hpack_string"}),
    "table resizes": (lambda: times(continuation(b"\x20" * 16_000), 2000, headers(1, b"", 0)),
                      {"hpack"}),
    "PINGs": (lambda: times(http2.frame(http2.PING, 0, 0, b"12345678")), {"pings"}),
    "PING acknowledgements": (lambda: times(http2.frame(http2.PING, 1, 0, b"12345678")),
                              {"pings"}),
    "SETTINGS": (lambda: times(http2.frame(http2.SETTINGS)), {"settings"}),
    "SETTINGS of many entries": (
        lambda: times(http2.frame(http2.SETTINGS, 0, 0, b"\0\x04\0\x01\0\0" * 2000), 2000),
        {"settings_entries"}),
    "PRIORITY": (lambda: times(http2.frame(PRIORITY, 0, 3, b"\0\0\0\0\x10")), {"priorities"}),
    "empty DATA": (lambda: times(data(1, b"", 0), before=OPEN), {"small_data"}),
    "DATA of one byte": (lambda: times(data(1, b"\0", 0), before=OPEN), {"small_data"}),
    "padding": (lambda: times(http2.frame(http2.DATA, 8, 1, b"\xfe" + b"\0" * 254), before=OPEN),
                {"small_data"}),
    "WINDOW_UPDATE": (lambda: times(window(0, 1)), {"window_updates"}),
    "unknown frames": (lambda: times(http2.frame(0x55, 0, 0, b"?")), {"other_frames"}),
    "GOAWAYs": (lambda: times(http2.frame(http2.GOAWAY, 0, 0, b"\0" * 8)), {"other_frames"}),
    "streams without end": (lambda: calls(headers), {"open_streams"}),
    "frames above 16 KiB": (lambda: times(data(1, b"x" * 16_385, 0), 500, OPEN), {"frame_size"}),
    "push promises": (lambda: times(http2.frame(PUSH_PROMISE, 4, 1, b"\0\0\0\2")),
                      {"push_promise"}),
    "late header blocks": (lambda: times(headers(1), before=LATE),
                           {"headers", "stream_closed", "frame_order"}),
    "headers of a stream that is over": (lambda: times(headers(1, b""), before=OPEN + rst(1)),
                                         {"headers"}),
    "data of a stream that is over": (lambda: times(data(1), before=OPEN + rst(1)),
                                      {"late_frames"}),
    "no SETTINGS": (lambda: times(http2.frame(http2.PING, 0, 0, b"12345678"),
                                  before=http2.PREFACE), {"settings_first"}),
}

# rule: little more than it allows at once, behind the opening
LITTLE = {
    "headers": OPEN + rst(1) + headers(1, b"") * 440,
    "resets": b"".join(headers(2 * i + 1) + rst(2 * i + 1) for i in range(110)),
    "late_frames": OPEN + rst(1) + data(1) * 220,
    "pings": http2.frame(http2.PING, 0, 0, b"12345678") * 12,
    "settings": http2.frame(http2.SETTINGS) * 12,
    "small_data": OPEN + data(1, b"\0", 0) * 110,
    "window_updates": window(0, 1) * 440,
    "priorities": http2.frame(PRIORITY, 0, 3, b"\0\0\0\0\x10") * 110,
    "other_frames": http2.frame(0x55) * 110,
    "open_streams": b"".join(headers(2 * i + 1) for i in range(101)),
    "continuations": headers(1, BLOCK, 0) + continuation() * 9,
    "header_block_bytes": headers(1, BLOCK, 0) + continuation(FIELD) * 5,
    "header_fields": headers(1, b"\x83" * 257),
    "hpack_integer": headers(1, b"\xff" + b"\x80" * 5),
    "hpack_string": headers(1, b"\0\x01x\x7f\x82\x7f" + b"y" * 16_000, 0) +
                    continuation(b"y" * 400),
    "settings_entries": http2.frame(http2.SETTINGS, 0, 0, b"\0\x04\0\x01\0\0" * 33),
    "frame_size": OPEN + data(1, b"x" * 16_385, 0),
}


class Floods(Hostile):
    def test_each_is_ended_by_its_rule(self):
        self.each_is_ended_by_its_rule(FLOODS)

    def test_little_more_than_is_allowed(self):
        for rule, frames in LITTLE.items():
            with self.subTest(rule=rule), self.breach(rule), \
                    self.weir.connect(self.target) as connection:
                connection.sendall(http2.opening() + frames)
                connection.settimeout(slow(5))
                exchange(connection, b"")

    def test_resets_between_answers(self):
        self.resets_between_answers(lambda s: headers(s) + data(s), lambda s: headers(s) + rst(s))

    def test_resets_in_time(self):
        self.resets_in_time(lambda s: headers(s) + rst(s))

    def test_rapid_reset_again_and_again(self):
        with self.attack("rapid reset, 20 connections"):
            for _ in range(20):
                self.send_until_closed(
                    [http2.opening(), *calls(lambda s: headers(s) + data(s) + rst(s), 2000)])

    def test_the_end_is_told(self):
        """GOAWAY arrives where the client reads: error 11 is ENHANCE_YOUR_CALM."""
        with self.weir.connect(self.weir.grpc_port) as connection:
            connection.sendall(http2.opening() + http2.frame(http2.PING, 0, 0, b"12345678") * 12)
            got = b""
            connection.settimeout(slow(3))
            while part := connection.recv(65536):
                got += part
            self.assertEqual(goaway(got), (11, "pings"))


class Messages(Hostile):
    def test_compressed_bomb(self):
        """N4: 64 MB of zeros in 64 KB are refused as they are."""
        bomb = gzip.compress(b"\0" * (64 << 20))
        block = http2.grpc_headers(JOKE, ("grpc-encoding", "gzip"))
        message = http2.grpc_message(bomb, compressed=1)
        with self.attack("compressed bomb"):
            with self.weir.connect(self.weir.grpc_port) as connection:
                connection.sendall(http2.opening() + headers(1, block))
                for at in range(0, len(message), 16_000):
                    last = at + 16_000 >= len(message)
                    connection.sendall(data(1, message[at:at + 16_000], 1 if last else 0))
                got = b""
                connection.settimeout(slow(5))
                while b"grpc-status" not in got:
                    got += connection.recv(65536)
            self.assertIn(b"\x0212", got)  # UNIMPLEMENTED

    def test_headers_that_broke_the_core_once(self):
        """CVE-2023-1428, CVE-2023-32731, CVE-2023-32732: at most their own connection ends."""
        blocks = {
            "te": http2.header_block([("te", "x"), ("x-large", "y" * 9000)]),
            ":scheme": http2.header_block([(":scheme", "ftp"), ("x-large", "y" * 9000)]),
            "bad base64": http2.grpc_headers(JOKE, ("x-bin", "!!!!")),
            "path without a slash": http2.grpc_headers("weir.v1.FlowService/TellJoke"),
            "large": http2.grpc_headers(JOKE, *[(f"x-{i}", "y" * 9000) for i in range(6)]),
        }
        for name, block in blocks.items():
            with self.subTest(block=name), self.attack(name):
                pieces = [block[at:at + 16_000] for at in range(0, len(block), 16_000)]
                frames = [http2.frame(http2.HEADERS if i == 0 else http2.CONTINUATION,
                                      4 if i == len(pieces) - 1 else 0, 1, piece)
                          for i, piece in enumerate(pieces)]
                self.send_until_closed([http2.opening(), *frames, data(1)], listen=0.2)


if __name__ == "__main__":
    main()
