"""HTTP/2 floods on the REST port (REST_HTTP2): the guard's rules hold there as before gRPC."""
import contextlib
import struct
import time

from cost import Hostile, http2, main

END = http2.END_HEADERS | http2.END_STREAM
BLOCK = http2.header_block([(":method", "POST"), (":scheme", "http"), (":path", "/tell-joke"),
                            (":authority", "weir"), ("content-type", "application/json")])
FIELD = http2.header_block([("x-a", "b" * 1000)])
BATCH, MOST = 500, 50_000


def headers(stream, block=BLOCK, flags=http2.END_HEADERS):
    return http2.frame(http2.HEADERS, flags, stream, block)


def data(stream, payload=b"{}", flags=http2.END_STREAM):
    return http2.frame(http2.DATA, flags, stream, payload)


def rst(stream):
    return http2.frame(http2.RST_STREAM, 0, stream, struct.pack(">I", 8))


def window(stream, by):
    return http2.frame(8, 0, stream, struct.pack(">I", by))


def calls(each, most=MOST):
    for first in range(0, most, BATCH):
        yield b"".join(each(2 * i + 1) for i in range(first, first + BATCH))


def times(frame, most=MOST, before=b""):
    yield before
    for _ in range(0, most, BATCH):
        yield frame * BATCH


def bodies(size=900_000):
    """Sixty bodies that are never ended."""
    part = b" " * 15_000
    for i in range(60):
        yield headers(2 * i + 1) + data(2 * i + 1, part, 0) * (size // len(part))


# A value of 3,000 bytes that is referred to again and again.
BOMB = BLOCK + b"\x40\x01x\x7f\xb9\x16" + b"y" * 3000 + b"\xbe" * 15_000

FLOODS = {
    "rapid reset": (lambda: calls(lambda s: headers(s) + rst(s)), {"resets", "reset_share"}),
    "rapid reset of whole requests": (lambda: calls(lambda s: headers(s) + data(s) + rst(s)),
                                      {"resets", "reset_share", "open_streams", "late_frames",
                                       None}),
    "made to reset: window of 0": (lambda: calls(lambda s: headers(s) + window(s, 0)),
                                   {"window_increment_zero"}),
    "made to reset: window overflow": (
        lambda: calls(lambda s: headers(s) + window(s, 0x7fffffff)),
        {"resets", "reset_share", "open_streams"}),
    "made to reset: data after the end": (
        lambda: calls(lambda s: headers(s) + data(s) + data(s)), {"stream_closed"}),
    "empty CONTINUATIONs": (lambda: times(http2.frame(http2.CONTINUATION, 0, 1, b""),
                                          before=headers(1, BLOCK, 0)), {"continuations"}),
    "full CONTINUATIONs": (lambda: times(http2.frame(http2.CONTINUATION, 0, 1, FIELD), 2000,
                                         headers(1, BLOCK, 0)),
                           {"header_block_bytes", "continuations"}),
    "header block of references": (lambda: calls(lambda s: headers(s, BOMB[:16_000]), BATCH),
                                   {"header_fields"}),
    "PINGs": (lambda: times(http2.frame(http2.PING, 0, 0, b"12345678")), {"pings"}),
    "SETTINGS": (lambda: times(http2.frame(http2.SETTINGS)), {"settings"}),
    "PRIORITY": (lambda: times(http2.frame(2, 0, 3, b"\0\0\0\0\x10")), {"priorities"}),
    "empty DATA": (lambda: times(data(1, b"", 0), before=headers(1)), {"small_data"}),
    "WINDOW_UPDATE": (lambda: times(window(0, 1)), {"window_updates"}),
    "unknown frames": (lambda: times(http2.frame(0x55, 0, 0, b"?")), {"other_frames"}),
    "streams without end": (lambda: calls(headers), {"open_streams"}),
    "bodies without end": (bodies, {"body_bytes"}),
    "frames above 16 KiB": (lambda: times(data(1, b"x" * 16_385, 0), 500, headers(1)),
                            {"frame_size"}),
    "headers of a stream that is over": (lambda: times(headers(1, b""),
                                                       before=headers(1) + rst(1)), {"headers"}),
    "data of a stream that is over": (lambda: times(data(1), before=headers(1) + rst(1)),
                                      {"late_frames"}),
    "no SETTINGS": (lambda: times(http2.frame(http2.PING, 0, 0, b"12345678"),
                                  before=http2.PREFACE), {"settings_first"}),
}


class Floods(Hostile):
    settings = {"REST_HTTP2": "true"}

    @property
    def target(self):
        return self.weir.port

    def test_each_is_ended_by_its_rule(self):
        self.each_is_ended_by_its_rule(FLOODS)

    def test_resets_between_answers(self):
        self.resets_between_answers(lambda s: headers(s) + data(s), lambda s: headers(s) + rst(s))

    def test_resets_in_time(self):
        self.resets_in_time(lambda s: headers(s) + rst(s))

    def test_requests_of_many_headers(self):
        """Each is refused by itself, and none is worked on."""
        block = BLOCK + http2.header_block([(f"x-{i}", "y" * 50) for i in range(200)])
        with self.attack("many headers"):
            got = self.send_until_closed([http2.opening()] + [
                b"".join(headers(2 * i + 1, block, END) for i in range(50))], listen=0.5)
        self.assertGreater(len([f for f in http2.frames(got) if f[0] == http2.DATA]), 40)
        self.assertNotIn(b'"joke"', got)

    def test_windows_of_zero(self):
        """A hundred answers that may not be sent, on each of ten connections. That they are ended is
        seen in scenario/rest_http2, where others run beside."""
        opening = http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
        requests = b"".join(headers(2 * i + 1) + data(2 * i + 1) for i in range(100))
        with self.attack("windows of zero", least_s=2, works=True), contextlib.ExitStack() as stack:
            for _ in range(10):
                stack.enter_context(self.weir.connect()).sendall(opening + requests)
            time.sleep(1)

    def test_nobody_reads(self):
        wide = http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0, struct.pack(
            ">HI", 4, 0x7fffffff)) + window(0, 0x7fff0000 - 65535)
        with self.attack("nobody reads", cpu_s=4, least_s=2, works=True), \
                contextlib.ExitStack() as stack:
            for _ in range(10):
                connection = stack.enter_context(self.weir.connect())
                connection.sendall(wide)
                connection.settimeout(0.5)
                with contextlib.suppress(OSError):
                    for first in range(0, 2000, 50):
                        connection.sendall(b"".join(headers(2 * s + 1) + data(2 * s + 1)
                                                    for s in range(first, first + 50)))


if __name__ == "__main__":
    main()
