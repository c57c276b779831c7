"""What browsers are told: cross-origin requests (H2), trusted hosts (H5), HTTPS only (H1)."""
import unittest

from harness import Scenario, Weir, main, run_once

APP = "https://app.example.com"
EVIL = "https://evil.example"
PREFLIGHT = ["Access-Control-Request-Method: POST",
             "Access-Control-Request-Headers: content-type, authorization"]
SAFE = {"AUTH_MODE": "none", "LLM_PROVIDER": "offline"}


class Cors(Scenario):
    settings = {"CORS_ALLOWED_ORIGINS": f"{APP}, http://localhost:3000"}

    def assert_told(self, reply, origin):
        self.assertEqual(reply.headers.get("access-control-allow-origin"), origin)
        self.assertEqual(reply.headers["cross-origin-resource-policy"],
                         "cross-origin" if origin else "same-origin")
        self.assertIn("Origin", reply.headers["vary"].split(", "))
        self.assertNotIn("access-control-allow-credentials", reply.headers)
        if origin is None:
            self.assertFalse([n for n in reply.headers if n.startswith("access-control-")])

    def test_answers(self):
        for origin, told in ((APP, APP), ("http://localhost:3000", "http://localhost:3000"),
                             (EVIL, None), ("null", None), (APP + ":443", None), (None, None)):
            with self.subTest(origin=origin):
                headers = [f"Origin: {origin}"] if origin else []
                reply = self.weir.curl("/tell-joke", {}, headers=headers)
                self.assertEqual(reply.status, 200)
                self.assert_told(reply, told)
                if told:
                    exposed = reply.headers["access-control-expose-headers"].split(", ")
                    self.assertEqual(exposed, ["X-Request-ID", "Retry-After", "RateLimit",
                                               "RateLimit-Policy", "Grpc-Status",
                                               "Grpc-Message", "Grpc-Status-Details-Bin"])

    def test_streams(self):
        with self.weir.sse("/tell-story/stream", b"{}", headers=[f"Origin: {APP}"]) as stream:
            self.assert_told(stream.head(), APP)
            self.assertTrue(list(stream)[-1].data["done"])

    def test_errors(self):
        """Those of ours, of the rules, and those that h2o finds by itself."""
        origin = f"Origin: {APP}"
        for status, reply in (
                (404, self.weir.curl("/nowhere", headers=[origin])),
                (405, self.weir.curl("/tell-joke", headers=[origin])),
                (415, self.weir.curl("/tell-joke", b"x", headers=[origin], json_type=False)),
                (400, self.weir.curl("/tell-joke", b"{", headers=[origin])),
                (422, self.weir.curl("/tell-joke", {"name": "x" * 201}, headers=[origin])),
                (413, self.weir.curl("/tell-joke", b"x" * 1100000, headers=[origin])),
                (417, self.weir.curl("/tell-joke", {}, headers=[origin, "Expect: magic"]))):
            with self.subTest(status=status):
                self.assert_problem(reply, status)
                self.assert_told(reply, APP)

    def test_preflights(self):
        for origin, told in ((APP, APP), (EVIL, None)):
            with self.subTest(origin=origin):
                reply = self.weir.curl("/tell-joke", verb="OPTIONS",
                                       headers=[f"Origin: {origin}", *PREFLIGHT])
                self.assertEqual((reply.status, reply.body), (204, b""))
                self.assert_told(reply, told)
        reply = self.weir.curl("/tell-joke", verb="OPTIONS", headers=[f"Origin: {APP}", *PREFLIGHT])
        self.assertEqual(reply.headers["access-control-allow-methods"], "GET, POST, OPTIONS")
        self.assertEqual(reply.headers["access-control-allow-headers"],
                         "Content-Type, Authorization, X-Request-ID, X-API-Key, "
                         "Connect-Protocol-Version, Connect-Timeout-Ms, X-Grpc-Web, Grpc-Timeout, "
                         "X-User-Agent")
        self.assertEqual(reply.headers["access-control-max-age"], "600")

    def test_a_preflight_starts_nothing(self):
        reply = self.weir.curl("/tell-joke", verb="OPTIONS", headers=[f"Origin: {APP}", *PREFLIGHT])
        line = self.weir.access(reply.headers["x-request-id"])[0]
        self.assertEqual(line["status"], 204)
        self.assertNotIn("flow", line)

    def test_the_request_is_served_all_the_same(self):
        """The rule is the browser's; others do not send Origin and do not care."""
        reply = self.weir.curl("/tell-joke", {}, headers=[f"Origin: {EVIL}"])
        self.assertEqual(reply.status, 200)


class NoCors(Scenario):
    def test_nobody_is_allowed(self):
        for reply in (self.weir.curl("/tell-joke", {}, headers=[f"Origin: {APP}"]),
                      self.weir.curl("/tell-joke", verb="OPTIONS",
                                     headers=[f"Origin: {APP}", *PREFLIGHT]),
                      self.weir.curl("/nowhere", headers=[f"Origin: {APP}"])):
            self.assertFalse([n for n in reply.headers if n.startswith("access-control-")])
            self.assertEqual(reply.headers["cross-origin-resource-policy"], "same-origin")


class DebugCors(Scenario):
    debug = True

    def test_everybody_is_allowed(self):
        reply = self.weir.curl("/tell-joke", {}, headers=[f"Origin: {EVIL}"])
        self.assertEqual(reply.headers["access-control-allow-origin"], "*")
        self.assertEqual(reply.headers["cross-origin-resource-policy"], "cross-origin")
        self.assertNotIn("access-control-allow-credentials", reply.headers)


