"""Images by URL: passed on to providers that fetch them, fetched here for the others, and never from
where they must not be. Over both protocols."""
import base64
import json
import time

from harness import FakeUpstream, Scenario, Weir, both, main, over_both, wait_until
from image_server import PNG, ImageServer, page
from upstream_faults import ALONE

HOSTILE = [
    "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f.1/", "http://0/",
    "http://0177.0.0.1/", "http://localhost/", "http://a.localhost/", "http://[::1]/",
    "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/",
    "http://[fe80::1]/", "http://[fd00:ec2::254]/", "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/", "http://0xa9fea9fe/", "http://100.100.100.200/", "http://168.63.129.16/",
    "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.0.1/", "http://192.0.0.192/",
    "http://198.18.0.1/", "http://224.0.0.1/", "http://255.255.255.255/", "http://0.0.0.0:8080/",
    "http://example.com:22/", "http://example.com:6379/", "http://user:pw@example.com/a.png",
    "http://example.com@127.0.0.1/", "http://127.0.0.1\\@example.com/", "http:///a",
    "ftp://example.com/a.png", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x",
]


class Inline(Scenario):
    """A server that fetches nothing itself: an OpenAI-compatible one that is not OpenAI's."""
    upstream = True
    settings = {**ALONE, "CACHE_ENABLED": "false", "LLM_IMAGES": "auto",
                "FETCH_ALLOWLIST": "127.0.0.1"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.web = ImageServer().__enter__()
        cls.inside = ImageServer("127.0.0.2", cls.web.port).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.web.__exit__()
        cls.inside.__exit__()
        super().tearDownClass()

    def image(self):
        content = self.model.last.body["messages"][-1]["content"]
        return [part["image_url"]["url"] for part in content if part["type"] == "image_url"]

    def refused(self, call, url, http=422, code="INVALID_ARGUMENT"):
        before = self.model.requests
        outcome = call("DescribeImage", {"image_url": url})
        self.assert_ends(outcome, http, code, "image_url")
        self.assertEqual(self.model.requests, before)
        self.assertNotIn("127.0.0", outcome.detail + str(outcome.violations))
        return outcome

    @over_both
    def test_an_image_is_fetched_and_put_in(self, call):
        answer = self.assert_ok(call("DescribeImage", {"image_url": self.web.url()})).answer
        self.assertEqual(answer["image_url"], self.web.url())
        self.assertEqual(self.image(), ["data:image/png;base64," + base64.b64encode(PNG).decode()])
        head = self.web.requests[-1].lower()
        self.assertIn("user-agent: weir\r\n", head)
        for header in ("cookie", "authorization", "referer", "x-request-id"):
            self.assertNotIn(header + ":", head)

    @over_both
    def test_redirects(self, call):
        self.web.pages["/moved"] = page(b"", status="302 Found", headers=("Location: /a.png",))
        self.assert_ok(call("DescribeImage", {"image_url": self.web.url("/moved")}))
        before = self.inside.connections
        self.web.pages["/in"] = page(b"", status="302 Found",
                                     headers=(f"Location: {self.inside.url()}",))
        self.refused(call, self.web.url("/in"), 422, "FAILED_PRECONDITION")
        self.web.pages["/round"] = page(b"", status="307 Temporary Redirect",
                                        headers=("Location: /round",))
        asked = len(self.web.requests)
        self.refused(call, self.web.url("/round"), 422, "FAILED_PRECONDITION")
        self.assertEqual(len(self.web.requests) - asked, 4)
        self.assertEqual(self.inside.connections, before)

    @over_both
    def test_what_is_no_image(self, call):
        self.web.pages["/page"] = page(b"<html>", "text/html")
        self.web.pages["/lie"] = page(b"<html>", "image/png")
        self.web.pages["/svg"] = page(b"<svg>", "image/svg+xml")
        self.web.pages["/large"] = page(PNG + bytes(5 * 1024 * 1024))
        for path in ("/page", "/lie", "/svg"):
            self.assertIn("PNG", self.refused(call, self.web.url(path)).violations["image_url"])
        self.assertIn("5 MB", self.refused(call, self.web.url("/large")).violations["image_url"])

    @over_both
    def test_what_is_not_there(self, call):
        for url in (self.web.url("/nothing"), "http://127.0.0.1:1/", "http://nowhere.invalid/a.png"):
            self.refused(call, url, 422, "FAILED_PRECONDITION")

    @over_both
    def test_hostile_urls_reach_nobody(self, call):
        before = self.inside.connections
        for url in HOSTILE + [self.inside.url(), self.inside.url(host="127.2")]:
            with self.subTest(url=url):
                if "//127.0.0.1/" in url:
                    continue  # is exempt here; Strict has it
                outcome = call("DescribeImage", {"image_url": url})
                self.assertFalse(outcome.ok)
                self.assertIn(outcome.code, ("INVALID_ARGUMENT", "FAILED_PRECONDITION"))
        self.assertEqual(self.inside.connections, before)

    @over_both
    def test_a_client_that_leaves_ends_the_fetch(self, call):
        self.web.pages["/never"] = None
        name = f"fetch-left-{call.protocol}"
        left = self.web.left
        if call.protocol == "grpc":
            waiting = call.start("DescribeImage", {"image_url": self.web.url("/never")},
                                 request_id=name)
        else:
            body = json.dumps({"image_url": self.web.url("/never")}).encode()
            waiting = self.weir.connect()
            waiting.sendall(b"POST /describe-image HTTP/1.1\r\nHost: weir\r\nX-Request-ID: %b\r\n"
                            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                            % (name.encode(), len(body), body))
        wait_until(lambda: self.web.waiting == 1, 5, "the fetch")
        (waiting.cancel if call.protocol == "grpc" else waiting.close)()
        wait_until(lambda: self.web.left == left + 1, 5, "the end of the fetch")
        self.assertEqual(self.weir.access(name)[0]["end"], "CANCELLED")


class Strict(Scenario):
    """No exceptions, images passed on: URLs are looked at all the same."""
    upstream = True
    settings = {**ALONE, "CACHE_ENABLED": "true", "LLM_IMAGES": "pass"}

    @over_both
    def test_urls_are_passed_on(self, call):
        url = f"https://example.com/{call.protocol}.png"
        self.assert_ok(call("DescribeImage", {"image_url": url}))
        self.assertIn(url, str(self.model.last.body))

    @over_both
    def test_hostile_urls_are_not(self, call):
        before = self.model.requests
        for url in HOSTILE:
            with self.subTest(url=url):
                outcome = call("DescribeImage", {"image_url": url})
                if url == "http:///a":
                    continue  # a host called "a" to some, broken to others
                self.assert_ends(outcome, 422, "INVALID_ARGUMENT", "image_url")
        self.assertLessEqual(self.model.requests - before, 1)


class Slow(Scenario):
    """The time for an image ends the request, not the worker."""
    upstream = True
    settings = {**ALONE, "CACHE_ENABLED": "false", "LLM_IMAGES": "inline", "WORKERS": "1",
                "FETCH_ALLOWLIST": "127.0.0.1", "REQUEST_TIMEOUT": "2"}

    @over_both
    def test_others_do_not_wait(self, call):
        with ImageServer() as web:
            web.pages["/never"] = None
            waiting = self.rpc.start("DescribeImage", {"image_url": web.url("/never")})
            wait_until(lambda: web.requests, 5, "the fetch")
            began = time.monotonic()
            self.assert_ok(call("PirateChat", {}))
            self.assertLess(time.monotonic() - began, 2)
            self.assertEqual(waiting.exception().code().name, "DEADLINE_EXCEEDED")


class Choice(Scenario):
    """LLM_IMAGES=auto goes by who answers."""

    def fetches(self, settings):
        with FakeUpstream() as model, ImageServer() as web, Weir(
                {**ALONE, "LLM_BASE_URL": model.base_url, "LLM_IMAGES": "auto",
                 "FETCH_ALLOWLIST": "127.0.0.1", **settings}) as weir:
            self.assertTrue(both(weir)[0]("DescribeImage", {"image_url": web.url()}).ok)
            return web.connections > 0

    def test_by_provider(self):
        self.assertTrue(self.fetches({"LLM_PROVIDER": "openai"}))
        self.assertTrue(self.fetches({"LLM_PROVIDER": "gemini", "GEMINI_API_KEY": "key-0123456789"}))
        self.assertFalse(self.fetches({"LLM_PROVIDER": "offline"}))

    def test_by_setting(self):
        self.assertFalse(self.fetches({"LLM_PROVIDER": "gemini", "GEMINI_API_KEY": "key-0123456789",
                                       "LLM_IMAGES": "pass"}))


if __name__ == "__main__":
    main()
