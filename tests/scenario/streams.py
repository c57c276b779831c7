"""Streams over both protocols (F6): framing, the whole text, when pieces arrive."""
import subprocess
import time

from harness import Scenario, exchange, main, over_both, slow, wait_until

STREAMS = {"TellJokeStream": ("/tell-joke/stream", "joke"),
           "TellStory": ("/tell-story/stream", "story")}


class OfflineStreams(Scenario):
    def test_framing(self):
        for path, whole in STREAMS.values():
            with self.subTest(path=path), self.weir.sse(path) as stream:
                events = list(stream)
                head = stream.reply
                self.assertEqual(stream.code(), 0)
                self.assertEqual(head.status, 200)
                kind = head.headers["content-type"]
                self.assertEqual(kind.split(";")[0], "text/event-stream")
                self.assertEqual(head.headers.get("cache-control"), "no-store")
                self.assertNotIn("content-encoding", head.headers)
                self.assertNotIn("content-length", head.headers)
                for event in events:
                    self.assertEqual(event.name, "message")
                    self.assertEqual(len([x for x in event.lines if x.startswith("data:")]), 1)
                for event in events[:-1]:
                    self.assertEqual(list(event.data), ["chunk"])
                    self.assertTrue(event.chunk)
                self.assertEqual(events[-1].data,
                                 {"done": True, whole: "".join(e.chunk for e in events[:-1])})

    def test_no_gzip_on_streams(self):
        with self.weir.sse("/tell-story/stream", headers=["Accept-Encoding: gzip"]) as stream:
            self.assertGreater(len(list(stream)), 3)
            self.assertNotIn("content-encoding", stream.reply.headers)


class UpstreamStreams(Scenario):
    upstream = True

    @over_both
    def test_pieces_and_whole(self, call):
        self.model.behave("ok", pieces=("Once", " upon", " a", " tïme", "\n\n", "\"quoted\" ",
                                        "back\\slash ", "tab\t", "😀"))
        for rpc in STREAMS:
            outcome = self.assert_ok(call(rpc, {}))
            self.assertEqual(outcome.text, "Once upon a tïme\n\n\"quoted\" back\\slash tab\t😀")
            if call.protocol == "rest":
                self.assertEqual(outcome.whole, outcome.text)
            self.assertTrue(self.model.last.stream)

    @over_both
    def test_pieces_arrive_as_they_are_made(self, call):
        gap = slow(0.15)
        self.model.behave("slow_stream", gap_s=gap, text="one two three four five six")
        outcome = self.assert_ok(call("TellStory", {}))
        self.assertEqual(outcome.text, "one two three four five six")
        self.assertGreaterEqual(len(outcome.chunks), 5)
        spread = outcome.times[-1] - outcome.times[0]
        self.assertGreater(spread, gap * 3)
        gaps = [b - a for a, b in zip(outcome.times, outcome.times[1:])]
        self.assertLess(max(gaps), gap * 3, f"pieces came in bursts: {gaps}")

    @over_both
    def test_first_piece_arrives_before_the_last_is_made(self, call):
        self.model.behave("stall", text="first second")
        if call.protocol == "rest":
            with self.weir.sse("/tell-story/stream") as stream:
                self.assertEqual(next(iter(stream)).chunk, "first")
                self.assertEqual(self.model.last.outcome, "open")
        else:
            started = self.rpc.start("TellStory")
            self.assertEqual(next(started).text, "first")
            self.assertEqual(self.model.last.outcome, "open")
            started.cancel()
        wait_until(lambda: self.model.running == 0, 2, "the end of the upstream call")

    @over_both
    def test_wire_forms_of_event_streams(self, call):
        for how in ({"line_end": "\r\n"}, {"line_end": "\r"}, {"comments": True}, {}):
            with self.subTest(**how):
                self.model.behave("ok", text="some words in a row", **how)
                self.assertEqual(self.assert_ok(call("TellStory", {})).text,
                                 "some words in a row")
        self.model.behave("no_length", text="some words in a row")
        self.assertEqual(self.assert_ok(call("TellStory", {})).text, "some words in a row")

    @over_both
    def test_many_small_pieces_and_one_large(self, call):
        pieces = tuple(f"{i} " for i in range(2000))
        self.model.behave("ok", pieces=pieces)
        self.assertEqual(self.assert_ok(call("TellStory", {})).text, "".join(pieces))
        large = "x" * 300_000 + "é" * 10_000
        self.model.behave("ok", pieces=("a", large))
        self.assertEqual(self.assert_ok(call("TellStory", {})).text, "a" + large)

    def test_a_reader_that_pauses_loses_nothing(self):
        pieces = tuple("y" * 20_000 + str(i) for i in range(100))
        self.model.behave("ok", pieces=pieces)
        request = (b"POST /tell-story/stream HTTP/1.1\r\nHost: weir\r\nContent-Length: 2\r\n"
                   b"Content-Type: application/json\r\nConnection: close\r\n\r\n{}")
        with self.weir.connect(seconds=20) as connection:
            connection.sendall(request)
            time.sleep(0.5)
            got = exchange(connection, b"")
        self.assertEqual(got.count(b'data: {"chunk"'), 100)
        self.assertIn(b'"done":true', got.replace(b" ", b""))
        started = self.rpc.start("TellStory")
        time.sleep(0.5)
        self.assertEqual("".join(p.text for p in started), "".join(pieces))

    @over_both
    def test_one_upstream_call_each(self, call):
        before = self.model.requests
        call("TellJokeStream", {})
        self.assertEqual(self.model.requests, before + 1)

    def test_a_comment_in_long_silence_only(self):
        """After 15 s without a piece, so that proxies do not take the stream for dead."""
        streams = []
        for gap_s, text in ((8, "a b c"), (17, "a b")):
            before = self.model.requests
            self.model.behave("slow_stream", gap_s=gap_s, text=text)
            streams.append(subprocess.Popen(
                ["curl", "-sN", self.weir.url + "/tell-story/stream", "-H",
                 "Content-Type: application/json", "-d", f'{{"topic": "{gap_s}"}}'],
                stdout=subprocess.PIPE))
            wait_until(lambda b=before: self.model.requests == b + 1, 5, "the call of the model")
        talking, silent = (stream.communicate(timeout=slow(60))[0] for stream in streams)
        self.assertIn(b'"done":true', talking)
        self.assertNotIn(b"\n:", talking)
        self.assertIn(b'"done":true', silent)
        self.assertIn(b"\n\n:\n\ndata: ", silent)


if __name__ == "__main__":
    main()
