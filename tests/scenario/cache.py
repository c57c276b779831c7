"""The cache (C2, C4) and replayed streams (C5), seen from outside: the fake model counts its calls."""
import os
import time

from harness import Scenario, Weir, both, main, over_both, slow

PRAISE = "/weir_test.v1.EverythingService/PraiseStock"
STORED = {"TranslateText": "text", "DescribeImage": "image_url", "GenerateCharacter": "name",
          "GenerateCode": "description", "ReviewCode": "code"}


def field(rpc, value):
    """A request of this flow that no other test makes."""
    value = f"https://example.com/{value}.png" if rpc == "DescribeImage" else value
    return {STORED[rpc]: value}


def shared(answer):
    """What both protocols say; `review` is for gRPC only."""
    return {name: value for name, value in answer.items() if name != "review"}


def state_of(weir, call, rpc, request, name):
    """The outcome, and what its access line says as `cache`."""
    request_id = f"{name}-{call.protocol}"
    outcome = call(rpc, request, request_id=request_id)
    return outcome, weir.access(request_id)[0].get("cache")


class Cache(Scenario):
    upstream = True
    settings = {"LLM_RETRIES": "0", "CB_ENABLED": "false"}  # a call is one request to the model

    def ask(self, call, rpc, request, name):
        return state_of(self.weir, call, rpc, request, name)

    def test_an_answer_over_one_protocol_is_a_hit_over_the_other(self):
        for rpc in STORED:
            for first, second in ((self.rest, self.rpc), (self.rpc, self.rest)):
                with self.subTest(rpc=rpc, first=first.protocol):
                    name = f"cross-{rpc}-{first.protocol}"
                    before = self.model.requests
                    made, state = self.ask(first, rpc, field(rpc, name), name)
                    self.assert_ok(made)
                    self.assertEqual(state, "miss")
                    kept, state = self.ask(second, rpc, field(rpc, name), name)
                    self.assert_ok(kept)
                    self.assertEqual(state, "hit")
                    again, state = self.ask(first, rpc, field(rpc, name), name + "-again")
                    self.assertEqual(state, "hit")
                    self.assertEqual(again.answer, made.answer)
                    self.assertEqual(self.model.requests, before + 1)
                    self.assertEqual(shared(kept.answer), shared(made.answer))

    def test_cache_status(self):
        for rpc, states in (("TranslateText", ("weir; fwd=miss", "weir; hit; ttl=")),
                            ("TellJoke", ("weir; fwd=bypass", "weir; fwd=bypass"))):
            for expected in states:
                with self.subTest(rpc=rpc, expected=expected):
                    reply = self.rest(rpc, {"text": "status"} if rpc == "TranslateText" else {}).reply
                    said = reply.headers["cache-status"]
                    self.assertTrue(said.startswith(expected), said)
        call = self.rpc.start("TranslateText", {"text": "status"})
        call.result()
        self.assertIn("weir; hit; ttl=", dict(call.trailing_metadata())["cache-status"])
        self.assertGreater(int(self.rest("TranslateText", {"text": "status"})
                               .reply.headers["cache-status"].split("ttl=")[1]), 260)
        self.assertNotIn("cache-status", self.rest("Health").reply.headers)

    @over_both
    def test_equal_questions_in_other_words(self, call):
        word = f"same-{call.protocol}"
        before = self.model.requests
        self.assert_ok(call("TranslateText", {"text": word}))
        self.assert_ok(call("TranslateText", {"text": word, "target_language": ""}))
        self.assertEqual(self.model.requests, before + 1)
        self.assert_ok(call("TranslateText", {"text": word, "target_language": "German"}))
        self.assertEqual(self.model.requests, before + 2)

    @over_both
    def test_jokes_and_chat_are_asked_each_time(self, call):
        for rpc in ("TellJoke", "TellJokeStream", "PirateChat"):
            with self.subTest(rpc=rpc):
                before = self.model.requests
                for i in range(2):
                    outcome, state = self.ask(call, rpc, {}, f"bypass-{rpc}-{i}")
                    self.assert_ok(outcome)
                    self.assertEqual(state, "bypass")
                self.assertEqual(self.model.requests, before + 2)

    @over_both
    def test_errors_and_unusable_answers_are_not_kept(self, call):
        for how in ({"mode": "status", "status": 500}, {"mode": "invalid_json"},
                    {"mode": "cut_body"}, {"mode": "reset"}):
            request = {"code": f"bad-{how['mode']}-{call.protocol}"}
            with self.subTest(**how):
                self.model.behave(**how)
                self.assertFalse(call("ReviewCode", request).ok)
                self.model.behave("ok")
                before = self.model.requests
                self.assert_ok(call("ReviewCode", request))
                self.assertEqual(self.model.requests, before + 1)

    def test_a_hit_is_compressed_like_any_answer(self):
        request = b'{"text":"%s"}' % (b"x" * 3000)
        for state in ("fwd=miss", "hit"):
            reply = self.weir.curl("/translate", request, headers=["Accept-Encoding: gzip"])
            self.assertEqual(reply.headers.get("content-encoding"), "gzip")
            self.assertIn(state, reply.headers["cache-status"])


