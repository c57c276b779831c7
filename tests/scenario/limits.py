"""Limits and abuse: rates over both protocols together, client addresses behind proxies, the allow
list, shedding (L1-L5, L8, H10, H11)."""
import concurrent.futures
import re
import time

from callers import ask_for as ask
from harness import Scenario, Weir, both, main, run_once, slow, wait_until


def together(jobs, threads=16):
    """Runs the jobs at the same time; returns what they returned."""
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return [job.result() for job in [pool.submit(job) for job in jobs]]


def spend(call, count, **how):
    return [ask(call, **how) for _ in range(count)]


class OneTable(Scenario):
    # An hour, so that no call comes back while the test runs.
    settings = {"RATE_LIMIT_DEFAULT": "60/hour"}

    def test_sixty_of_both_protocols_together(self):
        outcomes = together([lambda call=call: ask(call)
                             for _ in range(40) for call in (self.rest, self.rpc)])
        passed = [o for o in outcomes if o.ok]
        self.assertEqual(len(passed), 60)
        self.assertEqual({o.protocol for o in passed}, {"rest", "grpc"})
        for outcome in outcomes:
            if outcome.ok:
                continue
            self.assert_ends(outcome, 429, "RESOURCE_EXHAUSTED")
            self.assertEqual(outcome.detail, "Too many requests; try again later.")
            self.assertGreater(int(outcome.retry_after), 0)
            self.assertLessEqual(int(outcome.retry_after), 60)

        # What HTTP says of a refusal.
        reply = self.weir.curl("/tell-joke", {})
        body = self.assert_problem(reply, 429, "RESOURCE_EXHAUSTED")
        self.assertEqual(body["title"], "Rate limit exceeded")
        self.assertEqual(reply.headers["ratelimit-policy"], '"public";q=60;w=3600')
        self.assertEqual(reply.headers["ratelimit"],
                         f'"public";r=0;t={reply.headers["retry-after"]}')
        # And gRPC: RetryInfo, and the same fields as trailing metadata.
        call = self.rpc.start("TellJoke", {})
        outcome = self.rpc.outcome(call)
        self.assertGreater(int(outcome.retry_after), 0)
        metadata = dict(call.trailing_metadata())
        self.assertEqual(metadata["ratelimit-policy"], '"public";q=60;w=3600')
        self.assertRegex(metadata["ratelimit"], r'^"public";r=0;t=\d+$')
        # A stream is refused before it begins, as a plain problem.
        reply = self.weir.curl("/tell-joke/stream", {})
        self.assert_problem(reply, 429, "RESOURCE_EXHAUSTED")

        # Health and the like are for everybody, always.
        for path in ("/health", "/healthz", "/live", "/health/live", "/api/health", "/ready",
                     "/readyz", "/version"):
            for _ in range(3):
                reply = self.weir.curl(path)
                self.assertEqual(reply.status, 200, path)
                self.assertNotIn("ratelimit", reply.headers)
        self.assertEqual(self.weir.curl("/_up").status, 204)
        for _ in range(20):
            self.assert_ok(self.rpc("Health", {}))


class Fields(Scenario):
    settings = {"RATE_LIMIT_DEFAULT": "60/minute", "RATE_LIMIT_HEAVY": "10/minute",
                "TRUSTED_PROXIES": "127.0.0.1"}

    def test_what_successes_tell(self):
        for left in (59, 58):
            headers = ["X-Forwarded-For: 198.51.100.1"]
            reply = self.weir.curl("/tell-joke", {}, headers=headers)
            self.assertEqual(reply.status, 200)
            self.assertEqual(reply.headers["ratelimit-policy"], '"public";q=60;w=60')
            found = re.fullmatch(r'"public";r=(\d+);t=(\d+)', reply.headers["ratelimit"])
            self.assertTrue(found, reply.headers["ratelimit"])
            self.assertIn(int(found[1]), (left, left + 1))
            self.assertNotIn("retry-after", reply.headers)
        call = self.rpc.start("TellJoke", {}, metadata=[("x-forwarded-for", "198.51.100.1")])
        call.result()
        self.assertRegex(dict(call.trailing_metadata())["ratelimit"], r'^"public";r=5[789];t=\d+$')
        call = self.rpc.start("TellStory", {}, metadata=[("x-forwarded-for", "198.51.100.2")])
        list(call)
        metadata = dict(call.trailing_metadata())
        self.assertEqual(metadata["ratelimit-policy"],
                         '"public";q=60;w=60, "heavy";q=10;w=60')
        self.assertEqual(metadata["ratelimit"], '"public";r=59;t=1, "heavy";r=9;t=6')
        with self.weir.sse("/tell-story/stream", headers=["X-Forwarded-For: 198.51.100.3"]) as sse:
            self.assertEqual(sse.head().headers["ratelimit"],
                             '"public";r=59;t=1, "heavy";r=9;t=6')

    def test_calls_come_back(self):
        with Weir({"RATE_LIMIT_DEFAULT": "2/second"}) as weir:
            for call in both(weir):
                wait_until(lambda call=call: not ask(call).ok, 5, "a refusal")
                before = time.monotonic()
                wait_until(lambda call=call: ask(call).ok, 5, "a call that passes")
                self.assertLess(time.monotonic() - before, slow(2))


