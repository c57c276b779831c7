"""What the texts of requests may hold, and who is blocked for going on (L7)."""
import os

from callers import ask_for as ask
from harness import Scenario, main

URLS = "see http://a.example "
PHONES = "call 555-123-4567 "


class Content(Scenario):
    settings = {"TRUSTED_PROXIES": "127.0.0.1"}

    def refused(self, call, request, forwarded, rpc="PirateChat", field="question"):
        outcome = ask(call, rpc, request, forwarded)
        self.assert_ends(outcome, 422, "INVALID_ARGUMENT", field)
        return outcome

    def test_urls_and_phones(self):
        for i, call in enumerate((self.rest, self.rpc)):
            who = f"198.51.100.{i}"
            self.assert_ok(ask(call, "PirateChat", {"question": URLS * 5}, who))
            self.assert_ok(ask(call, "PirateChat", {"question": PHONES * 3}, who))
            outcome = self.refused(call, {"question": URLS * 6}, who)
            self.assertEqual(outcome.violations["question"],
                             "the text fields may hold 5 URLs at most")
            outcome = self.refused(call, {"question": PHONES * 4}, who)
            self.assertEqual(outcome.violations["question"],
                             "the text fields may hold 3 phone numbers at most")
            # All fields count together; the one that is too much is named.
            self.refused(call, {"name": URLS * 3, "username": URLS * 3}, who, "TellJoke",
                         "username")
            # A field that has to be a URL is none of them.
            self.assert_ok(ask(call, "DescribeImage", {"image_url": "http://a.example/http://b"},
                               who))
        body = self.assert_problem(self.weir.curl("/chat", {"question": URLS * 6}), 422)
        self.assertEqual(body["title"], "Content not accepted")
        self.assertEqual(body["violations"][0]["rule"], "content.urls")

    def test_ten_violations_block_for_a_minute(self):
        for i, call in enumerate((self.rest, self.rpc)):
            who, other = f"203.0.113.{i}", f"203.0.113.{100 + i}"
            for _ in range(10):
                self.refused(call, {"question": URLS * 6}, who)
            for one in (self.rest, self.rpc):  # over both protocols
                outcome = ask(one, forwarded=who)
                self.assert_ends(outcome, 403, "PERMISSION_DENIED")
                self.assertIn(int(outcome.retry_after), range(1, 61))
            self.assert_ok(ask(call, forwarded=other))
            blocked = [e for e in self.weir.events("peer_blocked") if e["peer"] == who]
            self.assertEqual(len(blocked), 1)
        self.assertEqual(self.weir.curl("/health", headers=["X-Forwarded-For: 203.0.113.0"]).status,
                         200)

    def test_bytes_that_are_no_text_are_violations(self):
        who = "203.0.113.50"
        for _ in range(5):
            reply = self.weir.curl("/tell-joke", b'{"name":"\xff\xfe"}',
                                   headers=[f"X-Forwarded-For: {who}"])
            self.assertEqual(reply.status, 400)
            outcome = ask(self.rpc, "TellJoke", b"\x0a\x02\xff\xfe", who)
            self.assertEqual(outcome.code, "INVALID_ARGUMENT")
        for call in (self.rest, self.rpc):
            self.assert_ends(ask(call, forwarded=who), 403, "PERMISSION_DENIED")

    def test_mistakes_are_no_violations(self):
        who = "203.0.113.60"
        for _ in range(12):
            for call in (self.rest, self.rpc):
                self.assert_ends(ask(call, "TellJoke", {"name": "x" * 201}, who), 422,
                                 "INVALID_ARGUMENT", "name")
            self.assertEqual(self.weir.curl("/tell-joke", b"{", headers=[
                f"X-Forwarded-For: {who}"]).status, 400)
        self.assert_ok(ask(self.rest, forwarded=who))


PRAISE = "/weir_test.v1.EverythingService/PraiseStock"
STOCK = "/weir_test.v1.EverythingService/TakeStock"


class LongText(Scenario):
    """Fields without a length of their own."""
    protoset = "WEIR_EVERYTHING_PROTOSET"
    settings = {"CONTENT_BLOCK_THRESHOLD": "32/second"}

    @classmethod
    def setUpClass(cls):
        cls.binary = os.environ["WEIR_EVERYTHING_BINARY"]
        super().setUpClass()

    def test_8192_characters(self):
        for call in (self.rest, self.rpc):
            self.assert_ok(call(PRAISE, {"shop": "é" * 8192}))
            self.assert_ends(call(PRAISE, {"shop": "é" * 8193}), 422, "INVALID_ARGUMENT", "shop")

    def test_texts_at_any_depth(self):
        spam = URLS * 6
        for call in (self.rest, self.rpc):
            for request, path in (
                    ({"items": [{}, {"box": {"width": 1, "labels": ["", spam]}}]},
                     "items[1].box.labels[1]"),
                    ({"shelf": {"top": {"box": {"width": 1, "labels": [spam]}}}},
                     'shelf["top"].box.labels[0]'),
                    ({"counts": {spam: 1}}, None),
                    ({"names": {"3": spam}}, "names"),
                    ({"mail": spam}, "mail")):
                outcome = call(STOCK, request)
                self.assert_ends(outcome, 422, "INVALID_ARGUMENT")
                self.assertEqual(list(outcome.violations.values()),
                                 ["the text fields may hold 5 URLs at most"])
                if path:
                    self.assertEqual(list(outcome.violations), [path])


class Burst(Scenario):
    settings = {"RATE_LIMIT_DEFAULT": "5/hour", "CONTENT_BURST": "20/hour"}

    def test_who_hammers_on_is_blocked(self):
        outcomes = []
        for _ in range(20):
            outcomes += [ask(self.rest), ask(self.rpc)]
        self.assertEqual([o.code for o in outcomes],
                         ["OK"] * 5 + ["RESOURCE_EXHAUSTED"] * 30 + ["PERMISSION_DENIED"] * 5)


if __name__ == "__main__":
    main()
