"""A client that leaves, or whose time is over, takes its upstream call with it (H6, F6)."""
import socket
import struct
import time

from harness import GrpcCaller, Scenario, main, over_both, slow, wait_until


def request(path, request_id="gone"):
    return (f"POST {path} HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\n"
            f"X-Request-ID: {request_id}\r\nContent-Length: 2\r\n\r\n{{}}").encode()


class Leaving(Scenario):
    upstream = True

    def setUp(self):
        super().setUp()
        wait_until(lambda: self.model.running == 0, 3, "a quiet model")
        self.before = self.model.aborted

    def at_model(self):
        wait_until(lambda: self.model.running == 1, 3, "the call at the model")

    def assert_aborted(self):
        wait_until(lambda: self.model.aborted == self.before + 1, 2, "the abort at the model")
        self.assertEqual(self.model.running, 0)
        self.model.behave("ok")
        self.assert_ok(self.rest("TellJoke", {}))
        self.assert_ok(self.rpc("TellJoke", {}))
        self.before = self.model.aborted

    @staticmethod
    def close(connection, reset):
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def test_rest_unary(self):
        for reset in (False, True):
            with self.subTest(reset=reset):
                self.model.behave("silent")
                connection = self.weir.connect()
                connection.sendall(request("/tell-joke", f"left-{reset}"))
                self.at_model()
                self.close(connection, reset)
                self.assert_aborted()
                line = self.weir.access(f"left-{reset}")
                self.assertEqual((len(line), line[0]["code"]), (1, "CANCELLED"))

    def test_rest_unary_on_a_kept_connection(self):
        connection = self.weir.connect()
        connection.sendall(request("/tell-joke"))
        self.assertIn(b"200 OK", connection.recv(65536))
        self.model.behave("silent")
        connection.sendall(request("/tell-joke"))
        self.at_model()
        self.close(connection, reset=False)
        self.assert_aborted()

    def test_rest_gone_as_soon_as_it_has_asked(self):
        self.model.behave("silent")
        for path in ("/tell-joke", "/tell-story/stream"):
            with self.subTest(path=path):
                connection = self.weir.connect()
                connection.sendall(request(path, f"at-once{len(path)}"))
                self.close(connection, reset=False)
                line = self.weir.access(f"at-once{len(path)}")
                self.assertEqual((len(line), line[0]["code"]), (1, "CANCELLED"))

    def test_rest_stream(self):
        for mode in ("silent", "stall", "slow_stream"):
            for reset in (False, True):
                with self.subTest(mode=mode, reset=reset):
                    self.model.behave(mode, text="word " * 200)
                    connection = self.weir.connect()
                    connection.sendall(request("/tell-story/stream"))
                    if mode != "silent":
                        got = b""
                        while b"chunk" not in got:
                            got += connection.recv(65536)
                    self.at_model()
                    self.close(connection, reset)
                    self.assert_aborted()

    def test_rest_by_curl(self):
        self.model.behave("stall")
        with self.weir.sse("/tell-story/stream") as stream:
            next(iter(stream))
        self.assert_aborted()

    def test_grpc_cancel(self):
        for rpc, mode in (("TellJoke", "silent"), ("TellStory", "silent"),
                          ("TellStory", "stall"), ("TellStory", "slow_stream")):
            with self.subTest(rpc=rpc, mode=mode):
                self.model.behave(mode, text="word " * 200)
                call = self.rpc.start(rpc, request_id="left-rpc")
                if mode != "silent":
                    next(call)
                self.at_model()
                call.cancel()
                self.assert_aborted()
        for line in self.weir.access("left-rpc"):
            self.assertEqual(line["code"], "CANCELLED")

    def test_grpc_connection_gone(self):
        for rpc in ("TellJoke", "TellStory"):
            with self.subTest(rpc=rpc):
                self.model.behave("silent")
                channel = self.weir.new_channel()
                call = GrpcCaller(self.weir, channel).start(rpc)
                self.at_model()
                channel.close()
                self.assert_aborted()
                del call

    def test_grpc_deadline_of_the_client(self):
        for rpc, mode in (("TellJoke", "silent"), ("TellStory", "silent"),
                          ("TellStory", "stall")):
            with self.subTest(rpc=rpc, mode=mode):
                self.model.behave(mode)
                begin = time.monotonic()
                outcome = self.rpc(rpc, {}, seconds=0.5)
                self.assertEqual(outcome.code, "DEADLINE_EXCEEDED")
                self.assertLess(time.monotonic() - begin, slow(2))
                self.assert_aborted()

    def test_many_leave_at_once(self):
        self.model.behave("silent")
        connections = []
        for _ in range(20):
            connection = self.weir.connect()
            connection.sendall(request("/tell-joke"))
            connections.append(connection)
        calls = [self.rpc.start("TellJokeStream") for _ in range(20)]
        wait_until(lambda: self.model.running == 40, 5, "40 calls at the model")
        for connection in connections:
            connection.close()
        for call in calls:
            call.cancel()
        wait_until(lambda: self.model.aborted == self.before + 40, 4, "40 aborts")
        self.assertEqual(self.model.running, 0)


class RequestTimeout(Scenario):
    upstream = True
    settings = {"REQUEST_TIMEOUT": f"{int(slow(1) * 1000)}ms"}

    @over_both
    def test_unary_and_silent_stream(self, call):
        for rpc in ("TellJoke", "TellStory"):
            with self.subTest(rpc=rpc):
                self.model.behave("silent")
                before, begin = self.model.aborted, time.monotonic()
                self.assert_ends(call(rpc, {}), 504, "DEADLINE_EXCEEDED")
                self.assertGreater(time.monotonic() - begin, slow(0.9))
                self.assertLess(time.monotonic() - begin, slow(3))
                wait_until(lambda b=before: self.model.aborted == b + 1, 2, "the abort")
                self.model.behave("ok")
                self.assert_ok(call(rpc, {}))

    @over_both
    def test_a_stream_that_takes_too_long(self, call):
        self.model.behave("slow_stream", gap_s=slow(0.2), text="word " * 50)
        before = self.model.aborted
        outcome = self.assert_ends(call("TellStory", {}), 504, "DEADLINE_EXCEEDED")
        self.assertTrue(outcome.late)
        wait_until(lambda: self.model.aborted == before + 1, 2, "the abort")

    def test_a_longer_deadline_of_the_client_does_not_help(self):
        self.model.behave("silent")
        before, begin = self.model.aborted, time.monotonic()
        self.assertEqual(self.rpc("TellJoke", {}, seconds=60).code, "DEADLINE_EXCEEDED")
        self.assertLess(time.monotonic() - begin, slow(3))
        wait_until(lambda: self.model.aborted == before + 1, 2, "the abort")


if __name__ == "__main__":
    main()