class Heavy(Scenario):
    settings = {"RATE_LIMIT_DEFAULT": "30/hour", "RATE_LIMIT_HEAVY": "10/hour"}

    def test_heavy_flows_have_a_limit_of_their_own(self):
        outcomes = together([lambda call=call: ask(call, rpc)
                             for rpc in ("ReviewCode", "GenerateCode")
                             for _ in range(4) for call in (self.rest, self.rpc)])
        self.assertEqual(sum(o.ok for o in outcomes), 10)
        for call in (self.rest, self.rpc):
            for rpc in ("ReviewCode", "GenerateCode", "TellStory", "DescribeImage"):
                self.assert_ends(ask(call, rpc), 429, "RESOURCE_EXHAUSTED")
        # What was refused as heavy has cost no ordinary calls: 30 less the 10 that passed.
        self.assertEqual([o.ok for o in spend(self.rest, 21)], [True] * 20 + [False])


class Defaults(Scenario):
    settings = {name: None for name in ("RATE_LIMIT_DEFAULT", "RATE_LIMIT_HEAVY",
                                        "RATE_LIMIT_AUTHENTICATED", "RATE_LIMIT_API_KEY")}

    def test_defaults_limit(self):
        before = time.monotonic()
        outcomes = together([lambda call=call: ask(call)
                             for _ in range(45) for call in (self.rest, self.rpc)])
        passed = sum(o.ok for o in outcomes)
        self.assertGreaterEqual(passed, 60)
        self.assertLessEqual(passed, 60 + int(time.monotonic() - before) + 1)
        output = run_once("--check-config", settings={"AUTH_MODE": "none",
                                                      "LLM_PROVIDER": "offline"}).stdout
        for line in ("RATE_LIMIT_ENABLED=true", "RATE_LIMIT_DEFAULT=60/minute",
                     "RATE_LIMIT_AUTHENTICATED=600/minute", "RATE_LIMIT_API_KEY=10/second",
                     "RATE_LIMIT_HEAVY=10/minute", "MAX_CONCURRENT_FLOWS=2000",
                     "CONTENT_MAX_URLS=5", "CONTENT_MAX_PHONES=3",
                     "CONTENT_BLOCK_THRESHOLD=10/minute", "TRUSTED_PROXIES=", "TRUSTED_HOPS=0",
                     "IP_ALLOWLIST="):
            self.assertIn(line + "  # default", output)


class Off(Scenario):
    settings = {"RATE_LIMIT_DEFAULT": "1/hour", "RATE_LIMIT_ENABLED": "false"}

    def test_switched_off(self):
        for call in (self.rest, self.rpc):
            self.assertTrue(all(o.ok for o in spend(call, 5)))
        self.assertNotIn("ratelimit", self.weir.curl("/tell-joke", {}).headers)
        self.assertTrue(self.weir.events("callers_not_limited"))
        # The other layers stay on.
        self.assert_ends(ask(self.rest, "PirateChat", {"question": "http://a " * 6}), 422,
                         "INVALID_ARGUMENT")


class NoProxy(Scenario):
    settings = {"RATE_LIMIT_DEFAULT": "4/hour"}

    def test_a_forged_header_changes_nothing(self):
        outcomes = []
        for i in range(5):
            for call in (self.rest, self.rpc):
                outcomes.append(ask(call, forwarded=f"198.51.100.{i}", request_id=f"forged-{i}"))
        self.assertEqual(sum(o.ok for o in outcomes), 4)
        for line in self.weir.access("forged-0"):
            self.assertEqual(line["peer"], "127.0.0.1")


