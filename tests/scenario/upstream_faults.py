"""Every way a model can fail, over both protocols, unary and streamed: the right status before the
first piece, an error event or a status after it, never a normal end; and the next request works.
What is made of failures (retries, breaker, fallbacks) is resilience.py's."""
import json
import socket

from harness import Scenario, Weir, both, main, over_both, slow, wait_until

ALONE = {"LLM_RETRIES": "0", "CB_ENABLED": "false"}

# How the model behaves -> HTTP status and gRPC code, for a unary text flow.
UNARY = (
    ({"mode": "reset"}, 502, "UNAVAILABLE"),
    ({"mode": "reset_mid"}, 502, "UNAVAILABLE"),
    ({"mode": "cut"}, 502, "UNAVAILABLE"),
    ({"mode": "cut_body"}, 502, "UNAVAILABLE"),
    ({"mode": "garbage"}, 502, "INTERNAL"),
    ({"mode": "wrong_shape"}, 502, "INTERNAL"),
    ({"mode": "not_text"}, 502, "INTERNAL"),
    ({"mode": "huge"}, 502, "INTERNAL"),
    ({"mode": "flood"}, 502, "INTERNAL"),
    ({"mode": "empty"}, 502, "INTERNAL"),
    ({"mode": "status", "status": 400}, 502, "INTERNAL"),
    ({"mode": "status", "status": 401}, 502, "INTERNAL"),
    ({"mode": "status", "status": 404}, 502, "INTERNAL"),
    ({"mode": "status", "status": 429, "headers": (("Retry-After", "7"),)}, 503, "UNAVAILABLE"),
    ({"mode": "status", "status": 500}, 502, "UNAVAILABLE"),
    ({"mode": "status", "status": 503}, 502, "UNAVAILABLE"),
    ({"mode": "status", "status": 302, "headers": (("Location", "/v1/elsewhere"),)}, 502, None),
)

# Streams: the same, and whether pieces came before.
STREAMS = (
    ({"mode": "reset"}, 502, "UNAVAILABLE", False),
    ({"mode": "garbage"}, 502, None, False),
    ({"mode": "wrong_shape"}, 502, "INTERNAL", False),
    ({"mode": "empty"}, 502, "INTERNAL", False),
    ({"mode": "huge"}, 502, "INTERNAL", False),
    ({"mode": "status", "status": 400}, 502, "INTERNAL", False),
    ({"mode": "status", "status": 429, "headers": (("Retry-After", "7"),)}, 503, "UNAVAILABLE",
     False),
    ({"mode": "status", "status": 500}, 502, "UNAVAILABLE", False),
    ({"mode": "cut"}, 502, "UNAVAILABLE", True),
    ({"mode": "cut_body"}, 502, "UNAVAILABLE", True),
    ({"mode": "reset_mid"}, 502, "UNAVAILABLE", True),
    ({"mode": "stream_error"}, 502, "UNAVAILABLE", True),
    ({"mode": "not_text"}, 502, "INTERNAL", True),
    ({"mode": "flood"}, 502, "INTERNAL", True),
)

BROKEN_REVIEWS = {
    "no JSON": "I would rather not.",
    "cut JSON": '{"summary": "never closed',
    "not an object": "[1, 2]",
    "score above 100": {"summary": "s", "issues": [], "score": 300, "language": "c"},
    "no summary": {"issues": [], "score": 3, "language": "c"},
    "wrong type": {"summary": 5, "issues": [], "score": 3, "language": "c"},
    "severity out of list": {"summary": "s", "score": 3, "language": "c", "issues": [
        {"severity": "fatal", "line": 1, "message": "m", "suggestion": ""}]},
    "NUL": {"summary": "s\0s", "issues": [], "score": 3, "language": "c"},
}


