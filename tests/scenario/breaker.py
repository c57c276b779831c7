"""The circuit breaker around the model, over both protocols. Its state is seen by what arrives at the
model, and by the readiness."""
from harness import FakeUpstream, Scenario, Weir, both, main, slow, wait_until

RECOVERY_S = 2 + int(slow(0.5))


class Breaker(Scenario):
    """Each test has a weir of its own: the breaker remembers."""

    def setUp(self):
        pass

    @staticmethod
    def start(model, **settings):
        return Weir({"LLM_BASE_URL": model.base_url, "LLM_RETRIES": "0",
                     "CB_RECOVERY_TIMEOUT": f"{RECOVERY_S}s", **settings})

    def ready(self, weir):
        reply = weir.curl("/ready")
        return reply.status, [(r["class"], r["reason"]) for r in reply.json.get("reasons", [])]

    def recovered(self, weir):
        wait_until(lambda: self.ready(weir)[0] == 200, 10, "the recovery time", pause=0.1)

    def check_refused(self, model, call):
        before = model.requests
        outcome = self.assert_ends(call("TellJoke", {}), 503, "UNAVAILABLE")
        self.assertTrue(0 <= int(outcome.retry_after) <= RECOVERY_S, outcome.retry_after)
        self.assert_ends(call("TellStory", {}), 503, "UNAVAILABLE")
        self.assertEqual(model.requests, before, "the model was asked")

    def open_and_recover(self, model, weir, call):
        """Five failures, and the time until a probe may go; the model goes on failing."""
        model.behave("status", status=500)
        for _ in range(5):
            call("TellJoke", {})
        self.recovered(weir)

    def test_opens_for_both_protocols_and_recovers(self):
        for mode, rpc in (({"mode": "status", "status": 500}, "TellJoke"),
                          ({"mode": "reset"}, "TellStory"), ({"mode": "cut"}, "TellStory"),
                          ({"mode": "garbage"}, "TellJoke")):
            with self.subTest(rpc=rpc, **mode), FakeUpstream() as model, \
                    self.start(model) as weir:
                calls = both(weir)
                model.behave(**mode)
                for i in range(5):
                    self.assertFalse(calls[i % 2](rpc, {}).ok)
                self.assertEqual(model.requests, 5)
                for call in calls:
                    self.check_refused(model, call)
                self.assertEqual(self.ready(weir), (503, [("warn", "breaker_open")]))
                self.assertEqual([e["provider"] for e in weir.events("breaker_opened")], ["openai"])
                model.behave("ok")
                self.recovered(weir)
                self.assert_ok(calls[0]("TellJoke", {}))
                self.assertEqual(model.requests, 6)
                wait_until(lambda: weir.events("breaker_closed"), 5, "the log line")  # noqa: B023
                for call in calls:
                    self.assert_ok(call("TellStory", {}))

    def test_one_probe_alone_decides(self):
        with FakeUpstream() as model, self.start(model) as weir:
            rest, rpc = both(weir)
            self.open_and_recover(model, weir, rest)
            model.behave("slow", delay_s=0.5)
            calls = [rpc.start("TellJoke") for _ in range(10)]
            codes = sorted(call.code().name for call in calls)
            self.assertEqual(codes, ["OK"] + ["UNAVAILABLE"] * 9)
            self.assertEqual(model.requests, 6)
            self.assert_ok(rest("TellJoke", {}))

    def test_a_probe_that_fails_opens_it_again(self):
        with FakeUpstream() as model, self.start(model) as weir:
            rest, rpc = both(weir)
            self.open_and_recover(model, weir, rest)
            self.assertFalse(rpc("TellJoke", {}).ok)
            self.assertEqual(model.requests, 6)
            self.check_refused(model, rest)

    def test_what_does_not_trip_it(self):
        """A busy model, a request at fault, a client that leaves: it goes on being asked."""
        for how in ({"mode": "status", "status": 429}, {"mode": "status", "status": 400},
                    {"mode": "status", "status": 401}, {"mode": "filtered"}):
            with self.subTest(**how), FakeUpstream() as model, self.start(model) as weir:
                model.behave(**how)
                for call in both(weir) * 10:
                    call("TellJoke", {})
                self.assertEqual(model.requests, 20)
                self.assertEqual(self.ready(weir)[0], 200)
        with FakeUpstream() as model, self.start(model) as weir:
            _, rpc = both(weir)
            model.behave("silent")
            for i in range(10):
                call = rpc.start("TellJoke")
                wait_until(lambda: model.requests == i + 1, 5, "the request")  # noqa: B023
                call.cancel()
            wait_until(lambda: model.running == 0, 5, "the ends")
            model.behave("ok")
            self.assert_ok(rpc("TellJoke", {}))

    def test_a_429_in_place_of_a_probe_frees_its_place(self):
        with FakeUpstream() as model, self.start(model) as weir:
            rest, rpc = both(weir)
            self.open_and_recover(model, weir, rest)
            model.behave("status", status=429)
            self.assertFalse(rest("TellJoke", {}).ok)
            model.behave("ok")
            self.assert_ok(rpc("TellJoke", {}))

    def test_a_silent_model_trips_it(self):
        for settings in ({"REQUEST_TIMEOUT": "1"}, {"LLM_FIRST_TOKEN_TIMEOUT": "400ms"},
                         {"LLM_TIMEOUT": "400"}):
            with self.subTest(**settings), FakeUpstream() as model, \
                    self.start(model, CB_FAILURE_THRESHOLD="2", **settings) as weir:
                rest, rpc = both(weir)
                model.behave("silent")
                for call in (rest, rpc):
                    self.assert_ends(call("TellStory", {}), 504, "DEADLINE_EXCEEDED")
                self.check_refused(model, rpc)

    def test_off(self):
        with FakeUpstream() as model, self.start(model, CB_ENABLED="false") as weir:
            rest, _ = both(weir)
            model.behave("status", status=500)
            for _ in range(8):
                self.assertFalse(rest("TellJoke", {}).ok)
            self.assertEqual(model.requests, 8)


if __name__ == "__main__":
    main()