class Proxies(Scenario):
    settings = {"RATE_LIMIT_DEFAULT": "4/hour", "TRUSTED_PROXIES": "10.0.0.0/8, 127.0.0.1"}

    def passed(self, *forwardeds):
        """How many of 5 calls of each protocol pass, whose headers are by turns these."""
        outcomes = []
        for i in range(5):
            for j, call in enumerate((self.rest, self.rpc)):
                outcomes.append(ask(call, forwarded=forwardeds[(2 * i + j) % len(forwardeds)]))
        return sum(o.ok for o in outcomes)

    def test_the_client_is_who_the_proxy_names(self):
        self.assertEqual(self.passed("198.51.100.1"), 4)
        self.assertEqual(self.passed("198.51.100.2"), 4)  # another one's calls are his own

    def test_what_stands_left_of_the_client_is_his_invention(self):
        self.assertEqual(self.passed("1.1.1.1, 198.51.100.3", "2.2.2.2, 198.51.100.3",
                                     "nonsense, 198.51.100.3", ",198.51.100.3",
                                     ["3.3.3.3", "198.51.100.3"],
                                     "4.4.4.4, 198.51.100.3, 10.1.1.1"), 4)

    def test_an_ipv6_network_is_one_peer(self):
        self.assertEqual(self.passed("2001:db8:1:1::1", "2001:db8:1:1:ffff::2",
                                     "[2001:db8:1:1::3]:443"), 4)
        self.assertEqual(self.passed("2001:db8:1:2::1"), 4)

    def test_the_same_address_in_two_spellings(self):
        self.assertEqual(self.passed("203.0.113.77", "::ffff:203.0.113.77", "203.0.113.77:99"), 4)

    def test_what_cannot_be_read_is_the_proxy_s(self):
        self.assertEqual(self.passed("198.51.100.9, nonsense", "198.51.100.10,", "unknown",
                                     "198.51.100.11 198.51.100.12", ""), 4)

    def test_the_access_line_names_the_client(self):
        for call in (self.rest, self.rpc):
            ask(call, forwarded="1.1.1.1, 203.0.113.9", request_id=f"peer-{call.protocol}")
            line = self.weir.access(f"peer-{call.protocol}")[0]
            self.assertEqual(line["peer"], "203.0.113.9")
        self.weir.curl("/nowhere", headers=["X-Forwarded-For: 203.0.113.9",
                                            "X-Request-ID: peer-nowhere"])
        self.assertEqual(self.weir.access("peer-nowhere")[0]["peer"], "203.0.113.9")


class Hops(Scenario):
    settings = {"RATE_LIMIT_DEFAULT": "1000/second", "TRUSTED_HOPS": "2"}

    def test_counted_from_the_right(self):
        for i, (forwarded, peer) in enumerate((
                ("198.51.100.1, 203.0.113.1", "198.51.100.1"),
                ("6.6.6.6, 198.51.100.1, 203.0.113.1", "198.51.100.1"),
                (["6.6.6.6", "198.51.100.1", "203.0.113.1"], "198.51.100.1"),
                ("203.0.113.1", "127.0.0.1"),
                ("198.51.100.1, nonsense", "127.0.0.1"),
                (None, "127.0.0.1"))):
            for call in (self.rest, self.rpc):
                name = f"hops-{i}-{call.protocol}"
                self.assert_ok(ask(call, forwarded=forwarded, request_id=name))
                self.assertEqual(self.weir.access(name)[0]["peer"], peer, forwarded)


class AllowList(Scenario):
    settings = {"IP_ALLOWLIST": "192.0.2.0/24, 2001:db8::/32", "TRUSTED_PROXIES": "127.0.0.1"}

    def test_only_the_listed_are_served(self):
        for call in (self.rest, self.rpc):
            for forwarded in ("192.0.2.7", "2001:db8::1", "6.6.6.6, 192.0.2.7"):
                self.assert_ok(ask(call, forwarded=forwarded))
            for forwarded in ("192.0.3.7", "2001:db9::1", "192.0.2.7, 6.6.6.6", None):
                outcome = ask(call, forwarded=forwarded)
                self.assert_ends(outcome, 403, "PERMISSION_DENIED")
                self.assertIsNone(outcome.retry_after)
            self.assert_ends(ask(call, "TellStory", forwarded="6.6.6.6"), 403, "PERMISSION_DENIED")
            self.assert_ok(call("Health", {}) if call is self.rpc else
                           ask(call, forwarded="192.0.2.8"))
        self.assert_problem(self.weir.curl("/tell-joke", {}), 403, "PERMISSION_DENIED")
        # Nor does he learn what there is.
        self.assert_problem(self.weir.curl("/nowhere"), 403, "PERMISSION_DENIED")
        self.assertEqual(self.weir.curl("/health").status, 200)
        self.assertEqual(self.weir.curl("/ready").status, 200)


