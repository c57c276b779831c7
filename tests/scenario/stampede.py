"""Single flight (C3, C5): however many ask the same at a time, over whichever protocol, the model is
asked once; any of them may leave; the last to leave takes the upstream call with it."""
import socket
import threading
import time
import unittest

import grpc

from harness import (FakeUpstream, GrpcCaller, Scenario, Weir, both, exchange, main, over_both, slow,
                     wait_until)

CROWD = 300


def rest_request(path, body, request_id):
    return (f"POST {path} HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\n"
            f"X-Request-ID: {request_id}\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


class Flight(Scenario):
    upstream = True
    settings = {"LLM_RETRIES": "0", "CB_ENABLED": "false"}  # a call is one request to the model

    def setUp(self):
        super().setUp()
        wait_until(lambda: self.model.running == 0, 3, "a quiet model")
        self.count_anew()

    def count_anew(self):
        self.before = self.model.requests, self.model.aborted

    @property
    def asked(self):
        return self.model.requests - self.before[0]

    @property
    def aborted(self):
        return self.model.aborted - self.before[1]

    def at_model(self):
        wait_until(lambda: self.model.running == 1, 3, "the call at the model")

    def connect(self, path, body, request_id="-"):
        connection = self.weir.connect(seconds=30)
        connection.sendall(rest_request(path, body, request_id))
        return connection


class Stampede(Flight):
    def test_a_crowd_over_both_protocols_makes_one_call(self):
        self.model.behave("slow", delay_s=slow(1))
        body = '{"text":"crowd"}'
        sockets, calls = [], []
        channels = [self.weir.new_channel() for _ in range(4)]
        for i in range(CROWD // 2):
            sockets.append(self.connect("/translate", body, f"crowd-rest-{i}"))
            calls.append(GrpcCaller(self.weir, channels[i % 4])
                         .start("TranslateText", {"text": "crowd"}, request_id=f"crowd-rpc-{i}"))
        answers = {exchange(s, b"").partition(b"\r\n\r\n")[2] for s in sockets}
        for connection in sockets:
            connection.close()
        self.assertEqual(len(answers), 1)
        self.assertIn(b"translated_text", answers.pop())
        self.assertEqual(len({call.result().SerializeToString() for call in calls}), 1)
        self.assertEqual(self.asked, 1)
        states = [self.weir.access(f"crowd-{p}-{i}")[0]["cache"]
                  for p in ("rest", "rpc") for i in range(CROWD // 2)]
        self.assertEqual(states.count("miss"), 1)
        self.assertGreater(states.count("join"), CROWD // 2)
        self.assertEqual(set(states) - {"hit"}, {"miss", "join"})
        for channel in channels:
            channel.close()

    def test_the_leader_leaves_and_the_others_have_their_answer(self):
        for leader_is_rest in (True, False):
            with self.subTest(leader="rest" if leader_is_rest else "grpc"):
                self.count_anew()
                self.model.behave("slow", delay_s=slow(0.6))
                word = f"leader-{leader_is_rest}"
                body = f'{{"text":"{word}"}}'
                if leader_is_rest:
                    leader = self.connect("/translate", body)
                else:
                    leader = self.rpc.start("TranslateText", {"text": word})
                self.at_model()
                other = self.connect("/translate", body)
                calls = [self.rpc.start("TranslateText", {"text": word}) for _ in range(5)]
                time.sleep(slow(0.1))
                if leader_is_rest:
                    leader.close()
                else:
                    leader.cancel()
                for call in calls:
                    self.assertEqual(call.result().original_text, word)
                self.assertIn(b"200 OK", exchange(other, b""))
                other.close()
                self.assertEqual((self.asked, self.aborted), (1, 0))

    def test_all_leave_and_the_upstream_call_is_aborted(self):
        for rpc, path in (("TranslateText", "/translate"), ("TellStory",
                                                                 "/tell-story/stream")):
            with self.subTest(rpc=rpc):
                self.count_anew()
                self.model.behave("silent")
                sockets = [self.connect(path, "{}") for _ in range(5)]
                calls = [self.rpc.start(rpc) for _ in range(5)]
                self.at_model()
                time.sleep(slow(0.2))
                for connection in sockets:
                    connection.close()
                for call in calls[1:]:
                    call.cancel()
                time.sleep(slow(0.2))
                self.assertEqual(self.aborted, 0, "one still waits")
                calls[0].cancel()
                wait_until(lambda: self.aborted == 1, 2, "the abort at the model")
                self.assertEqual((self.asked, self.model.running), (1, 0))
                self.model.behave("ok")
                self.assert_ok(self.rest(rpc, {}))

    def test_an_error_reaches_all_once_and_the_next_asks_again(self):
        self.model.behave("status", status=500, delay_s=slow(0.6))
        body = '{"text":"fails"}'
        sockets = [self.connect("/translate", body) for _ in range(10)]
        calls = [self.rpc.start("TranslateText", {"text": "fails"}) for _ in range(10)]
        for connection in sockets:
            self.assertIn(b"HTTP/1.1 502", exchange(connection, b""))
            connection.close()
        for call in calls:
            self.assertEqual(call.exception().code(), grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(self.asked, 1)
        self.model.behave("ok")
        self.assert_ok(self.rest("TranslateText", {"text": "fails"}))
        self.assertEqual(self.asked, 2)

    def test_a_waiter_keeps_its_own_deadline(self):
        self.model.behave("slow", delay_s=slow(1))
        patient = self.rpc.start("TranslateText", {"text": "patience"})
        self.at_model()
        begin = time.monotonic()
        hasty = self.rpc("TranslateText", {"text": "patience"}, seconds=0.2)
        self.assertEqual(hasty.code, "DEADLINE_EXCEEDED")
        self.assertLess(time.monotonic() - begin, slow(0.8))
        self.assertEqual(patient.result().original_text, "patience")
        self.assertEqual((self.asked, self.aborted), (1, 0))


class Stories(Flight):
    """TellStory is `share`: told once to all who ask while it is told."""

    @over_both
    def test_a_late_joiner_gets_the_prefix_at_once_and_then_follows(self, call):
        self.count_anew()
        gap = slow(0.25)
        words = "one two three four five six seven eight"
        self.model.behave("slow_stream", gap_s=gap, text=words)
        topic = {"topic": f"late {call.protocol}"}
        first = self.rpc.start("TellStory", topic)
        for _ in range(4):
            next(first)
        begin = time.monotonic()
        late = self.assert_ok(call("TellStory", topic, request_id=f"late-{call.protocol}"))
        self.assertEqual(late.text, words)
        prefix = [t for t in late.times if t - begin < gap * 0.9]
        self.assertGreaterEqual(len(prefix), 4, "the prefix comes at once")
        self.assertGreater(late.times[-1] - late.times[0], gap * 1.5, "then live")
        rest_of_first = "".join(p.text for p in first)
        self.assertTrue(words.endswith(rest_of_first))
        self.assertEqual(self.asked, 1)
        self.assertEqual(self.weir.access(f"late-{call.protocol}")[0]["cache"], "join")
        self.assert_ok(call("TellStory", topic))
        self.assertEqual(self.asked, 2, "a shared story is not kept")

    def test_pieces_are_the_same_for_all(self):
        pieces = tuple(f"{i} " for i in range(50))
        self.model.behave("ok", pieces=pieces, gap_s=0.02, delay_s=slow(0.5))
        outcomes = []

        def ask(call):
            outcomes.append(call("TellStory", {"topic": "same"}))
        threads = [threading.Thread(target=ask, args=(c,)) for c in (self.rest, self.rpc) * 6]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(slow(20))
        self.assertEqual(len(outcomes), 12)
        for outcome in outcomes:
            self.assertEqual(self.assert_ok(outcome).chunks, list(pieces))
        self.assertEqual(self.asked, 1)

    def test_a_slow_reader_does_not_hold_a_fast_one(self):
        pieces = tuple("z" * 20_000 + str(i) for i in range(60))
        self.model.behave("ok", pieces=pieces, delay_s=slow(0.3))
        slow_one = self.connect("/tell-story/stream", '{"topic":"two speeds"}')
        self.at_model()
        begin = time.monotonic()
        fast = self.assert_ok(self.rpc("TellStory", {"topic": "two speeds"}))
        self.assertEqual(fast.chunks, list(pieces))
        self.assertLess(time.monotonic() - begin, slow(3))
        got = exchange(slow_one, b"")
        slow_one.close()
        self.assertEqual(got.count(b'data: {"chunk"'), 60)
        self.assertIn(b'"done":true', got.replace(b" ", b""))
        self.assertEqual(self.asked, 1)

    def test_the_one_who_started_it_leaves(self):
        gap = slow(0.2)
        self.model.behave("slow_stream", gap_s=gap, text="one two three four five six")
        first = self.connect("/tell-story/stream", '{"topic":"left alone"}')
        got = b""
        while b"chunk" not in got:
            got += first.recv(65536)
        second = self.rpc.start("TellStory", {"topic": "left alone"})
        heard = next(second).text
        first.close()
        heard += "".join(p.text for p in second)
        self.assertEqual(heard, "one two three four five six")
        self.assertEqual((self.asked, self.aborted), (1, 0))

    @over_both
    def test_a_cut_is_an_error_for_all(self, call):
        self.count_anew()
        self.model.behave("cut", text="one two three four", delay_s=slow(0.4))
        topic = {"topic": f"cut {call.protocol}"}
        other = self.rpc.start("TellStory", topic)
        self.at_model()
        outcome = self.assert_ends(call("TellStory", topic), 502, "UNAVAILABLE")
        self.assertTrue(outcome.late)
        with self.assertRaises(grpc.RpcError):
            list(other)
        self.assertEqual(self.asked, 1)

    def test_leaving_one_after_the_other_aborts_once(self):
        self.model.behave("stall", text="first second")
        sockets = []
        for i in range(6):
            sockets.append(self.connect("/tell-story/stream", '{"topic":"stalls"}'))
            got = b""
            while b"chunk" not in got:
                got += sockets[i].recv(65536)
        for connection in sockets:
            self.assertEqual(self.aborted, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
            time.sleep(0.05)
        wait_until(lambda: self.aborted == 1, 2, "the abort")
        self.assertEqual(self.asked, 1)


class Drain(unittest.TestCase):
    """SIGTERM while a shared story is told (D1)."""

    def run_drain(self, model, **settings):
        """Five callers of one story; returns how they ended, once weir has."""
        outcomes = []
        with Weir({"LLM_BASE_URL": model.base_url, **settings}) as weir:
            rest, rpc = both(weir)
            threads = [threading.Thread(target=lambda c=c: outcomes.append(c("TellStory", {})))
                       for c in (rest, rpc, rest, rpc, rpc)]
            for thread in threads:
                thread.start()
            wait_until(lambda: model.running == 1, 3, "the call at the model")
            time.sleep(slow(0.3))
            weir.signal()
            for thread in threads:
                thread.join(slow(15))
            self.assertEqual(weir.wait(10), 0)
        self.assertEqual((len(outcomes), model.requests), (5, 1))
        return outcomes

    def test_it_is_told_to_its_end(self):
        with FakeUpstream() as model:
            model.behave("slow_stream", gap_s=slow(0.2), text="one two three four five six")
            for outcome in self.run_drain(model, SHUTDOWN_GRACE="60s"):
                self.assertTrue(outcome.ok, outcome)
                self.assertEqual(outcome.text, "one two three four five six")
            self.assertEqual(model.aborted, 0)

    def test_what_takes_longer_than_the_grace_is_ended_for_all(self):
        with FakeUpstream() as model:
            model.behave("silent")
            for outcome in self.run_drain(model, SHUTDOWN_GRACE="1s"):
                self.assertFalse(outcome.ok, outcome)
            wait_until(lambda: model.aborted == 1, 2, "the abort at the model")


if __name__ == "__main__":
    main()
