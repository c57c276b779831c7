"""What is made of a model's failures, over both protocols: retries and their budget, fallbacks, and
the account of it all. Requests are counted where they arrive. (The breaker is breaker.py's.)"""
import json
import socket
import time

from harness import FakeUpstream, Scenario, Weir, both, main, over_both, slow, wait_until

NO_BREAKER = {"CB_ENABLED": "false"}


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Retries(Scenario):
    upstream = True
    settings = NO_BREAKER

    def setUp(self):
        super().setUp()
        for _ in range(30):  # pays for the retries
            self.assert_ok(self.rpc("PirateChat", {}))

    def line(self, call, rpc, name):
        before = self.model.requests
        outcome = call(rpc, {}, request_id=f"{name}-{call.protocol}-{rpc}")
        line = self.weir.access(f"{name}-{call.protocol}-{rpc}")[0]
        self.assertEqual(line["attempts"], self.model.requests - before)
        return outcome, line

    @over_both
    def test_a_failure_that_passes(self, call):
        for status in (408, 429, 500, 502, 503, 504, 529):
            for rpc in ("TellJoke", "TellStory"):
                with self.subTest(rpc=rpc, status=status):
                    self.setUp()
                    self.model.next("status", status=status)
                    outcome, line = self.line(call, rpc, f"passes-{status}")
                    self.assert_ok(outcome)
                    self.assertEqual(line["attempts"], 2)

    @over_both
    def test_a_connection_that_breaks(self, call):
        """A kept one that has died is replaced, as everywhere; a fresh one that dies counts."""
        for _ in range(2):
            self.model.next("reset")
        before = self.model.requests
        name = f"breaks-{call.protocol}"
        self.assert_ok(call("TellJoke", {}, request_id=name))
        self.assertEqual(self.model.requests, before + 3)
        self.assertEqual(self.weir.access(name)[0]["attempts"], 2)

    @over_both
    def test_a_failure_that_stays(self, call):
        for rpc in ("TellJoke", "TellStory"):
            self.setUp()
            self.model.behave("status", status=503)
            outcome, line = self.line(call, rpc, "stays")
            self.assert_ends(outcome, 502, "UNAVAILABLE")
            self.assertEqual(line["attempts"], 3)

    @over_both
    def test_what_is_not_tried_again(self, call):
        for how in ({"mode": "garbage"}, {"mode": "wrong_shape"}, {"mode": "filtered"},
                    *({"mode": "status", "status": status} for status in (400, 401, 404, 501))):
            with self.subTest(**how):
                self.model.behave(**how)
                outcome, line = self.line(call, "TellJoke", f"once-{how}".translate(
                    str.maketrans("", "", "{}': ,")))
                self.assertFalse(outcome.ok)
                self.assertEqual(line["attempts"], 1)

    @over_both
    def test_never_after_the_first_piece(self, call):
        for mode in ("cut", "cut_body", "reset_mid", "stream_error"):
            with self.subTest(mode=mode):
                self.model.behave(mode)
                outcome, line = self.line(call, "TellStory", f"late-{mode}")
                self.assertTrue(outcome.late)
                self.assertEqual(line["attempts"], 1)
                self.assertEqual(line["usage"], "estimated")
                self.assertGreater(line["output_tokens"], 0)

    @over_both
    def test_retry_after_is_waited_for(self, call):
        self.model.next("status", status=429, headers=(("Retry-After", "1"),))
        began = time.monotonic()
        outcome, line = self.line(call, "TellJoke", "waits")
        self.assert_ok(outcome)
        self.assertEqual(line["attempts"], 2)
        self.assertGreaterEqual(time.monotonic() - began, 1)

    @over_both
    def test_retry_after_that_does_not_fit_is_told(self, call):
        self.model.behave("status", status=429, headers=(("Retry-After", "300"),))
        outcome, line = self.line(call, "TellJoke", "does-not-fit")
        self.assert_ends(outcome, 503, "UNAVAILABLE")
        self.assertEqual(outcome.retry_after, "300")
        self.assertEqual(line["attempts"], 1)

    def test_a_client_s_own_deadline_counts(self):
        self.model.behave("status", status=503, headers=(("Retry-After", "20"),))
        before = self.model.requests
        outcome = self.rpc("TellJoke", {}, seconds=10 / slow(1))
        self.assertEqual(outcome.code, "UNAVAILABLE")
        self.assertEqual(self.model.requests, before + 1)

    def test_nothing_goes_on_when_the_client_has_left(self):
        self.model.behave("status", status=503, headers=(("Retry-After", "1"),))
        before = self.model.requests
        call = self.rpc.start("TellJoke", {})
        wait_until(lambda: self.model.requests == before + 1, 5, "the first attempt")
        call.cancel()
        time.sleep(1.6)
        self.assertEqual(self.model.requests, before + 1)

    def test_a_client_that_leaves_is_accounted_for(self):
        self.model.behave("slow_stream", gap_s=0.2)
        call = self.rpc.start("TellStory", {}, request_id="left")
        next(iter(call))
        call.cancel()
        line = self.weir.access("left")[0]
        self.assertEqual((line["end"], line["usage"]), ("CANCELLED", "estimated"))
        self.assertGreater(line["input_tokens"], 0)
        self.assertGreater(line["output_tokens"], 0)

    def test_the_budget(self):
        """Under a lasting failure retries are a tenth of the requests, when what was saved is
        spent."""
        with FakeUpstream() as model, Weir({**NO_BREAKER, "LLM_BASE_URL": model.base_url}) as weir:
            rest, _ = both(weir)
            model.behave("status", status=503)
            for _ in range(40):
                self.assertFalse(rest("TellJoke", {}).ok)
            self.assertGreaterEqual(model.requests, 50)
            self.assertLessEqual(model.requests, 40 + 10 + 4)


