"""SIGTERM: what is in flight ends well on both protocols, then weir ends with 0."""
import contextlib
import signal
import socket
import threading
import time
import unittest

import grpc

from harness import (FakeUpstream, GrpcCaller, Weir, both, exchange, main, slow, wait_until)


class Shutdown(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = FakeUpstream().start()

    @classmethod
    def tearDownClass(cls):
        cls.model.stop()

    def setUp(self):
        self.model.behave("ok")

    def weir(self, **settings):
        return Weir({"LLM_BASE_URL": self.model.base_url, **settings})

    def in_flight(self, weir, rpcs):
        """Starts the calls over both protocols in threads; results fill the list."""
        before, results, threads = self.model.running, [], []
        for rpc in rpcs:
            for call in both(weir):
                # Not the same story, which would be told once for both.
                request = {"topic": call.protocol} if rpc == "TellStory" else {}
                thread = threading.Thread(
                    target=lambda c=call, r=rpc, q=request: results.append(c(r, q)))
                thread.start()
                threads.append(thread)
        wait_until(lambda: self.model.running == before + len(threads), 5, "calls at the model")
        return results, threads

    def test_idle(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number.name), self.weir() as weir:
                for call in both(weir):
                    call("TellJoke", {})
                begin = time.monotonic()
                weir.signal(number)
                self.assertEqual(weir.wait(5), 0)
                self.assertLess(time.monotonic() - begin, slow(4))

    def test_requests_and_streams_in_flight_finish(self):
        self.model.behave("slow_stream", gap_s=slow(0.2), delay_s=slow(0.3),
                          text="one two three four five six")
        with self.weir() as weir:
            results, threads = self.in_flight(weir, ["TellJoke", "TellStory", "TellJokeStream"])
            port = weir.port
            weir.signal()
            time.sleep(0.2)
            with self.assertRaises(OSError):  # the listener is closed
                with socket.create_connection(("127.0.0.1", port), 1) as late:
                    late.sendall(b"GET /health HTTP/1.1\r\nHost: weir\r\n\r\n")
                    if late.recv(100) == b"":
                        raise ConnectionResetError("closed without an answer")
            for thread in threads:
                thread.join(slow(10))
            self.assertEqual(len(results), 6)
            for outcome in results:
                self.assertTrue(outcome.ok, outcome)
                if outcome.chunks:
                    self.assertEqual(outcome.text, "one two three four five six")
            self.assertEqual(weir.wait(5), 0)
        self.assertEqual(self.model.running, 0)

    def test_idle_connections_do_not_hold_it(self):
        with self.weir() as weir, contextlib.ExitStack() as stack:
            for port in (weir.port, weir.grpc_port):
                stack.enter_context(weir.connect(port))
            kept = stack.enter_context(weir.connect())
            kept.sendall(b"GET /health HTTP/1.1\r\nHost: weir\r\n\r\n")
            self.assertIn(b" 200 ", kept.recv(65536))
            half = stack.enter_context(weir.connect())
            half.sendall(b"POST /tell-joke HTTP/1.1\r\nHo")
            both(weir)[1]("TellJoke", {})
            begin = time.monotonic()
            weir.signal()
            self.assertEqual(weir.wait(8), 0)
            self.assertLess(time.monotonic() - begin, slow(4))

    def test_what_takes_longer_than_the_grace_is_ended(self):
        self.model.behave("silent")
        before = self.model.aborted
        with self.weir(SHUTDOWN_GRACE="1s") as weir:
            results, threads = self.in_flight_tolerant(weir)
            begin = time.monotonic()
            weir.signal()
            self.assertEqual(weir.wait(8), 0)
            self.assertGreater(time.monotonic() - begin, 0.8)
            self.assertLess(time.monotonic() - begin, 1 + slow(3))
            for thread in threads:
                thread.join(slow(5))
            for protocol, result in results:
                if protocol == "grpc":
                    self.assertIn(result, ("UNAVAILABLE", "CANCELLED"))
                else:
                    self.assertNotIn(b" 200 ", result)
        wait_until(lambda: self.model.aborted == before + 2, 2, "the aborts at the model")

    def in_flight_tolerant(self, weir):
        results = []

        def by_socket():
            with weir.connect(seconds=15) as connection:
                results.append(("rest", exchange(
                    connection, b"POST /tell-joke HTTP/1.1\r\nHost: weir\r\nContent-Type: "
                    b"application/json\r\nContent-Length: 2\r\n\r\n{}")))

        def by_grpc():
            results.append(("grpc", GrpcCaller(weir)("TellStory", {}).code))

        running = self.model.running
        threads = [threading.Thread(target=by_socket), threading.Thread(target=by_grpc)]
        for thread in threads:
            thread.start()
        wait_until(lambda: self.model.running == running + 2, 5, "calls at the model")
        return results, threads

    def test_second_signal_ends_at_once(self):
        self.model.behave("silent")
        with self.weir() as weir:
            _, threads = self.in_flight_tolerant(weir)
            weir.signal()
            time.sleep(0.3)
            self.assertTrue(weir.alive())
            begin = time.monotonic()
            weir.signal()
            weir.stop(1)  # not 0: what was in flight is lost
            self.assertLess(time.monotonic() - begin, slow(1.5))
            for thread in threads:
                thread.join(slow(5))
            self.assertEqual(len(weir.events("stopped_at_once")), 1)
        # The next test counts what is aborted in it.
        wait_until(lambda: self.model.running == 0, 5, "the end of the calls at the model")
        self.model.behave("ok")

    def test_grpc_clients_are_told_to_go(self):
        with self.weir() as weir:
            channel = weir.new_channel()
            self.assertTrue(GrpcCaller(weir, channel)("TellJoke", {}).ok)
            states = []
            channel.subscribe(states.append)
            weir.signal()
            self.assertEqual(weir.wait(5), 0)
            wait_until(lambda: states and states[-1] != grpc.ChannelConnectivity.READY, 3,
                       "the end of the channel")
            channel.close()

    def test_logs_say_how_it_ended(self):
        with self.weir() as weir:
            weir.signal()
            self.assertEqual(weir.wait(5), 0)
            names = [e["event"] for e in weir.events()]
            self.assertGreater(len(names), names.index("ready") + 1, names)


class KeepAlive(unittest.TestCase):
    def test_idle_connections_are_closed_after_their_time(self):
        with Weir({"KEEP_ALIVE_TIMEOUT": "1s"}) as weir:
            with weir.connect(seconds=10) as connection:
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: weir\r\n\r\n")
                self.assertIn(b" 200 ", connection.recv(65536))
                begin = time.monotonic()
                self.assertEqual(connection.recv(1), b"")
                self.assertGreater(time.monotonic() - begin, 0.5)
                self.assertLess(time.monotonic() - begin, slow(4))


if __name__ == "__main__":
    main()
