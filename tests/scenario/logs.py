"""Logs (O1, O2, V5): one access line a request of either protocol, with its id; no bodies, no
secrets, nothing that breaks out of its line."""
import glob
import json
import re

from harness import Scenario, Weir, main, over_both, wait_until

KEY = "sk-live-THIS-IS-SECRET-42"
BODY = "words-of-the-caller-7731"
WORDS = "words-of-the-model-9942"


class AccessLog(Scenario):
    upstream = True
    settings = {"OPENAI_API_KEY": KEY, "LOG_LEVEL": "debug", "CB_ENABLED": "false",
                "CACHE_ENABLED": "false"}

    def line(self, outcome_or_id):
        name = getattr(outcome_or_id, "request_id", outcome_or_id)
        lines = self.weir.access(name)
        self.assertEqual(len(lines), 1, lines)
        return lines[0]

    @over_both
    def test_one_line_a_request(self, call):
        for rpc, flow in (("TellJoke", "tell_joke"), ("TellStory", "tell_story"),
                          ("ReviewCode", "review_code")):
            with self.subTest(rpc=rpc):
                line = self.line(call(rpc, {}))
                self.assertEqual(line["protocol"], call.protocol)
                self.assertEqual(line["flow"], flow)
                self.assertEqual((line["status"], line["code"]), (200, "OK"))
                self.assertEqual(line["peer"], "127.0.0.1")
                self.assertGreater(line["duration_ms"], 0)
                self.assertGreater(line["upstream_ms"], 0)
                self.assertLessEqual(line["upstream_ms"], line["duration_ms"])
                self.assertEqual((line["input_tokens"], line["output_tokens"]), (11, 22))
                self.assertTrue(line["path"].startswith("/"))
                self.assertTrue(line["method"])

    @over_both
    def test_failures_have_their_line_too(self, call):
        line = self.line(call("TellJoke", {"name": "x" * 201}))
        self.assertEqual((line["status"], line["code"]), (422, "INVALID_ARGUMENT"))
        self.model.behave("status", status=500)
        outcome = call("TellJoke", {})
        self.assertEqual(self.line(outcome)["code"], "UNAVAILABLE")
        failed = [e for e in self.weir.events() if e.get("request_id") == outcome.request_id]
        self.assertGreater(len(failed), 1, "the detail is in the log under the same id")

    def test_refusals_of_the_listener_have_their_line(self):
        for number, (path, how, status) in enumerate((
                ("/none", {}, 404), ("/tell-joke", {"verb": "GET"}, 405),
                ("/tell-joke", {"body": b"{"}, 400), ("/health", {}, 200), ("/_up", {}, 204),
                ("/tell-joke", {"body": b" " * 1048577}, 413))):
            with self.subTest(path=path, status=status):
                name = f"refused-{number}"
                self.weir.curl(path, **how, headers=[f"X-Request-ID: {name}", "Expect:"])
                line = self.line(name)
                self.assertEqual((line["status"], line["path"]), (status, path))

    def test_every_line_is_json_with_time_level_logger_event(self):
        self.rest("TellJoke", {})
        stamp = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
        self.assertTrue(self.weir.lines)
        for text in list(self.weir.lines):
            event = json.loads(text)
            for name in ("level", "logger", "event"):
                self.assertIsInstance(event[name], str)
            times = [v for k, v in event.items() if k in ("time", "ts", "timestamp")]
            self.assertEqual(len(times), 1, event)
            self.assertRegex(times[0], stamp)

    def test_nothing_breaks_out_of_its_line(self):
        self.weir.curl("/a%0a%0d%1b[31m\u2028", headers=["User-Agent: {\"event\":\"ready\"}"])
        self.weir.raw(b"GET /evil\x1b[31m\"}{ HTTP/1.1\r\nHost: weir\r\n"
                      b"X-Request-ID: a\x07b\r\nConnection: close\r\n\r\n", seconds=1)
        self.rpc("TellJoke", {}, request_id="a b\"}")
        self.rest("TellJoke", {})
        self.assertEqual(len(self.weir.events("ready")), 1)
        for text in list(self.weir.lines):
            json.loads(text)
            self.assertTrue(text.isprintable(), repr(text))

    @over_both
    def test_no_bodies(self, call):
        for rpc, field in (("TellJoke", "name"), ("TellStory", "topic"), ("ReviewCode", "code")):
            self.model.behave("ok", text=WORDS)
            call(rpc, {field: BODY})
            self.model.behave("cut", text=WORDS + " one two three")
            call(rpc, {field: BODY})
        outcome = call("GenerateCode", {"language": BODY})
        self.line(outcome)
        self.assertNotIn(BODY, "\n".join(self.weir.lines))
        self.assertNotIn(WORDS, "\n".join(self.weir.lines))


class Secrets(Scenario):
    """The provider's key is nowhere but in the header to the provider."""
    upstream = True
    settings = {"LOG_LEVEL": "debug", "OPENAI_API_KEY_FILE": "key"}
    files = {"key": KEY + "\n"}

    def test_key_from_a_file_reaches_the_model_and_nothing_else(self):
        for how in ({"mode": "ok"}, {"mode": "status", "status": 401}, {"mode": "garbage"},
                    {"mode": "reset"}):
            self.model.behave(**how)
            for call in (self.rest, self.rpc):
                outcome = call("TellJoke", {})
                self.assertNotIn(KEY, str(outcome))
            self.assertEqual(self.model.last.headers["authorization"], f"Bearer {KEY}")
        for path in ("/version", "/ready", "/health", "/openapi.json", "/docs"):
            self.assertNotIn(KEY.encode(), self.weir.curl(path).body)
        for path in glob.glob(f"/proc/{self.weir.process.pid}/task/*/comm") + [
                f"/proc/{self.weir.process.pid}/cmdline",
                f"/proc/{self.weir.process.pid}/environ"]:
            with open(path, "rb") as file:
                self.assertNotIn(KEY.encode(), file.read())
        self.assertNotIn(KEY, "\n".join(self.weir.lines))


class Levels(Scenario):
    settings = {"ACCESS_LOG": "false"}

    def test_access_log_off(self):
        self.rest("TellJoke", {}, request_id="unseen")
        self.rpc("TellJoke", {}, request_id="unseen")
        self.assertEqual(self.weir.events("request"), [])

    def test_console(self):
        with Weir({"LOG_FORMAT": "console"}, start=False) as weir:
            weir.launch()
            wait_until(lambda: any("ready" in line for line in weir.lines), 10, "a ready line")
            self.assertEqual(weir.events(), [])


if __name__ == "__main__":
    main()