class NoRetries(Scenario):
    upstream = True
    settings = {**NO_BREAKER, "LLM_RETRIES": "0"}

    @over_both
    def test_none(self, call):
        self.model.behave("status", status=503)
        before = self.model.requests
        self.assert_ends(call("TellJoke", {}), 502, "UNAVAILABLE")
        self.assertEqual(self.model.requests, before + 1)


class Fallbacks(Scenario):
    """OpenAI first, then Anthropic, then another server of OpenAI's kind."""

    @classmethod
    def setUpClass(cls):
        cls.model, cls.second, cls.third = (FakeUpstream().start() for _ in range(3))
        cls.weir = Weir({
            **NO_BREAKER, "CACHE_ENABLED": "false", "LLM_BASE_URL": cls.model.base_url,
            "LLM_RETRIES": "0",
            "OPENAI_API_KEY": "key-first", "LLM_FALLBACK_API_KEY": "key-elsewhere",
            "LLM_FALLBACKS": f"anthropic:claude-x@{cls.second.base_url}, "
                             f"openai:llama3.2:3b@{cls.third.base_url}"})
        cls.rest, cls.rpc = both(cls.weir)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.second.stop()
        cls.third.stop()

    def setUp(self):
        super().setUp()
        self.second.behave("ok")
        self.third.behave("ok")

    def ask(self, call, rpc, name):
        outcome = call(rpc, {}, request_id=f"{name}-{call.protocol}-{rpc}")
        return outcome, self.weir.access(f"{name}-{call.protocol}-{rpc}")[0]

    @over_both
    def test_the_first_is_enough(self, call):
        before = self.second.requests
        outcome, line = self.ask(call, "TellJoke", "first")
        self.assert_ok(outcome)
        self.assertEqual((line["provider"], line["attempts"]), ("openai", 1))
        self.assertNotIn("fallback", line)
        self.assertEqual(self.second.requests, before)

    @over_both
    def test_the_next_answers(self, call):
        for mode in ({"mode": "status", "status": 500}, {"mode": "reset"}, {"mode": "garbage"},
                     {"mode": "status", "status": 401}, {"mode": "status", "status": 429}):
            for rpc in ("TellJoke", "TellStory", "TranslateText"):
                with self.subTest(rpc=rpc, **mode):
                    self.model.behave(**mode)
                    outcome, line = self.ask(call, rpc, "next" + "-".join(map(str, mode.values())))
                    self.assert_ok(outcome)
                    self.assertEqual((line["provider"], line["attempts"], line["fallback"]),
                                     ("anthropic", 2, True))
        self.assertEqual(self.second.last.body["model"], "claude-x")
        self.assertEqual(self.second.last.headers["x-api-key"], "key-elsewhere")
        self.assertNotIn("key-first", json.dumps(self.second.last.headers))

    @over_both
    def test_the_last_answers(self, call):
        self.model.behave("status", status=503)
        self.second.behave("status", status=529)
        outcome, line = self.ask(call, "TellStory", "last")
        self.assert_ok(outcome)
        self.assertEqual((line["provider"], line["attempts"]), ("openai-2", 3))
        self.assertEqual(self.third.last.body["model"], "llama3.2:3b")
        self.assertEqual([e["provider"] for e in self.weir.events("falling_back")
                          if e.get("request_id") == f"last-{call.protocol}-TellStory"],
                         ["openai", "anthropic"])

    @over_both
    def test_all_are_down(self, call):
        for model in (self.model, self.second, self.third):
            model.behave("status", status=500)
        outcome, line = self.ask(call, "TellJoke", "down")
        self.assert_ends(outcome, 502, "UNAVAILABLE")
        self.assertEqual(line["attempts"], 3)

    @over_both
    def test_what_no_other_could_do_better(self, call):
        before = self.second.requests
        for mode in ({"mode": "status", "status": 400}, {"mode": "filtered"}):
            self.model.behave(**mode)
            self.assertFalse(call("TellJoke", {}).ok)
        self.assertEqual(self.second.requests, before)

    @over_both
    def test_not_after_the_first_piece(self, call):
        before = self.second.requests
        self.model.behave("cut")
        self.assertTrue(call("TellStory", {}).late)
        self.assertEqual(self.second.requests, before)


class OneIsGone(Scenario):
    """A first provider that is not there, with breakers: soon only the second is asked."""

    def setUp(self):
        pass

    def test_it_is_not_knocked_at_for_ever(self):
        with FakeUpstream() as second, Weir({
                "LLM_BASE_URL": f"http://127.0.0.1:{closed_port()}/v1", "LLM_RETRIES": "0",
                "CB_FAILURE_THRESHOLD": "3",
                "LLM_FALLBACKS": f"gemini:gemini-x@{second.base_url}"}) as weir:
            attempts = []
            for i, call in enumerate(both(weir) * 3):
                self.assert_ok(call("TellJoke", {}, request_id=f"gone-{i}"))
                attempts.append(weir.access(f"gone-{i}")[0]["attempts"])
            self.assertEqual(attempts, [2, 2, 2, 1, 1, 1])
            ready = weir.curl("/ready")
            self.assertEqual(ready.status, 200)
            self.assertIn({"class": "info", "reason": "breaker_open"}, ready.json["reasons"])


if __name__ == "__main__":
    main()
