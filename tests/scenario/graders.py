"""What graders of HTTP headers say of every kind of response, errors included (H1): the top grade of
Mozilla's HTTP Observatory, and nothing that Google's CSP Evaluator finds. Loudly skipped where they are
not installed (scripts/setup.sh test does it where there is npm)."""
import json
import os
import shutil
import subprocess
import unittest

from harness import SANITIZER, FakeUpstream, Weir, main, slow
from tokens import SECRET, claims, hs256

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(ROOT, "tests/clients/graders.mjs")
PACKAGES = os.path.join(ROOT, "build/tools/graders/node_modules")
NODE = shutil.which("node")
THERE = NODE and os.path.isdir(os.path.join(PACKAGES, "@mdn/mdn-http-observatory"))
HTTPS = "X-Forwarded-Proto: https"
ORIGIN = "https://app.example.com"
PREFLIGHT = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type")
RPC = "/weir.v1.FlowService/"
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
# The debug page runs its own script from its own origin, which the evaluator mentions: a host that
# serves other people's files as scripts would be at risk. Nothing else is served there.
OF_THE_PAGE = {"/docs": ["MEDIUM_MAYBE SCRIPT_ALLOWLIST_BYPASS script-src"]}


def bearer(**more):
    return "Authorization: Bearer " + hs256(SECRET, claims(**more))


def grade(replies):
    """[(name, reply)] -> {name: what the graders say}."""
    given = [{"name": name, "status": reply.status, "headers": reply.headers,
              "body": reply.body.decode("utf-8", "replace")} for name, reply in replies]
    done = subprocess.run([NODE, SCRIPT, PACKAGES], input=json.dumps(given), text=True,
                          capture_output=True, timeout=slow(60), check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    said = json.loads(done.stdout)
    assert [each["name"] for each in said] == [name for name, _ in replies]
    return {each["name"]: each for each in said}


@unittest.skipUnless(THERE, "SKIPPED: the graders of headers are not there; scripts/setup.sh test "
                            "installs them where there is npm")
class Graders(unittest.TestCase):
    SETTINGS = {"AUTH_MODE": "required", "JWT_SECRET": SECRET, "JWT_ALGORITHMS": "HS256",
                "TRUSTED_PROXIES": "127.0.0.1", "CORS_ALLOWED_ORIGINS": ORIGIN,
                "TRUSTED_HOSTS": "127.0.0.1", "REQUEST_TIMEOUT": "1s", "RATE_LIMIT_HEAVY": "2/hour"}

    def assert_top(self, replies, known=None):
        if SANITIZER:  # the headers are those of the other builds; to grade them once is enough
            return
        for name, said in grade(replies).items():
            with self.subTest(name):
                self.assertEqual((said["grade"], said["failed"]), ("A+", []))
                self.assertEqual(said["findings"], (known or {}).get(name, []))

    @unittest.skipIf(SANITIZER, "looks at the graders, once is enough")
    def test_they_find_what_is_wrong(self):
        with Weir() as weir:
            reply = weir.curl("/health")
        for name in ("content-security-policy", "x-content-type-options"):
            reply.headers.pop(name)
        reply.headers["set-cookie"] = "session=1"
        said = grade([("bare", reply)])["bare"]
        self.assertNotIn("A", said["grade"])
        for word in ("csp", "x-content-type-options", "hsts", "cookies"):
            self.assertTrue(any(word in each for each in said["failed"]), (word, said["failed"]))
        self.assertTrue(said["findings"])

    def kinds(self, weir, model):
        """(status, name, reply) of every kind of response."""
        token = bearer()

        def ask(status, path, body=None, *headers, name=None, **how):
            reply = weir.curl(path, body, headers=[HTTPS, *headers], **how)
            return status, name or f"{how.get('verb', '')} {path} {status}".strip(), reply
        yield ask(200, "/tell-joke", {}, token)
        yield ask(200, "/tell-joke", {}, token, f"Origin: {ORIGIN}", name="of an allowed origin")
        yield ask(200, "/tell-joke/stream", {}, token)
        for path in ("/health", "/ready", "/version"):
            yield ask(200, path)
        yield ask(204, "/_up")
        yield ask(204, "/tell-joke", None, f"Origin: {ORIGIN}", *PREFLIGHT, verb="OPTIONS")
        yield ask(200, RPC + "TellJoke", {}, token)
        yield ask(200, RPC + "TellStory", b"\0\0\0\0\2{}", token,
                  "Content-Type: application/connect+json", json_type=False)
        yield ask(200, RPC + "TellJoke", b"\0\0\0\0\0", token,
                  "Content-Type: application/grpc-web+proto", json_type=False, name="gRPC-Web")
        yield ask(401, RPC + "TellJoke", {})
        yield ask(404, "/v1/chat/completions", {**CHAT, "model": "nobody"}, token)
        yield ask(200, "/v1/chat/completions", CHAT, token)
        yield ask(200, "/v1/chat/completions", {**CHAT, "stream": True}, token, name="chat stream")
        yield ask(400, "/tell-joke", b"{", token)
        yield ask(400, "/tell-joke", {}, token, "Host: elsewhere.example.com", name="other host")
        yield ask(400, "/tell-joke", {}, "Content-Length: 2", "Content-Length: 3", name="framing")
        yield ask(401, "/tell-joke", {})
        yield ask(403, "/tell-joke", {}, bearer(scope="flow:chat"))
        yield ask(404, "/nothing")
        yield ask(405, "/tell-joke", verb="GET")
        yield ask(413, "/tell-joke", b" " * 1048577, token, "Expect:")
        yield ask(415, "/tell-joke", {}, token, "Content-Type: text/plain", json_type=False)
        yield ask(417, "/tell-joke", {}, token, "Expect: wonders")
        yield ask(422, "/tell-joke", {"name": "x" * 201}, token)
        yield ask(431, "/tell-joke", {}, token, "X-Large: " + "x" * 17_000)
        # Stories are costly, too: two such calls are allowed, and the third is not.
        yield ask(200, "/review-code", {}, token)
        yield ask(429, "/review-code", {}, token)
        model.behave("status", status=400)
        yield ask(502, "/tell-joke", {}, token)
        model.behave("status", status=429, headers=(("Retry-After", "300"),))
        yield ask(503, "/tell-joke", {}, token)
        model.behave("silent")
        yield ask(504, "/tell-joke", {}, token)

    def test_every_kind_of_response_gets_the_top_grade(self):
        replies = []
        model = FakeUpstream().start()
        self.addCleanup(model.stop)
        model.behave("ok")
        with Weir({**self.SETTINGS, "LLM_BASE_URL": model.base_url}) as weir:
            for status, name, reply in self.kinds(weir, model):
                with self.subTest(name):
                    self.assertEqual(reply.status, status, reply.body[:200])
                replies.append((name, reply))
        self.assert_top(replies)

    def test_the_debug_surface(self):
        paths = ("/docs", "/docs/docs.css", "/docs/docs.js", "/docs/icon.svg", "/openapi.json")
        with Weir({"TRUSTED_PROXIES": "127.0.0.1"}, debug=True) as weir:
            self.assert_top([(path, weir.curl(path, headers=[HTTPS])) for path in paths],
                            OF_THE_PAGE)


if __name__ == "__main__":
    if not THERE:
        print("SKIPPED: graders of headers (scripts/setup.sh test installs them where there is npm)",
              flush=True)
    main()
