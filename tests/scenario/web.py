"""The browser protocols, Connect and gRPC-Web, by hand over HTTP: every flow, streams, errors of
every kind in the protocol's own shape, deadlines, leaving, draining."""
import base64
import functools
import time
import unittest

from harness import FakeUpstream, Reply, Scenario, Weir, exchange, main, slow, wait_until
from tokens import api_key
from web_client import END, TRAILERS, WebCaller, all_web, frame

REQUESTS = {
    "TellJoke": {"name": "Bob"}, "TranslateText": {"text": "Hello", "target": "de"},
    "DescribeImage": {"imageUrl": "https://example.com/a.png"}, "GenerateCharacter": {},
    "PirateChat": {"message": "Ahoy"}, "GenerateCode": {"description": "sort a list"},
    "ReviewCode": {"code": "print(1)"}, "Health": {}, "TellJokeStream": {"name": "Bob"},
    "TellStory": {"topic": "rivers"},
}


def over_web(test):
    """A test method that takes a caller: runs it over each protocol in each form."""
    @functools.wraps(test)
    def run(self):
        for call in all_web(self.weir):
            with self.subTest(protocol=str(call)):
                test(self, call)
    return run


def dechunked(answer):
    """An HTTP response without its chunks, which must be complete."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    body, size = b"", 1
    while size:
        line, _, rest = rest.partition(b"\r\n")
        size = int(line, 16)
        body, rest = body + rest[:size], rest[size + 2:]
    return head + b"\r\n\r\n" + body


def post(path, kind, body, *headers):
    lines = [f"POST /weir.v1.FlowService/{path} HTTP/1.1", "Host: weir", f"Content-Type: {kind}",
             f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Flows(Scenario):
    upstream = True

    def test_every_flow(self):
        """The same answer as over plain gRPC, whatever the protocol."""
        for path in self.weir.messages.methods:
            if not path.startswith("/weir.v1.FlowService/"):
                continue
            rpc = path.rsplit("/", 1)[1]
            request = self.request_of(rpc)
            expected = self.assert_ok(self.rpc(rpc, request))
            for call in all_web(self.weir):
                with self.subTest(rpc=rpc, protocol=str(call)):
                    outcome = self.assert_ok(call(rpc, request))
                    self.assertEqual(outcome.http, 200)
                    self.assertEqual(outcome.text, expected.text)
                    if rpc == "Health":
                        continue  # tells the time
                    answer = dict(expected.answer or {})
                    if call.form == "json":
                        answer.pop("review", None)  # grpc_only: JSON has its members
                    self.assertEqual(outcome.answer or {}, answer)
                    self.assertNotEqual(outcome.request_id, "")

    def request_of(self, rpc):
        """As much of the sample as the message has fields for."""
        method = self.weir.messages.methods[f"/weir.v1.FlowService/{rpc}"]
        fields = {f.json_name for f in
                  self.weir.messages.type(method.input_type).DESCRIPTOR.fields}
        given = REQUESTS.get(rpc, {})
        return {name: value for name, value in given.items() if name in fields}

    @over_web
    def test_pieces_come_as_the_model_says_them(self, call):
        gap = slow(0.2)
        self.model.behave("slow_stream", gap_s=gap, text="one two three four five")
        body = call.body("TellStory", {})
        with self.weir.connect() as connection:
            connection.sendall(post("TellStory", call.content_type("TellStory"), body))
            begin, got = time.monotonic(), b""
            words = b"one" if call.form != "text" else base64.b64encode(b"\0\0\0\0\5\n\3one")
            while words not in got:
                got += connection.recv(65536)
            first = time.monotonic() - begin
            while b"\r\n0\r\n\r\n" not in got:
                got += connection.recv(65536)
            self.assertGreater(time.monotonic() - begin - first, 2 * gap)

    @over_web
    def test_one_of_many_on_a_connection(self, call):
        """The connection stays, also behind errors."""
        data = b"".join(post(rpc, call.content_type(rpc), call.body(rpc, request))
                        for rpc, request in (("TellJoke", {}), ("TellStory", {}),
                                             ("TellJoke", {"name": "x" * 300}), ("TellJoke", {})))
        answer = self.weir.raw(data + b"GET /nowhere HTTP/1.1\r\nHost: weir\r\n"
                                      b"Connection: close\r\n\r\n")
        self.assertEqual(answer.count(b"HTTP/1.1 "), 5)

    @over_web
    def test_the_log_names_the_protocol(self, call):
        name = str(call).replace(" ", "-")
        self.assert_ok(call("TellJoke", {}, headers=[f"X-Request-ID: {name}"]))
        line = self.weir.access(name)[0]
        self.assertEqual((line["protocol"], line["flow"], line["path"]),
                         (call.protocol, "tell_joke", "/weir.v1.FlowService/TellJoke"))

    def test_compression_is_where_http_has_it(self):
        """A unary Connect answer may be compressed as a whole; frames never are."""
        for call in all_web(self.weir):
            self.model.behave("ok", text="word " * 2000)
            reply = call.post("TellJoke", {}, headers=["Accept-Encoding: gzip"])
            self.assertEqual(reply.headers.get("content-encoding"),
                             "gzip" if call.protocol == "connect" else None)


class Errors(Scenario):
    upstream = True

    def assert_web(self, call, outcome, code, http, *paths):
        """For Connect the HTTP status of the code, if unary; 200 for all the rest."""
        self.assertFalse(outcome.ok, outcome.answer)
        self.assertEqual(outcome.code, code, outcome.detail)
        self.assertEqual(sorted(outcome.violations), sorted(paths))
        self.assertNotEqual(outcome.detail, "")
        self.assertEqual(outcome.http, http if call.protocol == "connect" else 200)

    @over_web
    def test_rules(self, call):
        self.assert_web(call, call("TellJoke", {"name": "x" * 300}), "INVALID_ARGUMENT", 400,
                        "name")
        self.assert_web(call, call("TellJokeStream", {"name": "x" * 300}), "INVALID_ARGUMENT", 200,
                        "name")

    @over_web
    def test_what_is_no_message(self, call):
        for rpc, http in (("TellJoke", 400), ("TellStory", 200)):
            outcome = call(rpc, b"\xff\xff" if call.form != "json" else b'{"name":')
            self.assertEqual((outcome.ok, outcome.code), (False, "INVALID_ARGUMENT"))
            self.assertEqual(outcome.http, http if call.protocol == "connect" else 200)

    @over_web
    def test_bad_frames(self, call):
        rpc = "TellStory"
        whole = frame(b"{}" if call.form == "json" else b"")
        for body, code in ((b"", "INVALID_ARGUMENT"), (whole[:4], "INVALID_ARGUMENT"),
                           (whole + whole, "INVALID_ARGUMENT"), (whole + b"x", "INVALID_ARGUMENT"),
                           (frame(b"abc")[:-1], "INVALID_ARGUMENT"),
                           (b"\0\xff\xff\xff\xff", "INVALID_ARGUMENT"),
                           (frame(b"", END), "INVALID_ARGUMENT"),
                           (frame(b"", TRAILERS), "INVALID_ARGUMENT"),
                           (frame(b"\x1f\x8b\x08", 1), "UNIMPLEMENTED")):
            with self.subTest(body=body):
                data = base64.b64encode(body) if call.form == "text" else body
                self.assert_web(call, call(rpc, body=data), code, 200)
        if call.form == "text":
            self.assert_web(call, call(rpc, body=b"????"), "INVALID_ARGUMENT", 200)

    @over_web
    def test_compressed(self, call):
        header = "Grpc-Encoding" if call.protocol == "grpc-web" else "Content-Encoding"
        outcome = call("TellJoke", {}, headers=[f"{header}: gzip"])
        self.assert_web(call, outcome, "UNIMPLEMENTED", 501)
        self.assertEqual(outcome.detail, "Send the message uncompressed.")
        self.assert_ok(call("TellJoke", {}, headers=[f"{header}: identity"]))
        if call.protocol == "connect":
            self.assert_web(call, call("TellStory", {}, headers=["Connect-Content-Encoding: gzip"]),
                            "UNIMPLEMENTED", 200)

    @over_web
    def test_too_large(self, call):
        """Found by the HTTP library or by ours, with or without a length."""
        for extra in ([], ["Transfer-Encoding: chunked"]):
            for rpc, http in (("TellJoke", 429), ("TellStory", 200)):
                outcome = call(rpc, body=b"x" * 1100000, headers=extra)
                self.assert_web(call, outcome, "RESOURCE_EXHAUSTED", http)

    @over_web
    def test_no_such_rpc(self, call):
        kind = call.content_type("TellJoke")
        headers = [f"Content-Type: {kind}", "Connect-Protocol-Version: 1"]
        for path in ("/weir.v1.FlowService/Nothing", "/other.v1.Service/TellJoke"):
            outcome = call.read("TellJoke", self.weir.curl(
                path, call.body("TellJoke", {}), headers=headers, json_type=False))
            self.assert_web(call, outcome, "UNIMPLEMENTED", 404)

    def test_media_types(self):
        """Refused with 415, and with what the rpc takes."""
        for rpc, kind in (("TellJoke", "text/plain"), ("TellJoke", "application/connect+json"),
                          ("TellStory", "application/json"), ("TellStory", "application/proto"),
                          ("TellJoke", "application/grpc"), ("TellJoke", "")):
            with self.subTest(rpc=rpc, kind=kind):
                reply = self.weir.curl(f"/weir.v1.FlowService/{rpc}", b"{}", json_type=False,
                                       headers=[f"Content-Type:{' ' + kind if kind else ''}"])
                self.assertEqual(reply.status, 415)
                self.assertEqual(reply.json["code"], "invalid_argument")
                self.assertEqual(reply.headers["content-type"], "application/json")
                self.assertIn("application/connect+proto" if rpc == "TellStory"
                              else "application/proto", reply.headers["accept-post"])
        call = WebCaller(self.weir, "grpc-web", "proto")
        outcome = call("TellJoke", {}, headers=["Content-Type: application/grpc-web+json"])
        self.assert_web(call, outcome, "INVALID_ARGUMENT", 200)

    def test_verbs(self):
        for verb in ("GET", "PUT", "DELETE"):
            reply = self.weir.curl("/weir.v1.FlowService/TellJoke", verb=verb)
            self.assertEqual(reply.status, 405)
            self.assertEqual(reply.json["code"], "unimplemented")
            self.assertEqual(reply.headers["allow"], "POST, OPTIONS")

    def test_the_version_of_connect(self):
        call = WebCaller(self.weir, "connect", "json")
        self.assert_ok(call("TellJoke", {}, headers=["Connect-Protocol-Version: 1"]))
        self.assert_web(call, call("TellJoke", {}, headers=["Connect-Protocol-Version: 2"]),
                        "INVALID_ARGUMENT", 400)

    def test_plain_rest_stays_what_it_was(self):
        body = self.assert_problem(self.weir.curl("/nowhere", {}), 404)
        self.assertEqual(body["code"], "NOT_FOUND")
        reply = self.weir.curl("/tell-joke", b"", json_type=False,
                               headers=["Content-Type: application/grpc-web"])
        self.assert_problem(reply, 415)

    def test_the_model_fails(self):
        for at in range(4):  # each with a breaker of its own
            with Weir({"LLM_BASE_URL": self.model.base_url, "LLM_RETRIES": "0"}) as weir:
                call = all_web(weir)[at]
                with self.subTest(protocol=str(call)):
                    self.model.behave("status", status=500)
                    self.assert_web(call, call("TellJoke", {}), "UNAVAILABLE", 503)
                    self.assert_web(call, call("TellStory", {}), "UNAVAILABLE", 200)
                    self.model.behave("stream_error", text="one two three four")
                    outcome = call("TellStory", {})
                    self.assert_web(call, outcome, "UNAVAILABLE", 200)
                    self.assertEqual((outcome.late, outcome.text), (True, "one"))

    @over_web
    def test_the_client_s_own_deadline(self, call):
        ms = int(slow(0.3) * 1000)
        header = f"Connect-Timeout-Ms: {ms}" if call.protocol == "connect" else \
            f"Grpc-Timeout: {ms}m"
        self.model.behave("silent")
        for rpc, http in (("TellJoke", 504), ("TellStory", 200)):
            begin = time.monotonic()
            self.assert_web(call, call(rpc, {}, headers=[header]), "DEADLINE_EXCEEDED", http)
            self.assertLess(time.monotonic() - begin, slow(3))
        self.model.behave("ok")
        self.assert_web(call, call("TellJoke", {}, headers=[header.split(":")[0] + ": soon"]),
                        "INVALID_ARGUMENT", 400)


class Limited(Scenario):
    settings = {"RATE_LIMIT_DEFAULT": "8/hour"}

    def test_it_says_when_to_come_back(self):
        for call in all_web(self.weir):
            outcome = self.assert_ok(call("TellStory", {}))
            self.assertTrue(outcome.trailers["ratelimit-policy"].startswith('"public"'))
        for call in all_web(self.weir):
            outcome = self.assert_ok(call("TellJoke", {}))
            told = outcome.trailers if call.protocol == "grpc-web" else outcome.reply.headers
            self.assertTrue(told["ratelimit"].startswith('"public"'))
        for call in all_web(self.weir):
            for rpc in ("TellJoke", "TellStory"):
                with self.subTest(rpc=rpc, protocol=str(call)):
                    outcome = call(rpc, {})
                    self.assertEqual(outcome.code, "RESOURCE_EXHAUSTED")
                    self.assertGreater(int(outcome.retry_after), 0)
                    told = {**outcome.trailers, **outcome.reply.headers}
                    self.assertTrue(told["ratelimit"].startswith('"public";r=0'))


class Closed(Scenario):
    settings = {"AUTH_MODE": "required", "API_KEYS_FILE": "api_keys"}
    KEY, LINE = api_key(1, scopes="flow:tell_joke,flow:tell_story")
    files = {"api_keys": LINE}

    @over_web
    def test_who_may_call(self, call):
        for rpc in ("TellJoke", "TellStory"):
            self.assert_ok(call(rpc, {}, headers=[f"X-API-Key: {self.KEY}"]))
            self.assert_ok(call(rpc, {}, headers=[f"Authorization: Bearer {self.KEY}"]))
        for rpc, headers, code, http in (
                ("TellJoke", [], "UNAUTHENTICATED", 401),
                ("TellJoke", ["X-API-Key: weir_wrong"], "UNAUTHENTICATED", 401),
                ("TellStory", ["Authorization: Bearer x.y.z"], "UNAUTHENTICATED", 200),
                ("PirateChat", [f"X-API-Key: {self.KEY}"], "PERMISSION_DENIED", 403)):
            with self.subTest(rpc=rpc, headers=headers):
                outcome = call(rpc, {}, headers=headers)
                self.assertEqual((outcome.ok, outcome.code), (False, code))
                self.assertEqual(outcome.http, http if call.protocol == "connect" else 200)
                told = {**outcome.trailers, **outcome.reply.headers}
                self.assertTrue(told["www-authenticate"].startswith("Bearer "))
        self.assert_ok(call("Health", {}))


class Leaving(Scenario):
    upstream = True

    @over_web
    def test_the_call_at_the_model_goes_too(self, call):
        for rpc, mode in (("TellJoke", "silent"), ("TellStory", "silent"), ("TellStory", "stall")):
            with self.subTest(rpc=rpc, mode=mode):
                wait_until(lambda: self.model.running == 0, 3, "a quiet model")
                self.model.behave(mode, text="one two three")
                before, name = self.model.aborted, f"{call.protocol}-{call.form}-{rpc}-{mode}"
                with self.weir.connect() as connection:
                    connection.sendall(post(rpc, call.content_type(rpc), call.body(rpc, {}),
                                            f"X-Request-ID: {name}"))
                    if mode == "stall":
                        connection.recv(65536)
                    wait_until(lambda: self.model.running == 1, 3, "the call at the model")
                wait_until(lambda b=before: self.model.aborted == b + 1, 3, "the abort")
                self.assertEqual(self.weir.access(name)[0]["code"], "CANCELLED")

    @over_web
    def test_a_slow_reader_holds_the_model_back(self, call):
        """Words without end for a client that does not read: weir keeps little of it."""
        self.model.behave("slow_stream", gap_s=0, text="wordy " * 60000)
        body = call.body("TellStory", {})
        before = self.weir.rss_kb()
        with self.weir.connect() as connection:
            connection.sendall(post("TellStory", call.content_type("TellStory"), body))
            time.sleep(slow(0.5))
            self.assertLess(self.weir.rss_kb() - before, 64 * 1024)
            got = b""
            while b"\r\n0\r\n\r\n" not in got[-8:]:
                part = connection.recv(1 << 20)
                self.assertTrue(part, "the stream was cut")
                got += part
        self.assertGreater(len(got), 400000)


class Draining(unittest.TestCase):
    def test_a_stream_is_told_when_the_time_is_up(self):
        """In words that its protocol knows."""
        with FakeUpstream() as model, \
                Weir({"LLM_BASE_URL": model.base_url, "SHUTDOWN_GRACE": "1"}) as weir:
            model.behave("stall", text="one two three")
            started = []
            for call in all_web(weir):
                connection = weir.connect()
                connection.sendall(post("TellStory", call.content_type("TellStory"),
                                        call.body("TellStory", {})))
                started.append((call, connection, connection.recv(65536)))
            weir.signal()
            for call, connection, got in started:
                with self.subTest(protocol=str(call)):
                    got += exchange(connection, b"")
                    connection.close()
                    outcome = call.read("TellStory", Reply.parse(dechunked(got)))
                    self.assertEqual(outcome.code, "UNAVAILABLE")
                    self.assertEqual(outcome.detail, "This instance is shutting down.")
                    self.assertEqual(outcome.text, "one")
            self.assertEqual(weir.wait(5), 0)


if __name__ == "__main__":
    main()
