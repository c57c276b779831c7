"""What a scenario needs, in one import: the real weir, its clients, the fake model, test cases.

curl speaks REST and server-sent events; grpcio speaks gRPC, with messages that are built at run
time from the descriptor sets of the build, so that no generated code stands between. Raw sockets
send what no decent client would. Every wait is bounded; WEIR_TEST_SLOWNESS stretches the bounds.

Environment (tests/scenario/CMakeLists.txt sets it): WEIR_BINARY and WEIR_PROTOSET, the same with
EVERYTHING_ for the larger test contract, WEIR_CLIENT_PROTOSET (google.rpc, grpc.health),
WEIR_SANITIZER, and WEIR_RELEASE_BINARY where a release build is at hand.
"""
import functools
import os
import sys
import unittest

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # tests start programs while channels live

from fake_upstream import FakeUpstream
from grpc_client import GrpcCaller
from messages import messages
from outcome import Outcome
from rest_client import CurlFailed, Reply, RestCaller
from waiting import slow, wait_until
from weir_process import BINARY, Weir, exchange, run_once

__all__ = ["BINARY", "CurlFailed", "FakeUpstream", "GrpcCaller", "Outcome", "Reply", "RestCaller",
           "SANITIZER", "Scenario", "Weir", "both", "exchange", "main", "messages",
           "over_both", "run_once", "slow", "wait_until"]

SANITIZER = os.environ.get("WEIR_SANITIZER", "")


def over_both(test):
    """A test method that takes a caller: runs it over REST and over gRPC, a subtest each."""
    @functools.wraps(test)
    def run(self):
        for call in (self.rest, self.rpc):
            with self.subTest(protocol=call.protocol):
                test(self, call)
    return run


def both(weir):
    return RestCaller(weir), GrpcCaller(weir)


class Scenario(unittest.TestCase):
    """A test case over one weir that all its tests share; `settings` and the like may be
    overridden. With `upstream = True`, weir asks a fake model server."""
    settings = {}
    flags = ()
    files = {}
    debug = False
    upstream = False
    protoset = "WEIR_PROTOSET"
    binary = None

    @classmethod
    def setUpClass(cls):
        settings = dict(cls.settings)
        cls.model = None
        if cls.upstream:
            cls.model = FakeUpstream().start()
            settings = {"LLM_BASE_URL": cls.model.base_url, **settings}
        try:
            cls.weir = Weir(settings, flags=cls.flags, files=cls.files, protoset=cls.protoset,
                            binary=cls.binary, debug=cls.debug)
        except BaseException:
            if cls.model:
                cls.model.stop()
            raise
        cls.rest, cls.rpc = both(cls.weir)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.weir.stop()
        finally:
            if cls.model:
                cls.model.stop()

    def setUp(self):
        if self.model:
            self.model.behave("ok")
        self.assertTrue(self.weir.alive(), "weir is gone")

    def assert_ok(self, outcome):
        self.assertTrue(outcome.ok, f"{outcome.protocol}: {outcome.code} {outcome.http} "
                                    f"{outcome.detail} {outcome.violations}")
        return outcome

    def assert_ends(self, outcome, http, code, *paths):
        """The call failed with this HTTP status or gRPC code, and names these fields."""
        self.assertFalse(outcome.ok, f"{outcome.protocol} answered {outcome.answer}")
        self.assertEqual(outcome.code, code, outcome.detail)
        if outcome.http is not None:
            self.assertEqual(outcome.http, http)
        if paths:
            self.assertEqual(sorted(outcome.violations), sorted(paths))
        return outcome

    def assert_problem(self, reply, status, code=None):
        """An H8 body and its headers; returns the body."""
        self.assertEqual(reply.status, status, reply.body[:300])
        self.assertTrue(reply.is_problem, reply.headers)
        body = reply.json
        for member in ("type", "title", "status", "detail", "instance", "code", "error",
                       "request_id"):
            self.assertIn(member, body)
        self.assertEqual(body["status"], status)
        self.assertEqual(body["error"], body["title"])
        if "x-request-id" in reply.headers:
            self.assertEqual(body["request_id"], reply.headers["x-request-id"])
        if code:
            self.assertEqual(body["code"], code)
        return body


def main():
    """Unbuffered names of the tests, then unittest's summary."""
    sys.stdout.reconfigure(line_buffering=True)
    unittest.main(verbosity=2)