class Expiry(Scenario):
    upstream = True
    settings = {"CACHE_TTL": "2s"}

    @over_both
    def test_an_answer_expires(self, call):
        request = {"text": f"short-{call.protocol}"}
        before = self.model.requests
        self.assert_ok(call("TranslateText", request))
        self.assert_ok(call("TranslateText", request))
        self.assertEqual(self.model.requests, before + 1)
        time.sleep(2.1)
        self.assert_ok(call("TranslateText", request))
        self.assertEqual(self.model.requests, before + 2)


class Refresh(Scenario):
    """An answer that takes long to make is asked for again before it expires, by one caller."""
    upstream = True
    settings = {"CACHE_TTL": "4s"}

    def test_one_refreshes_while_others_have_the_old_answer(self):
        request = {"text": "dear"}
        self.model.behave("slow", delay_s=1.5)
        self.assert_ok(self.rest("TranslateText", request))
        made, before = time.monotonic(), self.model.requests
        calls = []
        while time.monotonic() < made + 3.5 and self.model.requests == before:
            name = f"refresh-{len(calls)}"
            calls.append(self.rpc.start("TranslateText", request, request_id=name))
            time.sleep(0.02)
        self.assertEqual(self.model.requests, before + 1, "nobody refreshed")
        late = [self.rpc.start("TranslateText", request, request_id=f"old-{i}") for i in range(20)]
        for call in (*calls, *late):
            call.result()
        states = [self.weir.access(f"refresh-{i}")[0]["cache"] for i in range(len(calls))]
        self.assertEqual(states.count("refresh"), 1, states)
        self.assertEqual(set(states) - {"refresh"}, {"hit"})
        self.assertLessEqual(self.model.requests, before + 2)


class Bounds(Scenario):
    upstream = True
    settings = {"CACHE_MAX_SIZE": "4"}

    def test_more_than_fits_goes_again(self):
        before = self.model.requests
        for i in range(5):
            self.assert_ok(self.rpc("TranslateText", {"text": f"n{i}"}))
        for i in range(5):
            self.rpc("TranslateText", {"text": f"n{i}"})
        self.assertGreater(self.model.requests, before + 5)

    def test_off(self):
        with Weir({"LLM_BASE_URL": self.model.base_url, "CACHE_ENABLED": "false"}) as weir:
            before = self.model.requests
            for call in both(weir):
                for i in range(2):
                    outcome, state = state_of(weir, call, "TranslateText", {}, f"off-{i}")
                    self.assertTrue(outcome.ok)
                    self.assertEqual(state, "bypass")
            self.assertEqual(self.model.requests, before + 4)


class Replay(Scenario):
    """A stream whose policy is `store`: the flow of the test contract."""
    upstream = True
    settings = {"LLM_RETRIES": "0", "CB_ENABLED": "false"}
    binary = os.environ.get("WEIR_EVERYTHING_BINARY")
    protoset = "WEIR_EVERYTHING_PROTOSET"

    def test_a_finished_stream_is_replayed_with_its_pieces(self):
        pieces = ("Fine", " lamps", " and", " one", " vase")
        self.model.behave("ok", pieces=pieces)
        for first, second in ((self.rest, self.rpc), (self.rpc, self.rest)):
            with self.subTest(first=first.protocol):
                request = {"shop": f"shop of {first.protocol}"}
                before = self.model.requests
                told = self.assert_ok(first(PRAISE, request))
                again, state = state_of(self.weir, second, PRAISE, request,
                                        f"replay-{first.protocol}")
                self.assert_ok(again)
                self.assertEqual(state, "hit")
                self.assertEqual(told.chunks, list(pieces))
                self.assertEqual(again.chunks, list(pieces))
                for outcome in (told, again):
                    if outcome.protocol == "rest":
                        self.assertEqual(outcome.whole, "".join(pieces))
                self.assertEqual(self.model.requests, before + 1)

    @over_both
    def test_a_cut_stream_is_not_replayed(self, call):
        request = {"shop": f"cut shop of {call.protocol}"}
        self.model.behave("cut", text="one two three four")
        self.assertFalse(call(PRAISE, request).ok)
        self.model.behave("ok", text="one two three four")
        before = self.model.requests
        self.assertEqual(self.assert_ok(call(PRAISE, request)).text, "one two three four")
        self.assertEqual(self.model.requests, before + 1)

    def test_a_large_replay_to_a_reader_that_pauses(self):
        pieces = tuple("y" * 900 + str(i) for i in range(80))
        self.model.behave("ok", pieces=pieces)
        request = {"shop": "large"}
        self.assert_ok(self.rpc(PRAISE, request))
        before = self.model.requests
        started = self.rpc.start(PRAISE, request)
        time.sleep(slow(0.2))
        self.assertEqual([p.text for p in started], list(pieces))
        self.assertEqual(self.assert_ok(self.rest(PRAISE, request)).chunks, list(pieces))
        self.assertEqual(self.model.requests, before)


if __name__ == "__main__":
    main()
