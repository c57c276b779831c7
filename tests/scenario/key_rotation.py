"""The keys that tokens are verified with, from a server: at the start, on an unknown id, while the
server is away, and while requests wait for them (I2)."""
import signal
import time
import unittest

from callers import ask, bearer
from fake_keys import FakeKeys
from harness import Weir, both, main, wait_until
from tokens import REQUIRED, Key


class Rotation(unittest.TestCase):
    def setUp(self):
        self.server = FakeKeys()
        self.addCleanup(self.server.close)
        self.old, self.new, self.other = Key(kid="old"), Key("EC", kid="new"), Key()
        for key in (self.old, self.new, self.other):
            self.addCleanup(key.close)
        self.settings = {**REQUIRED, "JWT_ALGORITHMS": "RS256,ES256"}

    def start(self, name="JWT_JWKS_URL", **more):
        return Weir({**self.settings, name: self.server.url, **more})

    @staticmethod
    def ready(weir):
        wait_until(lambda: weir.curl("/ready").status == 200, 15, "readiness")

    def test_rotation(self):
        self.server.hold(self.old)
        with self.start() as weir:
            self.ready(weir)
            rest, rpc = both(weir)
            self.assertTrue(ask(rest, bearer(self.old.token())).ok)
            self.assertFalse(ask(rest, bearer(self.other.token(header={"alg": "RS256"}))).ok)
            self.assertEqual(self.server.asked, 1)  # no key id: no reason to ask
            self.server.hold(self.old, self.new)
            # The very request that brings the new key id is answered, not only the next.
            self.assertTrue(ask(rest, bearer(self.new.token())).ok)
            self.assertEqual(self.server.asked, 2)
            self.assertTrue(ask(rpc, bearer(self.new.token())).ok)
            self.assertTrue(ask(rpc, bearer(self.old.token())).ok)
            # Made-up key ids bring no second fetch so soon, and no wait.
            for i in range(20):
                header = {"alg": "RS256", "kid": f"made-up-{i}"}
                outcome = ask(both(weir)[i % 2], bearer(self.other.token(header=header)))
                self.assertEqual(outcome.code, "UNAUTHENTICATED")
            self.assertEqual(self.server.asked, 2)
            # A key that is withdrawn is gone, also for tokens that are remembered.
            self.server.hold(self.new)
            weir.signal(signal.SIGHUP)
            token = self.old.token()
            wait_until(lambda: not ask(rest, bearer(token)).ok, 10, "the old key's end")
            self.assertTrue(ask(rpc, bearer(self.new.token())).ok)
            # While the server is away the last good keys stay.
            for self.server.status, self.server.document in (
                    (500, {}), (200, b"<html>"), (200, {"keys": []}), (200, b"x" * 300000),
                    (302, {})):
                before = len(weir.events("token_keys_not_fetched"))
                weir.signal(signal.SIGHUP)
                wait_until(lambda: len(weir.events("token_keys_not_fetched")) > before, 10,
                           "the complaint")
                self.assertTrue(ask(rest, bearer(self.new.token())).ok)
            self.assertEqual(weir.curl("/ready").status, 200)

    def test_many_wait_for_one_fetch(self):
        self.server.hold(self.old)
        with self.start() as weir:
            self.ready(weir)
            self.server.hold(self.new)
            self.server.delay = 1
            rpc = both(weir)[1]
            token = self.new.token()
            calls = [rpc.start("TellJoke", {}, metadata=[("authorization", f"Bearer {token}")])
                     for _ in range(20)]
            left = rpc.start("TellJoke", {}, metadata=[("authorization", f"Bearer {token}")])
            time.sleep(0.2)
            left.cancel()
            for call in calls:
                call.result()
            self.assertEqual(self.server.asked, 2)

    def test_a_stop_while_requests_wait(self):
        self.server.hold(self.old)
        with self.start() as weir:
            self.ready(weir)
            self.server.delay = 3
            rpc = both(weir)[1]
            call = rpc.start("TellJoke", {},
                             metadata=[("authorization", f"Bearer {self.new.token()}")])
            wait_until(lambda: self.server.asked == 2, 5, "the fetch")
            weir.signal()
            self.assertEqual(rpc.outcome(call).code, "UNAUTHENTICATED")
            self.assertEqual(weir.wait(), 0)

    def test_registry(self):
        self.server.document = {"public_key": self.old.public_pem}
        with self.start("JWT_PUBLIC_KEY_URL") as weir:
            self.ready(weir)
            for call in both(weir):
                self.assertTrue(ask(call, bearer(self.old.token())).ok)
            # The keys have no ids: a signature that is not good is the sign of a new one.
            self.server.document = {"public_key": self.new.public_pem}
            rest, rpc = both(weir)
            self.assertTrue(ask(rest, bearer(self.new.token())).ok)
            self.assertEqual(self.server.asked, 2)
            self.assertFalse(ask(rest, bearer(self.old.token())).ok)
            for call in (rest, rpc, rest):
                self.assertEqual(ask(call, bearer(self.other.token())).code, "UNAUTHENTICATED")
            self.assertEqual(self.server.asked, 2)

    def test_no_keys_yet(self):
        self.server.status = 503
        with self.start() as weir:
            reply = weir.curl("/ready")
            self.assertEqual(reply.status, 503)
            self.assertIn("no_key_set", str(reply.json["reasons"]))
            self.assertEqual(weir.curl("/health").status, 200)
            for call in both(weir):
                outcome = ask(call, bearer(self.old.token()))
                self.assertEqual(outcome.code, "UNAVAILABLE")
                self.assertEqual(outcome.retry_after, "5")
                self.assertEqual(ask(call).code, "UNAUTHENTICATED")
            self.server.hold(self.old)
            self.server.status = 200
            self.ready(weir)
            for call in both(weir):
                self.assertTrue(ask(call, bearer(self.old.token())).ok)


if __name__ == "__main__":
    main()