class Faults(Scenario):
    upstream = True
    settings = ALONE

    def assert_recovered(self, call):
        self.model.behave("ok")
        self.assert_ok(call("TellJoke", {}))
        self.assert_ok(call("TellStory", {}))

    def assert_failed(self, outcome, http, code):
        self.assertFalse(outcome.ok, f"a failure was reported as a normal end: {outcome}")
        self.assert_ends(outcome, http, code or outcome.code)
        self.assertNotIn("upstream-secret-detail", str(outcome))
        self.assertNotIn("127.0.0.1", outcome.detail)
        self.assertTrue(outcome.detail)

    @over_both
    def test_unary(self, call):
        for how, http, code in UNARY:
            with self.subTest(**how):
                self.model.behave(**how)
                outcome = call("TellJoke", {})
                self.assert_failed(outcome, http, code)
                if how.get("status") == 429:
                    self.assertEqual(outcome.retry_after, "7")
                self.assert_recovered(call)

    @over_both
    def test_streams(self, call):
        for how, http, code, late in STREAMS:
            with self.subTest(**how):
                self.model.behave(**how)
                outcome = call("TellStory", {})
                self.assert_failed(outcome, http, code)
                self.assertEqual(outcome.late, late, outcome)
                self.assertEqual(bool(outcome.chunks), late)
                if how.get("status") == 429:
                    self.assertEqual(outcome.retry_after, "7")
                self.assert_recovered(call)

    def test_an_error_before_the_first_piece_is_a_plain_problem(self):
        self.model.behave("status", status=500)
        reply = self.weir.curl("/tell-story/stream", {})
        self.assert_problem(reply, 502, "UNAVAILABLE")

    def test_an_error_after_the_first_piece_is_an_error_event(self):
        self.model.behave("cut")
        with self.weir.sse("/tell-story/stream", headers=["X-Request-ID: late-1"]) as stream:
            events = list(stream)
            self.assertEqual(stream.code(), 0, "the body's end is orderly")
        self.assertEqual(stream.reply.status, 200)
        self.assertEqual(events[-1].name, "error")
        self.assertEqual([e.name for e in events[:-1]], ["message"] * (len(events) - 1))
        problem = events[-1].data
        self.assertLessEqual({"type", "title", "status", "detail", "instance", "code", "error",
                              "request_id"}, set(problem))
        self.assertEqual((problem["status"], problem["request_id"]), (502, "late-1"))
        self.assertFalse([e for e in events if e.data.get("done")])

    @over_both
    def test_structured_answers_that_break_the_contract(self, call):
        for name, answer in BROKEN_REVIEWS.items():
            with self.subTest(answer=name):
                text = answer if isinstance(answer, str) else json.dumps(answer)
                self.model.behave("ok", text=text)
                outcome = call("ReviewCode", {})
                self.assert_failed(outcome, 502, "INTERNAL")
                self.assertNotIn("never closed", str(outcome))
                self.assert_recovered(call)

    @over_both
    def test_a_redirect_is_not_followed(self, call):
        before = self.model.requests
        self.model.behave("status", status=307,
                          headers=(("Location", self.model.base_url + "/other"),))
        self.assertFalse(call("TellJoke", {}).ok)
        self.assertNotIn("/v1/other", [s.path for s in self.model.seen])
        self.assertGreater(self.model.requests, before)

    @over_both
    def test_memory_stays_small_while_a_model_floods(self, call):
        self.model.behave("flood")
        call("TellStory", {})
        before = self.weir.rss_kb()
        for _ in range(3):
            self.assertFalse(call("TellStory", {}).ok)
        self.assertLess(self.weir.rss_kb() - before, 40_000 * slow(1))


class Timeouts(Scenario):
    """LLM_TIMEOUT and its finer siblings: long enough for an answer on a machine that is busy."""
    upstream = True
    settings = {**ALONE, "LLM_TIMEOUT": str(int(slow(2) * 1000))}

    @over_both
    def test_a_model_that_never_answers(self, call):
        for rpc in ("TellJoke", "TellStory"):
            with self.subTest(rpc=rpc):
                self.model.behave("silent")
                before = self.model.aborted
                self.assert_ends(call(rpc, {}), 504, "DEADLINE_EXCEEDED")
                wait_until(lambda b=before: self.model.aborted == b + 1, 5, "the abort")
                self.model.behave("ok")
                self.assert_ok(call(rpc, {}))

    @over_both
    def test_a_stream_that_falls_silent(self, call):
        self.model.behave("stall")
        outcome = self.assert_ends(call("TellStory", {}), 504, "DEADLINE_EXCEEDED")
        self.assertTrue(outcome.late)
        self.assertEqual(len(outcome.chunks), 1)


class IdleTimeout(Scenario):
    upstream = True
    settings = {**ALONE, "LLM_IDLE_TIMEOUT": f"{int(slow(1.5) * 1000)}ms"}

    @over_both
    def test_silence_between_pieces_ends_the_call(self, call):
        self.model.behave("stall")
        outcome = self.assert_ends(call("TellStory", {}, seconds=10), 504, "DEADLINE_EXCEEDED")
        self.assertEqual(len(outcome.chunks), 1)

    @over_both
    def test_a_slow_but_living_stream_does_not(self, call):
        self.model.behave("slow_stream", gap_s=slow(0.25), text="a b c d e")
        self.assertEqual(self.assert_ok(call("TellStory", {})).text, "a b c d e")


class FirstTokenTimeout(Scenario):
    upstream = True
    settings = {**ALONE, "LLM_FIRST_TOKEN_TIMEOUT": f"{int(slow(1.5) * 1000)}ms"}

    @over_both
    def test_no_first_token(self, call):
        self.model.behave("silent")
        self.assert_ends(call("TellStory", {}, seconds=10), 504, "DEADLINE_EXCEEDED")
        self.model.behave("ok")
        self.assert_ok(call("TellStory", {}))


class Unreachable(Scenario):
    def setUp(self):
        pass

    @classmethod
    def setUpClass(cls):
        cls.model = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            cls.port = free.getsockname()[1]
        cls.weir = Weir({**ALONE, "LLM_BASE_URL": f"http://127.0.0.1:{cls.port}/v1"})
        cls.rest, cls.rpc = both(cls.weir)

    @over_both
    def test_connection_refused(self, call):
        for rpc in ("TellJoke", "TellStory", "ReviewCode"):
            self.assert_ends(call(rpc, {}), 502, "UNAVAILABLE")
        self.assertNotIn(str(self.port), call("TellJoke", {}).detail)


if __name__ == "__main__":
    main()
