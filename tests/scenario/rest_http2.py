"""REST over HTTP/2 (REST_HTTP2): off unless asked for; on, the same answers, errors, streams, ends."""
import base64
import json
import signal
import ssl
import struct
import subprocess
import time
import unittest

import http2
from authority import AuthorityCase
from harness import Reply, Scenario, Weir, exchange, main, run_once, slow, wait_until

PRIOR = ("--http2-prior-knowledge",)
ON = {"REST_HTTP2": "true"}
END = http2.END_HEADERS | http2.END_STREAM


def head(path, *more, method="POST", authority="weir", scheme="http"):
    fields = [(":method", method), (":scheme", scheme), (":path", path)]
    if authority is not None:
        fields.append((":authority", authority))
    return http2.header_block([*fields, *more])


def post(stream, path="/tell-joke", body=b"{}", *more):
    block = head(path, ("content-type", "application/json"), *more)
    return (http2.frame(http2.HEADERS, http2.END_HEADERS, stream, block) +
            http2.frame(http2.DATA, http2.END_STREAM, stream, body))


class Connection:
    """Raw frames, read one after another."""

    def __init__(self, weir):
        self.socket = weir.connect()
        self.rest, self.came = b"", []
        self.send(http2.opening() + http2.frame(8, 0, 0, struct.pack(">I", 1 << 30)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def frames(self, seconds=5):
        """Those that come until the end, or nothing for so long."""
        self.socket.settimeout(slow(seconds))
        while True:
            while self.came:  # one at a time: who stops at one finds the others here
                yield self.came.pop(0)
            try:
                part = self.socket.recv(65536)
            except (TimeoutError, ConnectionError):
                return
            if not part:
                return
            self.rest += part
            self.came = http2.frames(self.rest)
            self.rest = self.rest[sum(9 + len(f[3]) for f in self.came):]

    def until(self, kind, stream=None, flag=0):
        """The frames up to one of this kind."""
        seen = []
        for frame in self.frames():
            seen.append(frame)
            if frame[0] == kind and stream in (None, frame[2]) and frame[1] & flag == flag:
                return seen
        raise AssertionError(f"no frame {kind}: {seen}")

    def answer(self, stream):
        """The body of the answer on a stream."""
        return b"".join(f[3] for f in self.until(http2.DATA, stream, http2.END_STREAM)
                        if f[0] == http2.DATA and f[2] == stream)


class On(Scenario):
    upstream = True
    settings = {**ON, "TRUSTED_HOSTS": "weir,127.0.0.1"}

    def both(self, path, body=None, **how):
        """The replies over HTTP/1.1 and HTTP/2, which have to agree."""
        one = self.weir.curl(path, body, **how)
        two = self.weir.curl(path, body, arguments=PRIOR, **how)
        self.assertTrue(two.head.startswith("HTTP/2 "), two.head)
        self.assertEqual(one.status, two.status)
        own = {"connection", "transfer-encoding", "keep-alive"}
        self.assertEqual(set(one.headers) - own, set(two.headers) - own)
        return two

    def test_the_same_answers(self):
        for path, body in (("/tell-joke", {"name": "Ada"}), ("/translate", {"text": "Hello"}),
                           ("/health", None), ("/version", None), ("/ready", None)):
            with self.subTest(path=path):
                self.both(path, body)
        self.assertIn("joke", self.both("/tell-joke", {}).json)

    def test_the_same_errors(self):
        for status, path, how in (
                (404, "/nowhere", {}), (405, "/tell-joke", {"verb": "DELETE"}),
                (400, "/tell-joke", {"body": b"{x"}), (422, "/tell-joke", {"body": {"name": "x" * 300}}),
                (415, "/tell-joke", {"body": b"x", "json_type": False}),
                (413, "/tell-joke", {"body": b" " * 1_100_000}),
                (400, "/tell-joke", {"body": b"{}", "headers": ["Host: elsewhere.example"]}),
                (431, "/health", {"headers": [f"X-{i}: {'y' * 1000}" for i in range(20)]})):
            with self.subTest(status=status, how=list(how)):
                self.assert_problem(self.both(path, **how), status)

    def test_headers_are_counted(self):
        for count, status in ((95, 200), (101, 431)):
            self.assertEqual(self.weir.curl("/health", arguments=PRIOR, headers=[
                f"X-{i}: y" for i in range(count)]).status, status)

    def test_no_body(self):
        self.assertEqual(self.both("/tell-joke", verb="OPTIONS").status, 204)

    def test_a_stream(self):
        reply = self.weir.curl("/tell-story/stream", {"topic": "rivers"}, arguments=PRIOR)
        events = [json.loads(line[6:]) for line in reply.body.decode().split("\n")
                  if line.startswith("data: ")]
        self.assertGreater(len(events), 2)
        self.assertTrue(events[-1]["done"])
        self.assertEqual("".join(e["chunk"] for e in events[:-1]), events[-1]["story"])

    def test_other_protocols(self):
        connect = self.weir.curl("/weir.v1.FlowService/TellJoke", {}, arguments=PRIOR,
                                 headers=["Connect-Protocol-Version: 1"])
        self.assertIn("joke", connect.json)
        web = self.weir.curl("/weir.v1.FlowService/TellJoke", b"AAAAAAA=", json_type=False,
                             arguments=PRIOR,
                             headers=["Content-Type: application/grpc-web-text"])
        self.assertEqual(web.status, 200)
        self.assertIn(b"grpc-status:0", decoded(web.body))
        for stream in (False, True):
            chat = self.weir.curl("/v1/chat/completions", {
                "model": "gpt-4o-mini", "stream": stream,
                "messages": [{"role": "user", "content": "Hi"}]}, arguments=PRIOR)
            self.assertEqual(chat.status, 200, chat.body)
            self.assertIn(b"chat.completion", chat.body)

    def test_many_at_once(self):
        """Four connections, a hundred streams each, again and again."""
        for _ in range(4):
            with Connection(self.weir) as connection:
                for first in range(0, 300, 100):
                    streams = [2 * i + 1 for i in range(first, first + 100)]
                    connection.send(b"".join(post(s) for s in streams))
                    ended = set()
                    for kind, flags, stream, payload in connection.frames():
                        self.assertNotIn(kind, (http2.RST_STREAM, http2.GOAWAY), payload)
                        if kind == http2.DATA and flags & http2.END_STREAM:
                            ended.add(stream)
                        if len(ended) == len(streams):
                            break
                    self.assertEqual(ended, set(streams))

    def test_one_who_leaves_cancels_the_call(self):
        for how in ("reset", "close"):
            before = self.model.aborted
            self.model.behave("silent")
            with self.subTest(how=how), Connection(self.weir) as connection:
                connection.send(post(1))
                wait_until(lambda: self.model.running == 1, 3, "the call at the model")
                if how == "reset":
                    connection.send(http2.frame(http2.RST_STREAM, 0, 1, struct.pack(">I", 8)))
                else:
                    connection.socket.close()
                wait_until(lambda: self.model.aborted == before + 1, 3, "the abort at the model")
                self.model.behave("ok")
                if how == "reset":  # and the connection goes on
                    connection.send(post(3))
                    self.assertIn(b"joke", connection.answer(3))

    def test_the_peer_is_known(self):
        self.weir.curl("/tell-joke", {}, arguments=PRIOR, headers=["X-Request-ID: who"])
        line, = self.weir.access("who")
        self.assertEqual((line["peer"], line["status"]), ("127.0.0.1", 200))

    def test_malformed_requests_get_400(self):
        for name, block in {
                "no authority": head("/health", method="GET", authority=None),
                "host alone": head("/health", ("host", "weir"), method="GET", authority=None),
                "spaces in the method": head("/health", method="G E T"),
                "spaces in the path": head("/health x", method="GET"),
                "keep-alive": head("/health", ("keep-alive", "5"), method="GET"),
                "proxy-connection": head("/health", ("proxy-connection", "close"), method="GET"),
                "no slash": head("health", method="GET"),
                "a line break in a value": head("/health", ("x-a", "b\r\nx: c"), method="GET"),
                "a NUL": head("/health", ("x-a", b"b\0c"), method="GET")}.items():
            with self.subTest(request=name), Connection(self.weir) as connection:
                connection.send(http2.frame(http2.HEADERS, END, 1, block))
                body = json.loads(connection.answer(1))
                self.assertEqual((body["status"], body["code"]), (400, "INVALID_ARGUMENT"))

    def test_what_http2_forbids_ends_the_connection_or_the_stream(self):
        for name, more, end in (
                ("transfer-encoding", [("transfer-encoding", "chunked")], http2.GOAWAY),
                ("connection", [("connection", "close")], http2.GOAWAY),
                ("upgrade", [("upgrade", "h2c")], http2.GOAWAY),
                ("te", [("te", "gzip")], http2.GOAWAY),
                ("upper case", [("X-Upper", "b")], http2.GOAWAY),
                ("a pseudo-header late", [("x-a", "b"), (":path", "/x")], http2.GOAWAY),
                ("two methods", [(":method", "GET")], http2.GOAWAY),
                ("an odd length", [("content-length", "+2")], http2.GOAWAY),
                ("another length", [("content-length", "3")], http2.RST_STREAM)):
            requests = self.model.requests
            with self.subTest(request=name), Connection(self.weir) as connection:
                connection.send(post(1, "/tell-joke", b"{}", *more))
                seen = connection.until(end)
                self.assertFalse([f for f in seen if f[0] == http2.HEADERS])
            self.assertEqual(self.model.requests, requests, "it reached the model")


def decoded(text):
    """Base64 of several pieces, each padded for itself."""
    parts = text.replace(b"=", b"= ").replace(b"= =", b"==").split()
    return b"".join(base64.b64decode(part) for part in parts).replace(b": ", b":")


class Drain(unittest.TestCase):
    def test_streams_end_and_clients_are_told(self):
        with Weir(ON) as weir:
            with Connection(weir) as idle, Connection(weir) as busy:
                idle.send(post(1))
                idle.answer(1)
                busy.send(post(1, "/tell-story/stream", b'{"topic":"x"}'))
                busy.until(http2.DATA, 1)
                weir.signal(signal.SIGTERM)
                told = idle.until(http2.GOAWAY)[-1]
                self.assertEqual(told[3], b"\x7f\xff\xff\xff" + b"\0" * 4)
                idle.send(post(3))  # it was on its way
                self.assertIn(b"joke", idle.answer(3))
                rest = b"".join(f[3] for f in busy.frames() if f[0] == http2.DATA)
                self.assertIn(b'"done":true', rest)
            self.assertEqual(weir.wait(), 0)
            self.assertFalse(weir.events("drain_cut_short"))

    def test_a_body_on_its_way_comes_whole(self):
        """In pieces of one size: that something comes is seen, not how much."""
        with Weir(ON) as weir, Connection(weir) as connection:
            piece = http2.frame(http2.DATA, 0, 1, b" " * 100)
            block = head("/tell-joke", ("content-type", "application/json"))
            connection.send(http2.frame(http2.HEADERS, http2.END_HEADERS, 1, block))
            for i in range(24):
                if i == 2:
                    weir.signal(signal.SIGTERM)
                connection.send(piece)
                time.sleep(0.1)
            connection.send(http2.frame(http2.DATA, http2.END_STREAM, 1, b"{}"))
            self.assertIn(b"joke", connection.answer(1))
            self.assertEqual(weir.wait(), 0)

    def test_one_who_does_not_go_is_ended(self):
        with Weir({**ON, "SHUTDOWN_GRACE": "6s"}) as weir, Connection(weir) as connection:
            connection.send(post(1))
            connection.answer(1)
            weir.signal(signal.SIGTERM)
            self.assertIn(http2.GOAWAY, [f[0] for f in connection.frames(seconds=8)])
            self.assertEqual(weir.wait(), 0)
            self.assertFalse(weir.events("drain_cut_short"))


class Readers(unittest.TestCase):
    def test_one_who_takes_no_answer_is_ended(self):
        """Its window is zero; 30 s are for it to open. Another's are open all the time."""
        closed = http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
        with Weir(ON) as weir, weir.connect() as stuck, Connection(weir) as honest:
            begin = time.monotonic()
            stuck.sendall(closed + post(1))
            stuck.settimeout(slow(35))
            honest.send(post(1))
            honest.answer(1)
            while stuck.recv(65536):
                pass
            self.assertGreater(time.monotonic() - begin, 29)
            honest.send(post(3))
            self.assertIn(b"joke", honest.answer(3))


class Tls(AuthorityCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.settings = {"TLS_CERT_FILE": cls.cert, "TLS_KEY_FILE": cls.key}

    def chosen(self, weir, *offer):
        """What ALPN chooses; None: the handshake fails."""
        context = ssl.create_default_context(cafile=self.authority.cert)
        context.set_alpn_protocols(list(offer))
        try:
            with weir.connect() as raw, context.wrap_socket(raw, server_hostname="localhost") as c:
                return c.selected_alpn_protocol()
        except (ssl.SSLError, ConnectionError):
            return None

    def test_by_alpn(self):
        with Weir({**self.settings, **ON}, debug=True) as weir:
            self.assertEqual(self.chosen(weir, "h2", "http/1.1"), "h2")
            self.assertEqual(self.chosen(weir, "http/1.1", "h2"), "h2")
            self.assertEqual(self.chosen(weir, "http/1.1"), "http/1.1")
            self.assertEqual(self.chosen(weir, "h2"), "h2")
            self.assertIsNone(self.chosen(weir, "spdy/3"))
            for flag, version in (("--http2", "HTTP/2"), ("--http1.1", "HTTP/1.1")):
                reply = self.curl(weir, flag)
                self.assertTrue(reply.head.startswith(version + " 200"), reply.head)
                self.assertIn("strict-transport-security", reply.headers)

    def curl(self, weir, flag):
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--noproxy", "*", "-i", flag, "--cacert",
             self.authority.cert, "--max-time", str(slow(10)), "-H",
             "Content-Type: application/json", "--data", "{}",
             f"https://localhost:{weir.port}/tell-joke"], capture_output=True, check=True)
        return Reply.parse(done.stdout)

    def test_off_offers_none(self):
        with Weir(self.settings, debug=True) as weir:
            self.assertEqual(self.chosen(weir, "h2", "http/1.1"), "http/1.1")
            self.assertIsNone(self.chosen(weir, "h2"))


class Off(unittest.TestCase):
    def test_the_preface_is_no_request(self):
        with Weir() as weir:
            self.assertNotIn(b"joke", weir.raw(http2.opening() + post(1)))
            self.assertTrue(weir.raw(http2.opening()).startswith(b"HTTP/1.1 "))
            self.assertEqual(weir.curl("/health", arguments=["--http2"]).head[:8], "HTTP/1.1")

    def test_upgrade_is_not_spoken_even_when_on(self):
        with Weir(ON) as weir:
            reply = weir.curl("/health", arguments=["--http2"])
            self.assertTrue(reply.head.startswith("HTTP/1.1 200"), reply.head)

    def test_on_a_single_port_it_is_refused(self):
        done = run_once("--port", "0", settings={**ON, "SINGLE_PORT": "true", "AUTH_MODE": "none",
                                                 "LLM_PROVIDER": "offline"})
        self.assertEqual(done.returncode, 2)
        self.assertIn("REST_HTTP2", done.stderr)
        with Weir({**ON, "SINGLE_PORT": "true", "NO_GRPC": "true"}) as weir:
            self.assertTrue(weir.curl("/health", arguments=PRIOR).head.startswith("HTTP/2 200"))

    def test_undecided_connections_are_given_up(self):
        with Weir(ON) as weir, weir.connect(seconds=8) as connection:
            connection.sendall(http2.PREFACE[:10])
            self.assertEqual(exchange(connection, b""), b"")


if __name__ == "__main__":
    main()