class CorsSettings(unittest.TestCase):
    def test_what_is_refused(self):
        for value in ("*", "app.example.com", "https://app.example.com/", "https://a.com,,",
                      "https://*.example.com", "null", f"{APP},*", "https://APP.example.com"):
            with self.subTest(value=value):
                done = run_once("--port", "0", "--grpc-port", "0", "--admin-port", "0",
                                settings={**SAFE, "CORS_ALLOWED_ORIGINS": value})
                self.assertEqual(done.returncode, 2)
                self.assertIn("CORS_ALLOWED_ORIGINS", done.stderr)


class Hosts(Scenario):
    settings = {"TRUSTED_HOSTS": "api.example.com, *.example.org, [::1]"}

    def test_hosts(self):
        for host in ("api.example.com", "API.example.com:8080", "a.b.example.org", "[::1]:1"):
            with self.subTest(host=host):
                self.assertEqual(
                    self.weir.curl("/tell-joke", {}, headers=[f"Host: {host}"]).status, 200)
        for host in ("evil.example", "example.org", "api.example.com.evil.example", "127.0.0.1",
                     "api.example.com@evil.example", "api.example.com:x"):
            with self.subTest(host=host):
                reply = self.weir.curl("/tell-joke", {}, headers=[f"Host: {host}"])
                body = self.assert_problem(reply, 400, "INVALID_ARGUMENT")
                self.assertEqual(body["title"], "Unknown host")
                self.assertNotIn(host, body["detail"])

    def test_the_host_comes_before_the_route(self):
        for path in ("/nowhere", "/version", "/tell-joke"):
            reply = self.weir.curl(path, headers=["Host: evil.example"])
            self.assertEqual((reply.status, reply.json["title"]), (400, "Unknown host"))
        reply = self.weir.curl("/tell-joke", verb="OPTIONS", headers=["Host: evil.example"])
        self.assertEqual(reply.status, 400)

    def test_probes_come_by_address(self):
        for path in ("/live", "/health", "/healthz", "/ready", "/readyz", "/health/live",
                     "/health/ready", "/_up"):
            with self.subTest(path=path):
                self.assertIn(self.weir.curl(path).status, (200, 204))

    def test_no_host_at_all(self):
        answer = self.weir.raw(b"POST /tell-joke HTTP/1.0\r\nContent-Length: 2\r\n"
                               b"Content-Type: application/json\r\n\r\n{}")
        self.assertIn(b" 400 ", answer.split(b"\r\n")[0])

    def test_it_is_a_security_event(self):
        reply = self.weir.curl("/tell-joke", {}, headers=["Host: evil.example"])
        self.weir.access(reply.headers["x-request-id"])
        events = [e for e in self.weir.events("access_denied")
                  if e["request_id"] == reply.headers["x-request-id"]]
        self.assertEqual(len(events), 1)
        self.assertEqual(events[0]["reason"], "FORBIDDEN_HOST")

    def test_grpc_does_not_use_the_name(self):
        self.assert_ok(self.rpc("TellJoke", {}))


class HostSettings(unittest.TestCase):
    def test_a_warning_when_there_is_none(self):
        with Weir(SAFE) as weir:
            weir.curl("/live", headers=["Host: whatever.example"])
            warnings = weir.events("any_host_accepted")
            self.assertEqual(len(warnings), 1)
            self.assertEqual(warnings[0]["setting"], "TRUSTED_HOSTS")
        with Weir({**SAFE, "TRUSTED_HOSTS": "a.example"}) as weir:
            self.assertEqual(weir.events("any_host_accepted"), [])
        with Weir(SAFE, debug=True) as weir:
            self.assertEqual(weir.events("any_host_accepted"), [])

    def test_what_is_refused(self):
        for value in ("a.example:80", "https://a.example", "*", "a.example,", "*.*.example"):
            with self.subTest(value=value):
                done = run_once("--port", "0", "--grpc-port", "0", "--admin-port", "0",
                                settings={**SAFE, "TRUSTED_HOSTS": value})
                self.assertEqual(done.returncode, 2)
                self.assertIn("TRUSTED_HOSTS", done.stderr)


class Hsts(unittest.TestCase):
    """TLS ends at a proxy; its word counts if it is one of ours."""
    HEADER = "strict-transport-security"
    HTTPS = ["X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.1"]

    def test_a_trusted_proxy(self):
        with Weir({**SAFE, "TRUSTED_PROXIES": "127.0.0.0/8"}) as weir:
            for reply in (weir.curl("/tell-joke", {}, headers=self.HTTPS),
                          weir.curl("/live", headers=self.HTTPS),
                          weir.curl("/nowhere", headers=self.HTTPS),
                          weir.curl("/tell-joke", b"x" * 1100000, headers=self.HTTPS)):
                self.assertEqual(reply.headers[self.HEADER], "max-age=31536000; includeSubDomains",
                                 reply.head)
            for headers in ([], ["X-Forwarded-Proto: http", "X-Forwarded-For: 192.0.2.1"]):
                self.assertNotIn(self.HEADER, weir.curl("/live", headers=headers).headers)

    def test_anybody_else(self):
        for settings in ({}, {"TRUSTED_PROXIES": "192.0.2.0/24"}):
            with Weir({**SAFE, **settings}) as weir:
                self.assertNotIn(self.HEADER, weir.curl("/live", headers=self.HTTPS).headers)

    def test_another_age_and_none(self):
        for age, told in (("60", "max-age=60; includeSubDomains"), ("0", None)):
            with Weir({**SAFE, "TRUSTED_PROXIES": "127.0.0.1", "HSTS_MAX_AGE": age}) as weir:
                reply = weir.curl("/live", headers=self.HTTPS)
                self.assertEqual(reply.headers.get(self.HEADER), told)


if __name__ == "__main__":
    main()