class Shedding(Scenario):
    settings = {"MAX_CONCURRENT_FLOWS": "4", "CB_ENABLED": "false", "CONTENT_MAX_URLS": "1",
                "CONTENT_BLOCK_THRESHOLD": "32/second"}
    upstream = True

    def test_what_is_too_much_is_turned_away_at_once(self):
        self.model.behave("slow", delay_s=slow(2.0))
        held = [self.rpc.start("TellJoke", {}) for _ in range(2)]
        pool = concurrent.futures.ThreadPoolExecutor(2)
        held_rest = [pool.submit(self.rest, "TellJoke", {}) for _ in range(2)]
        wait_until(lambda: self.model.running == 4, 10, "four calls of the model")
        for call in (self.rest, self.rpc):
            before = time.monotonic()
            outcome = call("TellJoke", {})
            self.assertLess(time.monotonic() - before, slow(1))
            self.assert_ends(outcome, 503, "UNAVAILABLE")
            self.assertEqual(outcome.retry_after, "1")
        self.assertEqual(self.weir.curl("/health").status, 200)
        self.assertEqual(self.weir.curl("/ready").status, 200)
        self.assert_ok(self.rpc("Health", {}))
        for call in held:
            call.result()
        for job in held_rest:
            self.assert_ok(job.result())
        self.assertEqual(self.model.most_running, 4)
        pool.shutdown()

    def test_every_way_out_gives_the_place_back(self):
        """More of each ending than there are places, then all places are still there."""
        self.model.behave("silent")
        for _ in range(6):  # clients that leave
            call = self.rpc.start("TellStory", {})
            wait_until(lambda: self.model.running > 0, 10, "a call of the model")
            call.cancel()
            with self.weir.sse("/tell-story/stream") as stream:
                wait_until(lambda: self.model.running > 0, 10, "a call of the model")
                stream.close()
            wait_until(lambda: self.model.running == 0, 10, "the calls to be given up")
        for how in ({"mode": "ok"}, {"mode": "reset"}, {"mode": "garbage"},
                    {"mode": "status", "status": 429}, {"mode": "cut"}):
            self.model.behave(**how)
            for _ in range(6):
                for call in (self.rest, self.rpc):
                    for rpc, request in (("TellJoke", {}), ("TellStory", {}),
                                         ("TellJoke", {"name": "x" * 201}),
                                         ("TellJoke", {"name": "http://a http://b"})):
                        self.assertNotEqual(call(rpc, request).detail,
                                            "The service takes no more requests at the moment.")
                if how["mode"] != "ok":
                    break
        self.model.behave("ok")
        for call in (self.rest, self.rpc):
            outcomes = together([lambda call=call: call("TellJoke", {})] * 4, 4)
            self.assertTrue(all(o.ok for o in outcomes), outcomes)


class Settings(Scenario):
    def test_bad_values_name_the_setting(self):
        base = {"AUTH_MODE": "none", "LLM_PROVIDER": "offline"}
        for name, value in (("RATE_LIMIT_DEFAULT", "60"), ("RATE_LIMIT_DEFAULT", "60/day"),
                            ("RATE_LIMIT_DEFAULT", "0/minute"), ("RATE_LIMIT_HEAVY", "-1/minute"),
                            ("RATE_LIMIT_AUTHENTICATED", "many"), ("RATE_LIMIT_API_KEY", "1/s"),
                            ("RATE_LIMIT_ENABLED", "maybe"), ("MAX_CONCURRENT_FLOWS", "0"),
                            ("CONTENT_MAX_URLS", "-1"), ("CONTENT_MAX_PHONES", "x"),
                            ("CONTENT_BLOCK_THRESHOLD", "33/minute"), ("CONTENT_BURST", "x"),
                            ("TRUSTED_PROXIES", "10.0.0.0/33"), ("TRUSTED_PROXIES", "*"),
                            ("TRUSTED_HOPS", "17"), ("IP_ALLOWLIST", "10.0.0.1, example.com")):
            with self.subTest(name=name, value=value):
                done = run_once("--port", "0", "--grpc-port", "0", settings={**base, name: value})
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(name, done.stderr)
        done = run_once("--port", "0", "--grpc-port", "0", settings={
            **base, "TRUSTED_HOPS": "1", "TRUSTED_PROXIES": "10.0.0.1"})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("TRUSTED_HOPS", done.stderr)
        done = run_once("--port", "0", "--grpc-port", "0", settings={
            **base, "IP_ALLOWLIST": "10.0.0.1, example.com"})
        self.assertIn('not "example.com"', done.stderr)


if __name__ == "__main__":
    main()
