"""What every HTTP response carries (H1, H3, H7, H8), request ids on both protocols, health and
version (O7, O8)."""
import gzip
import json
import re
import subprocess
import time

import grpc

from harness import Scenario, main, messages, over_both, slow

SECURITY = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "geolocation=(), camera=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
UUID4 = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")


class Headers(Scenario):
    def every_kind(self):
        """(expected status, reply) of every kind of response."""
        curl = self.weir.curl
        yield 200, curl("/tell-joke", {})
        yield 200, curl("/tell-story/stream", {})
        yield 200, curl("/health")
        yield 200, curl("/ready")
        yield 204, curl("/_up")
        yield 200, curl("/version")
        yield 404, curl("/nothing")
        yield 405, curl("/tell-joke")
        yield 400, curl("/tell-joke", b"{")
        yield 422, curl("/tell-joke", {"name": "x" * 201})
        yield 415, curl("/tell-joke", {}, json_type=False, headers=["Content-Type: text/plain"])
        yield 413, curl("/tell-joke", b" " * 1048577, headers=["Expect:"])
        yield 413, curl("/tell-joke", b" " * 1048577, headers=["Expect:",
                                                              "Transfer-Encoding: chunked"])
        yield 431, curl("/tell-joke", {}, headers=["X-Large: " + "x" * 17_000])
        yield 417, curl("/tell-joke", {}, headers=["Expect: wonders"])
        yield 400, curl("/tell-joke", {}, headers=["Content-Length: 2", "Content-Length: 3"])
        yield 400, curl("/health", headers=["Host:"])

    def test_security_headers_are_on_every_response(self):
        for status, reply in self.every_kind():
            with self.subTest(status=status):
                self.assertEqual(reply.status, status, reply.body[:200])
                for name, value in SECURITY.items():
                    self.assertEqual(reply.headers.get(name), value, name)
                self.assertRegex(reply.headers.get("x-request-id", ""), UUID4)
                for name in ("server", "x-xss-protection", "strict-transport-security",
                             "x-powered-by", "via", "access-control-allow-origin"):
                    self.assertNotIn(name, reply.headers)
                if status >= 400:
                    self.assertTrue(reply.is_problem, reply.headers)

    def test_hsts_is_not_forged(self):
        reply = self.weir.curl("/health", headers=["X-Forwarded-Proto: https",
                                                   "Forwarded: proto=https"])
        self.assertNotIn("strict-transport-security", reply.headers)

    def test_problem_members(self):
        for status, reply in self.every_kind():
            if status < 400:
                continue
            with self.subTest(status=status):
                body = self.assert_problem(reply, status)
                for name in ("type", "title", "detail", "instance", "code", "error",
                             "request_id"):
                    self.assertIsInstance(body[name], str)
                    self.assertTrue(body[name])
                self.assertLessEqual(set(body), {"type", "title", "status", "detail", "instance",
                                                 "code", "error", "request_id", "violations"})
                text = reply.body.decode()
                for leak in (".c:", ".py", "/work", "jansson", "h2o", "0x", "(null)"):
                    self.assertNotIn(leak, text)

    def test_content_types(self):
        for path in ("/health", "/version", "/ready"):
            self.assertEqual(self.weir.curl(path).headers["content-type"].split(";")[0],
                             "application/json")
        self.assertEqual(self.weir.curl("/chat", {}).headers["content-type"].split(";")[0],
                         "application/json")
        up = self.weir.curl("/_up")
        self.assertEqual((up.status, up.body), (204, b""))

    def test_head(self):
        reply = self.weir.curl("/health", arguments=["--head"])
        self.assertIn(reply.status, (200, 405))
        self.assertEqual(reply.body, b"")

    def test_keep_alive(self):

        url = self.weir.url + "/health"
        done = subprocess.run(["curl", "-sS", "--noproxy", "*", "-w", "%{num_connects}\n", url,
                               "-o", "/dev/null", url, "-o", "/dev/null"], capture_output=True,
                              text=True, check=True)
        self.assertEqual(done.stdout.split(), ["1", "0"])

    def test_query_does_not_change_the_route(self):
        self.assertEqual(self.weir.curl("/health?x=1").status, 200)


class RequestIds(Scenario):
    @over_both
    def test_a_good_one_is_kept(self, call):
        for name in ("a", "A-b_c.9", "x" * 128, "00000000-0000-0000-0000-000000000000"):
            for rpc in ("TellJoke", "TellStory"):
                with self.subTest(id=name[:20], rpc=rpc):
                    self.assertEqual(call(rpc, {}, request_id=name).request_id, name)
            outcome = call("TellJoke", {"name": "x" * 201}, request_id=name)
            self.assertEqual(outcome.request_id, name)

    @over_both
    def test_a_bad_one_is_replaced(self, call):
        for name in ("x" * 129, "a b", "a/b", 'a"b', "a,b", "<a>", "a=b"):
            with self.subTest(id=name[:20]):
                self.assertRegex(call("TellJoke", {}, request_id=name).request_id, UUID4)

    @over_both
    def test_none_is_made(self, call):
        ids = {call("TellJoke", {}).request_id for _ in range(20)}
        self.assertEqual(len(ids), 20)
        for each in ids:
            self.assertRegex(each, UUID4)
        self.assertRegex(call("TellStory", {}).request_id, UUID4)

    def test_two_headers_do_not_become_one(self):
        reply = self.weir.curl("/health", headers=["X-Request-ID: a", "X-Request-ID: b"])
        self.assertIn(reply.headers["x-request-id"], ("a", "b"))

    def test_unknown_rpc_and_route_have_one(self):
        self.assertEqual(self.weir.curl("/none", headers=["X-Request-ID: r1"]).json["request_id"],
                         "r1")


