"""Bad input over gRPC: bytes that are no message, calls that are none, frames that are none."""
import contextlib
import struct
import time

import grpc

import http2
from harness import GrpcCaller, Scenario, exchange, main, slow, wait_until

CAP = 1048576
JOKE = "/weir.v1.FlowService/TellJoke"


def field(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


BAD_MESSAGES = {
    "length beyond the end": b"\x0a\x10abc",
    "only a tag": b"\x0a",
    "varint without end": b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    "field number 0": b"\x02\x01a",
    "wrong wire type": b"\x08\x05",
    "wire type 6": b"\x0e\x00",
    "wire type 7": b"\x0f\x00",
    "group": b"\x0b\x0c",
    "unknown group without end": b"\xfb\x01" * 1000,
    "fixed32 cut": b"\x25\x01\x02",
    "length above 2 GB": b"\x0a\xff\xff\xff\xff\x0f",
    "random": bytes(range(255, 0, -1)),
    "JSON": b'{"name": "x"}',
}
BAD_TEXTS = {
    "not UTF-8": field(1, b"\xff\xfe"),
    "overlong": field(1, b"\xc0\xaf"),
    "surrogate": field(1, b"\xed\xa0\x80"),
    "NUL": field(1, b"a\0b"),
    "NUL alone": field(2, b"\0"),
}


class CoreLog(Scenario):
    def test_clients_cannot_fill_it(self):
        block = http2.grpc_headers(JOKE).replace(b"\x08trailers", b"\x01x")
        flags = http2.END_HEADERS | http2.END_STREAM
        begin = time.monotonic()
        with self.weir.connect(self.weir.grpc_port, seconds=1) as connection:
            exchange(connection, http2.opening() + b"".join(
                http2.frame(http2.HEADERS, flags, 2 * i + 1, block) for i in range(80)))
        wait_until(lambda: self.weir.events("core_message"), 5, "a line of the core")
        seconds = time.monotonic() - begin
        self.assertLessEqual(len(self.weir.events("core_message")), 10 * (seconds // 1 + 2))


class BadMessages(Scenario):
    def tearDown(self):
        self.assert_ok(self.rpc("TellJoke", {}))
        self.assert_ok(self.rest("TellJoke", {}))

    def test_malformed(self):
        for name, data in BAD_MESSAGES.items():
            for rpc in ("TellJoke", "TellStory"):
                with self.subTest(case=name, rpc=rpc):
                    outcome = self.assert_ends(self.rpc(rpc, data), 400, "INVALID_ARGUMENT")
                    self.assertTrue(outcome.detail)

    def test_texts_that_are_none(self):
        for name, data in BAD_TEXTS.items():
            with self.subTest(case=name):
                outcome = self.assert_ends(self.rpc("TellJoke", data), 400, "INVALID_ARGUMENT")
                self.assertIn(list(outcome.violations), (["name"], ["username"]))

    def test_unknown_fields_and_repeats_are_what_protobuf_says(self):
        self.assert_ok(self.rpc("TellJoke", field(15, b"new") + field(1, b"Ada")))
        outcome = self.assert_ok(self.rpc("TellJoke", field(2, b"one") + field(2, b"two")))
        self.assertEqual(outcome.answer["username"], "two")

    def test_amplifiers(self):
        for name, data in {"empty unknown fields": field(15, b"") * 300_000,
                           "repeats": field(1, b"") * 300_000,
                           "unknown varints": b"\x78\x01" * 500_000}.items():
            with self.subTest(case=name):
                before, begin = self.weir.rss_kb(), time.monotonic()
                self.rpc("TellJoke", data)
                self.assertLess(time.monotonic() - begin, slow(3))
                self.assertLess(self.weir.rss_kb() - before, 150_000 * slow(1))

    def test_message_over_the_cap(self):
        for rpc in ("TellJoke", "TellStory"):
            outcome = self.rpc(rpc, {"name" if rpc == "TellJoke" else "topic": "x" * CAP})
            self.assert_ends(outcome, 413, "RESOURCE_EXHAUSTED")
        self.assert_ends(self.rpc("TellJoke", {"name": "x" * 8 * CAP}), 413,
                         "RESOURCE_EXHAUSTED")

    def test_message_under_the_cap_meets_the_rules(self):
        self.assert_ends(self.rpc("TellJoke", {"name": "x" * (CAP - 100)}), 422,
                         "INVALID_ARGUMENT", "name")

    def test_compressed_messages_are_refused(self):
        channel = self.weir.new_channel()
        for codec in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            with self.subTest(codec=codec), self.assertRaises(grpc.RpcError) as caught:
                call = channel.unary_unary(JOKE, request_serializer=bytes)
                call(field(1, b"a" * 100) * 100, compression=codec, timeout=slow(5))
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        channel.close()

    def test_unknown_rpcs(self):
        for path in ("/weir.v1.FlowService/Nothing", "/weir.v1.Other/TellJoke", "/TellJoke",
                     "/weir.v1.FlowService/", "/weir.v1.FlowService/telljoke", "/" + "x" * 3000):
            with self.subTest(path=path[:40]), self.assertRaises(grpc.RpcError) as caught:
                self.weir.channel.unary_unary(path)(b"", timeout=slow(5))
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_client_streams_where_one_message_is_wanted(self):
        call = self.weir.channel.stream_unary(JOKE)
        with self.assertRaises(grpc.RpcError) as caught:
            call(iter([]), timeout=slow(5))  # no message at all
        self.assertIn(caught.exception.code(), (grpc.StatusCode.INVALID_ARGUMENT,
                                                grpc.StatusCode.UNIMPLEMENTED,
                                                grpc.StatusCode.INTERNAL,
                                                grpc.StatusCode.CANCELLED))

    def test_large_metadata(self):
        """On a connection of its own, which the guard ends."""
        channel = self.weir.new_channel()
        outcome = GrpcCaller(self.weir, channel)("TellJoke", {},
                                                 metadata=[("x-large", "y" * 200_000)])
        self.assert_ends(outcome, 431, "UNAVAILABLE")
        channel.close()
        wait_until(lambda: self.weir.events("connection_ended"), 5, "the guard's line")
        self.assertIn(self.weir.events("connection_ended")[-1]["rule"],
                      ("hpack_string", "header_block_bytes"))

    def test_metadata_that_is_just_not_too_large(self):
        self.assert_ok(self.rpc("TellJoke", {}, metadata=[(f"x-{i}", "y" * 15_000)
                                                          for i in range(4)]))


class Unguarded(Scenario):
    settings = {"GRPC_GUARD": "off"}

    def test_large_metadata(self):
        """On a connection of its own: the C core may close it with the refusal."""
        channel = self.weir.new_channel()
        outcome = GrpcCaller(self.weir, channel)("TellJoke", {},
                                                 metadata=[("x-large", "y" * 200_000)])
        self.assert_ends(outcome, 431, "RESOURCE_EXHAUSTED")
        channel.close()

    def test_both_protocols(self):
        for call in (self.rest, self.rpc):
            for rpc in ("TellJoke", "TellStory", "ReviewCode"):
                self.assert_ok(call(rpc, {}))
        self.assertEqual(self.weir.access(self.rpc("TellJoke", {}).request_id)[0]["peer"],
                         "127.0.0.1")


class BadFrames(Scenario):
    """Raw bytes on the gRPC port: the connection ends, the process and the others do not."""
    debug = True  # its descriptors may then be counted

    def tearDown(self):
        channel = self.weir.new_channel()
        self.assert_ok(GrpcCaller(self.weir, channel)("TellJoke", {}))
        channel.close()
        self.assert_ok(self.rest("TellJoke", {}))

    def send_each(self, cases, seconds=0.7):
        """Sends each on a connection of its own, all at once; yields what came back."""
        with contextlib.ExitStack() as stack:
            connections = []
            for data in cases:
                connection = stack.enter_context(self.weir.connect(self.weir.grpc_port))
                with contextlib.suppress(ConnectionError):
                    connection.sendall(data)
                connections.append(connection)
            end = time.monotonic() + slow(seconds)
            for connection in connections:
                connection.settimeout(max(0.01, end - time.monotonic()))
                yield exchange(connection, b"")

    def test_garbage(self):
        cases = (b"\0" * 100, b"\xff" * 10_000, bytes(range(256)) * 50, b"PRI * HTTP/2.0\r\n",
                 b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"nonsense\r\n\r\n",
                 b"GET /health HTTP/1.1\r\nHost: weir\r\n\r\n")
        for data, got in zip(cases, self.send_each(cases)):
            with self.subTest(data=data[:12]):
                self.assertFalse([f for f in http2.frames(got) if f[0] in (0, 1)], got)

    def test_frames_that_break_the_wire(self):
        opening = http2.opening()
        cases = {
            "half a preface": http2.PREFACE[:10],
            "half a frame head": opening + b"\0\0\x10\x01",
            "half a frame": opening + http2.frame(http2.HEADERS, 4, 1, b"x" * 50)[:-20],
            "frame above 16 KB": opening + http2.frame(http2.DATA, 0, 1, b"x" * 20_000),
            "data on an idle stream": opening + http2.frame(http2.DATA, 1, 1, b"x"),
            "even stream": opening + http2.frame(http2.HEADERS, 5, 2, http2.grpc_headers(JOKE)),
            "broken HPACK": opening + http2.frame(http2.HEADERS, 5, 1, b"\xff" * 40),
            "continuation alone": opening + http2.frame(http2.CONTINUATION, 4, 1, b""),
            "unknown frames": opening + http2.frame(0x55, 0xff, 3, b"?") * 100,
            "no settings": http2.PREFACE + http2.frame(http2.PING, 0, 0, b"12345678"),
        }
        for name, got in zip(cases, self.send_each(cases.values())):
            with self.subTest(case=name):
                self.assertFalse([f for f in http2.frames(got) if f[0] == http2.DATA], got)

    def test_truncated_messages(self):
        whole = http2.grpc_message(field(1, b"Ada"))
        cases = {
            "no message": b"",
            "half a prefix": b"\0\0\0",
            "fewer bytes than said": http2.grpc_message(b"\x0a", length=100),
            "a length of 4 GB": http2.grpc_message(b"", length=0xffffffff),
            "a message, half a second": whole + whole[:-1],
        }
        opening = http2.opening() + http2.frame(http2.HEADERS, http2.END_HEADERS, 1,
                                                http2.grpc_headers(JOKE))
        calls = [opening + http2.frame(http2.DATA, http2.END_STREAM, 1, body)
                 for body in cases.values()]
        for name, got in zip(cases, self.send_each(calls)):
            with self.subTest(case=name):
                kinds = [f[0] for f in http2.frames(got)]
                self.assertIn(http2.SETTINGS, kinds)
                self.assertTrue({http2.HEADERS, http2.RST_STREAM, http2.GOAWAY} & set(kinds),
                                "the call was not ended")
                if name != "a message, half a second":  # one is enough for a unary call
                    self.assertNotIn(http2.DATA, kinds)

    def test_a_client_that_leaves_in_the_middle(self):
        for data in (http2.frame(http2.DATA, 0, 1, b"\0\0\0\0\x10abc"),
                     http2.frame(http2.RST_STREAM, 0, 1, struct.pack(">I", 8))):
            with self.weir.connect(self.weir.grpc_port) as connection:
                connection.sendall(http2.opening() + http2.frame(
                    http2.HEADERS, http2.END_HEADERS, 1, http2.grpc_headers(JOKE)) + data)
                time.sleep(0.05)

    def test_a_call_by_raw_frames_works(self):
        with self.weir.connect(self.weir.grpc_port, seconds=2) as connection:
            connection.sendall(http2.opening() + http2.frame(
                http2.HEADERS, http2.END_HEADERS, 1, http2.grpc_headers(JOKE)) + http2.frame(
                http2.DATA, http2.END_STREAM, 1, http2.grpc_message(field(1, b"Zebulon"))))
            got = b""
            end = time.monotonic() + slow(3)
            while b"Zebulon" not in got and time.monotonic() < end:
                got += connection.recv(65536)
            self.assertIn(b"Zebulon", got)

    def test_rest_port_given_http2(self):
        got = self.weir.raw(http2.opening(), seconds=1)
        self.assertNotIn(b"200 OK", got)

    def test_connections_are_given_back(self):
        before = self.weir.open_files()
        for _ in range(30):
            with self.weir.connect(self.weir.grpc_port) as connection:
                connection.sendall(http2.opening() + b"\xff" * 100)
        wait_until(lambda: self.weir.open_files() <= before + 2, 8, "the end of 30 connections")


if __name__ == "__main__":
    main()
