"""Keys from a credentials service (I7): fetched at start, refreshed, kept while it is away, and never
waited for by a request."""
import http.server
import json
import threading
import time

from harness import FakeUpstream, Scenario, Weir, both, main, wait_until

TOKEN = "token-0123456789abcdef"
KEYS = {"OPENAI_API_KEY": "key-one-0123456789", "GEMINI_API_KEY": "key-gemini-0123456789"}


class Service:
    """The credentials service, on loopback."""

    def __init__(self):
        self.keys = dict(KEYS)
        self.status = 200
        self.delay_s = 0
        self.body = None        # in place of the answer
        self.asked = []
        self.strangers = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def answer(self, request):
        name = request.path.removeprefix("/v1/credentials/")
        if request.headers["Authorization"] != f"Bearer {TOKEN}":
            self.strangers += 1
        time.sleep(self.delay_s)
        self.asked.append(name)
        body = self.body or json.dumps({"value": self.keys.get(name)}).encode()
        request.send_response(self.status if name in self.keys else 404)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Credentials(Scenario):
    def setUp(self):
        pass

    @staticmethod
    def start(service, model, **settings):
        return Weir({"LLM_PROVIDER": "openai", "LLM_BASE_URL": model.base_url,
                     "CREDENTIALS_URL": service.url, "CREDENTIALS_TOKEN": TOKEN,
                     "CREDENTIALS_REFRESH": "1", **settings})

    def wait_ready(self, weir):
        wait_until(lambda: weir.curl("/ready").status == 200, 10, "the key")

    def test_fetched_refreshed_and_kept(self):
        with Service() as service, FakeUpstream() as model, self.start(service, model) as weir:
            calls = both(weir)
            self.wait_ready(weir)
            for call in calls:
                self.assert_ok(call("TellJoke", {}))
                self.assertEqual(model.last.headers["authorization"],
                                 f"Bearer {KEYS['OPENAI_API_KEY']}")
            service.keys["OPENAI_API_KEY"] = "key-two-0123456789"

            def changed():
                self.assert_ok(calls[0]("TellJoke", {}))
                return model.last.headers["authorization"] == "Bearer key-two-0123456789"
            wait_until(changed, 10, "the new key")
            for wrong in ({"status": 500}, {"body": b"{}"}, {"body": b'{"value":"a\\r\\nb"}'},
                          {"body": b"x" * 100000}):
                with self.subTest(**{k: str(v)[:20] for k, v in wrong.items()}):
                    failures = len(weir.events("fetch_failed"))
                    for name, value in wrong.items():
                        setattr(service, name, value)
                    wait_until(lambda: len(weir.events("fetch_failed")) > failures, 15,  # noqa: B023
                               "a failure")
                    self.assert_ok(calls[1]("TellJoke", {}))
                    self.assertEqual(model.last.headers["authorization"],
                                     "Bearer key-two-0123456789")
                    service.status, service.body = 200, None
            self.assertEqual(set(service.asked), {"OPENAI_API_KEY"})
            self.assertEqual(service.strangers, 0)
            for secret in (TOKEN, "key-one", "key-two"):
                self.assertFalse([line for line in weir.lines if secret in line])

    def test_nobody_waits_for_it(self):
        with Service() as service, FakeUpstream() as model:
            service.delay_s = 3
            with self.start(service, model) as weir:
                ready = weir.curl("/ready")
                self.assertEqual(ready.status, 503)
                self.assertEqual(ready.json["reasons"],
                                 [{"class": "warn", "reason": "credentials_missing"}])
                for call in both(weir):
                    began = time.monotonic()
                    self.assert_ends(call("TellJoke", {}), 502, "UNAVAILABLE")
                    self.assertLess(time.monotonic() - began, 2)
                self.assertEqual(model.requests, 0)
                self.wait_ready(weir)
                self.assert_ok(both(weir)[0]("TellJoke", {}))

    def test_a_key_that_is_set_here_is_not_asked_for(self):
        with Service() as service, FakeUpstream() as model, \
                self.start(service, model, OPENAI_API_KEY="key-here",
                           LLM_FALLBACKS="gemini:gemini-x") as weir:
            wait_until(lambda: service.asked, 10, "a request")
            self.assert_ok(both(weir)[0]("TellJoke", {}))
            self.assertEqual(model.last.headers["authorization"], "Bearer key-here")
            self.assertEqual(set(service.asked), {"GEMINI_API_KEY"})

    def test_it_stops_in_the_middle_of_a_fetch(self):
        with Service() as service, FakeUpstream() as model:
            service.delay_s = 8
            weir = self.start(service, model)
            began = time.monotonic()
            weir.stop()
            self.assertLess(time.monotonic() - began, 6)


if __name__ == "__main__":
    main()