class Gzip(Scenario):
    upstream = True
    LONG = "compressible " * 100

    def ask(self, text, *headers):
        self.model.behave("ok", text=text)
        return self.weir.curl("/chat", {}, headers=headers)

    def test_long_answers_are_compressed_for_those_who_ask(self):
        reply = self.ask(self.LONG, "Accept-Encoding: gzip")
        self.assertEqual(reply.headers.get("content-encoding"), "gzip")
        self.assertIn("accept-encoding", reply.headers["vary"].lower())
        self.assertEqual(json.loads(gzip.decompress(reply.body))["answer"], self.LONG)
        self.assertLess(len(reply.body), 300)
        if "content-length" in reply.headers:
            self.assertEqual(int(reply.headers["content-length"]), len(reply.body))

    def test_others_are_not(self):
        for text, headers in ((self.LONG, ()), ("short", ("Accept-Encoding: gzip",)),
                              (self.LONG, ("Accept-Encoding: identity",)),
                              (self.LONG, ("Accept-Encoding: gzip;q=0",)),
                              (self.LONG, ("Accept-Encoding: br",)),
                              (self.LONG, ("Accept-Encoding: gzippy",))):
            with self.subTest(headers=headers, size=len(text)):
                reply = self.ask(text, *headers)
                self.assertNotIn("content-encoding", reply.headers)
                self.assertEqual(reply.json["answer"], text)

    def test_forms_of_the_header(self):
        for value in ("gzip", "deflate, gzip", "gzip;q=0.5", "br;q=1.0, gzip;q=0.8, *;q=0.1",
                      "GZIP"):
            with self.subTest(value=value):
                reply = self.ask(self.LONG, f"Accept-Encoding: {value}")
                self.assertEqual(reply.headers.get("content-encoding"), "gzip")

    def test_a_compressed_large_answer_is_whole(self):
        text = "".join(chr(0x4e00 + i % 5000) for i in range(100_000))
        reply = self.ask(text, "Accept-Encoding: gzip")
        self.assertEqual(json.loads(gzip.decompress(reply.body))["answer"], text)


class GzipThreshold(Scenario):
    upstream = True
    settings = {"GZIP_MIN_SIZE": "100000"}

    def test_threshold_is_a_setting(self):
        self.model.behave("ok", text="compressible " * 100)
        reply = self.weir.curl("/chat", {}, headers=["Accept-Encoding: gzip"])
        self.assertNotIn("content-encoding", reply.headers)


class Health(Scenario):
    def test_live(self):
        for path in ("/health", "/health/live", "/healthz", "/live", "/api/health"):
            with self.subTest(path=path):
                reply = self.weir.curl(path)
                self.assertEqual((reply.status, reply.json), (200, {"status": "ok"}))

    def test_ready(self):
        for path in ("/health/ready", "/ready", "/readyz"):
            with self.subTest(path=path):
                reply = self.weir.curl(path)
                self.assertEqual((reply.status, reply.json["status"]), (200, "ok"))
                for reason in reply.json.get("reasons", []):
                    self.assertEqual(reason["class"], "info")

    def test_version(self):
        version = self.weir.curl("/version").json
        self.assertEqual(set(version), {"version", "branch", "commit", "build_time",
                                        "build_type"})
        self.assertRegex(version["version"], r"^\d+\.\d+\.\d+")

    def health(self, method, service, timeout=5):
        types = messages("WEIR_CLIENT_PROTOSET")
        make = getattr(self.weir.channel, "unary_stream" if method == "Watch" else "unary_unary")
        stub = make(f"/grpc.health.v1.Health/{method}", request_serializer=bytes,
                    response_deserializer=types.type(
                        "grpc.health.v1.HealthCheckResponse").FromString)
        request = types.type("grpc.health.v1.HealthCheckRequest")(service=service)
        return stub(request.SerializeToString(), timeout=slow(timeout))

    def test_grpc_check(self):
        for service in ("", "weir.v1.FlowService"):
            self.assertEqual(self.health("Check", service).status, 1)
        with self.assertRaises(grpc.RpcError) as caught:
            self.health("Check", "nobody.Knows")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_grpc_watch(self):
        for service, status in (("", 1), ("weir.v1.FlowService", 1), ("nobody.Knows", 3)):
            with self.subTest(service=service):
                watch = self.health("Watch", service)
                self.assertEqual(next(watch).status, status)
                watch.cancel()

    def test_watches_are_given_back(self):
        for _ in range(50):
            watch = self.health("Watch", "")
            next(watch)
            watch.cancel()
        time.sleep(0.1)
        self.assertEqual(self.health("Check", "").status, 1)


if __name__ == "__main__":
    main()
