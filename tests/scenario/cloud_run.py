"""Cloud Run (D2): REST as HTTP/1.1 and gRPC as h2c on one port, the platform's headers, its log
fields and its shutdown."""
import contextlib
import signal
import time
import unittest

import grpc

from fake_upstream import FakeUpstream
from harness import GrpcCaller, RestCaller, Weir, main, slow, wait_until

PLATFORM = {"PORT": "0", "K_SERVICE": "weir", "K_REVISION": "weir-00001-abc",
            "K_CONFIGURATION": "weir", "GOOGLE_CLOUD_PROJECT": "acme-prod",
            # As scripts/deploy/cloud-run.yaml has them.
            "TRUSTED_HOPS": "1", "ADMIN_PORT": "off", "GRPC_GUARD": "off", "SHUTDOWN_GRACE": "8s",
            "LOG_FORMAT": None, "HOST": None}
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OTHER = "105445aa7843bc8bf206b12000100000"
CLOUD = f"{OTHER}/67667974448284343;o=1"
PARENT = f"00-{TRACE}-{SPAN}-01"
NAME = "logging.googleapis.com/"


def headers(parent=PARENT, cloud=CLOUD):
    """What the front end adds to each request."""
    return {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https",
            "Forwarded": 'for="198.51.100.7";proto=https',
            **({"X-Cloud-Trace-Context": cloud} if cloud else {}),
            **({"traceparent": parent} if parent else {})}


class Platform(unittest.TestCase):
    """One instance behind the front end."""

    def setUp(self):
        self.model = FakeUpstream().start()
        self.addCleanup(self.model.stop)

    def instance(self, **settings):
        return Weir({**PLATFORM, "LLM_BASE_URL": self.model.base_url, **settings}, ports=False)

    @staticmethod
    def callers(weir):
        """One HTTP/2 connection for all of gRPC, as the front end has."""
        rest, rpc = RestCaller(weir), GrpcCaller(weir, weir.new_channel(port=weir.port))

        def by_rest(name, request=None, added=None):
            return rest(name, request or {}, headers=[f"{n}: {v}" for n, v in
                                                      (added or headers()).items()])

        def by_rpc(name, request=None, added=None):
            return rpc(name, request or {}, metadata=[(n.lower(), v) for n, v in
                                                      (added or headers()).items()])
        return {"rest": by_rest, "grpc": by_rpc}, rpc.channel

    def test_one_port_for_both_protocols(self):
        with self.instance() as weir:
            self.assertEqual(weir.events("ready")[0]["host"], "0.0.0.0")
            self.assertIn(weir.grpc_port, (0, weir.port))
            calls, channel = self.callers(weir)
            for rpc in ("TellJoke", "TellStory", "ReviewCode"):
                for protocol, call in calls.items():
                    with self.subTest(rpc=rpc, protocol=protocol):
                        outcome = call(rpc)
                        self.assertTrue(outcome.ok, outcome.detail)
                        line = weir.access(outcome.request_id)[0]
                        self.assertEqual((line["protocol"], line["peer"]),
                                         (protocol, "198.51.100.7"))
            # Probes come without the front end's headers, and not over it.
            for path in ("/health/live", "/health/ready"):
                self.assertEqual(weir.curl(path).status, 200)
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            self.assertEqual(check(b"", timeout=10), b"\x08\x01")
            reply = weir.curl("/tell-joke", {}, headers=[f"{n}: {v}" for n, v in
                                                         headers().items()])
            self.assertIn("strict-transport-security", reply.headers)
            channel.close()

    def test_log_lines(self):
        with self.instance(LOG_LEVEL="debug") as weir:
            calls, channel = self.callers(weir)
            for protocol, call in calls.items():
                with self.subTest(protocol=protocol):
                    line = weir.access(call("TellJoke").request_id)[0]
                    self.assertEqual(line["severity"], "INFO")
                    self.assertEqual(line[NAME + "trace"], f"projects/acme-prod/traces/{TRACE}")
                    self.assertEqual(line[NAME + "spanId"], SPAN)
                    self.assertIs(line[NAME + "trace_sampled"], True)
                    line = weir.access(call("TellJoke", added=headers(parent=None)).request_id)[0]
                    self.assertEqual(line[NAME + "trace"], f"projects/acme-prod/traces/{OTHER}")
                    self.assertEqual(line[NAME + "spanId"], SPAN)
                    outcome = call("TranslateText", {"text": "x" * 20000},
                                   headers(parent=PARENT.upper(), cloud="../../etc"))
                    line = weir.access(outcome.request_id)[0]
                    self.assertFalse([key for key in line if "trace" in key], line)
            channel.close()
        for event in weir.events():
            self.assertIn(event["severity"], ("DEBUG", "INFO", "WARNING", "ERROR"))
            self.assertNotIn("level", event)

    def test_no_project(self):
        with self.instance(GOOGLE_CLOUD_PROJECT=None) as weir:
            calls, channel = self.callers(weir)
            for call in calls.values():
                line = weir.access(call("TellJoke").request_id)[0]
                self.assertEqual(line["trace_id"], TRACE)
                self.assertNotIn(NAME + "trace", line)
            channel.close()

    def test_shutdown(self):
        """SIGTERM with a stream of each protocol that would go on for a minute, and idle
        connections of both."""
        self.model.behave("slow_stream", gap_s=1, delay_s=0, text="word " * 60)
        with self.instance() as weir:
            idle, channel = weir.connect(weir.port), weir.new_channel(port=weir.port)
            idle.sendall(b"GET /health/live HTTP/1.1\r\nHost: w\r\n\r\n")
            call = GrpcCaller(weir, channel).start("TellStory", {"topic": "a"})
            busy = weir.connect(weir.port)
            busy.sendall(b"POST /tell-story/stream HTTP/1.1\r\nHost: w\r\nContent-Length: 2\r\n"
                         b"Content-Type: application/json\r\n\r\n{}")
            wait_until(lambda: self.model.running == 2, 5, "two streams")
            begin = time.monotonic()
            weir.signal(signal.SIGTERM)
            self.assertEqual(weir.wait(10), 0)
            self.assertLess(time.monotonic() - begin, slow(10))
            with contextlib.suppress(grpc.RpcError):  # the status comes behind the last piece
                self.assertTrue(list(call))
            self.assertEqual(call.code().name, "UNAVAILABLE")
            for connection in (idle, busy):
                connection.close()
            channel.close()


class Elsewhere(unittest.TestCase):
    def test_levels_and_traces(self):
        with Weir({"GOOGLE_CLOUD_PROJECT": "acme-prod"}) as weir:
            for outcome in (RestCaller(weir)("TellJoke", {}, headers=[f"traceparent: {PARENT}"]),
                            GrpcCaller(weir)("TellJoke", {}, metadata=[("traceparent", PARENT)])):
                line = weir.access(outcome.request_id)[0]
                self.assertEqual((line["level"], line["trace_id"]), ("info", TRACE))
                self.assertNotIn("severity", line)


if __name__ == "__main__":
    main()
