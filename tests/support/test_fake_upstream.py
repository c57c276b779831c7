"""The fake model does what the scenarios take it for: each fault is seen by curl, aborts count."""
import json
import subprocess
import time
import unittest

from fake_answers import DEFAULT_TEXT, HUGE_BYTES, MODES, example_of
from fake_upstream import FakeUpstream
from waiting import slow, wait_until

SCHEMA = {"type": "object", "properties": {
    "confidence": {"type": "string", "enum": ["high", "low"]},
    "score": {"type": "integer", "minimum": 0, "maximum": 20},
    "items": {"type": "array", "items": {"type": "string"}, "maxItems": 2}}}


class FakeUpstreamTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.upstream = FakeUpstream().start()

    @classmethod
    def tearDownClass(cls):
        cls.upstream.stop()

    def ask(self, stream=False, body=None, seconds=10):
        body = body or {"model": "ok", "stream": stream, "messages": []}
        done = subprocess.run(
            ["curl", "-sS", "-i", "--noproxy", "*", "--max-time", str(slow(seconds)), "--json",
             json.dumps(body), self.upstream.base_url + "/chat/completions"],
            capture_output=True, check=False)
        return done.returncode, done.stdout

    @staticmethod
    def pieces(output):
        found = []
        for line in output.replace(b"\r\n", b"\n").split(b"\n"):
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:]).get("choices", []):
                    found.append(choice["delta"].get("content", ""))
        return "".join(found)

    def test_whole_answer(self):
        self.upstream.behave()
        code, output = self.ask()
        answer = json.loads(output.split(b"\r\n\r\n", 1)[1])
        self.assertEqual(code, 0)
        self.assertEqual(answer["choices"][0]["message"]["content"], DEFAULT_TEXT)
        wait_until(lambda: self.upstream.last.outcome == "answered", 2)
        self.assertFalse(self.upstream.last.stream)

    def test_stream(self):
        for line_end in ("\n", "\r\n", "\r"):
            self.upstream.behave("ok", line_end=line_end, comments=True)
            code, output = self.ask(stream=True)
            self.assertEqual(code, 0)
            self.assertIn(b"[DONE]", output)
            if line_end != "\r":
                self.assertEqual(self.pieces(output), DEFAULT_TEXT)

    def test_structured_answer_follows_the_schema(self):
        self.upstream.behave()
        _, output = self.ask(body={"messages": [], "response_format": {
            "type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}})
        words = json.loads(output.split(b"\r\n\r\n", 1)[1])["choices"][0]["message"]["content"]
        self.assertEqual(json.loads(words), example_of(SCHEMA))
        self.assertEqual(json.loads(words),
                         {"confidence": "high", "score": 20, "items": ["text", "text"]})

    def test_faults_as_curl_sees_them(self):
        whole = {"reset": 56, "reset_mid": 56, "cut": 18, "cut_body": 18, "garbage": 0,
                 "wrong_shape": 0, "status": 0, "no_length": 0, "empty": 0, "not_text": 0}
        streamed = {**whole, "cut": 0, "stream_error": 0}
        for stream, table in ((False, whole), (True, streamed)):
            for mode, expected in table.items():
                with self.subTest(mode=mode, stream=stream):
                    self.upstream.behave(mode, status=503)
                    code, output = self.ask(stream)
                    self.assertEqual(code, expected)
                    if mode in ("cut", "cut_body", "reset_mid"):
                        self.assertNotIn(b"[DONE]", output)
                    wait_until(lambda: self.upstream.running == 0, 2)

    def test_huge_is_huge(self):
        for stream in (False, True):
            self.upstream.behave("huge")
            _, output = self.ask(stream, seconds=30)
            self.assertGreater(len(output), HUGE_BYTES - 1000)

    def test_a_client_that_leaves_is_counted(self):
        for mode in ("silent", "stall", "slow"):
            with self.subTest(mode=mode):
                self.upstream.behave(mode)
                before = self.upstream.aborted
                code, _ = self.ask(stream=True, seconds=0.2 / slow(1))
                self.assertEqual(code, 28)
                wait_until(lambda b=before: self.upstream.aborted == b + 1, 2)
                self.assertEqual(self.upstream.last.outcome, "aborted")

    def test_queue_goes_before_the_default(self):
        self.upstream.behave("ok", text="later")
        self.upstream.next("status", status=429, headers=(("Retry-After", "7"),))
        self.assertIn(b"Retry-After: 7", self.ask()[1])
        self.assertIn(b"later", self.ask()[1])

    def test_slow_stream_spreads_its_chunks(self):
        self.upstream.behave("slow_stream", gap_s=0.05, text="a b c")
        begin = time.monotonic()
        self.ask(stream=True)
        self.assertGreater(time.monotonic() - begin, 0.1)

    def test_model_name_chooses(self):
        self.assertIn("garbage", MODES)
        self.upstream.behave()
        self.assertIn(b"no model", self.ask(body={"model": "garbage"})[1])

    def test_connections_are_counted_and_kept(self):
        self.upstream.behave()
        wait_until(lambda: self.upstream.connections == 0, 2)
        before = self.upstream.all_connections
        url = self.upstream.base_url + "/chat/completions"
        subprocess.run(["curl", "-sS", "--noproxy", "*", "--json", "{}", url, "-o", "/dev/null",
                        url, "-o", "/dev/null"], check=True)
        self.assertEqual(self.upstream.all_connections, before + 1)
        wait_until(lambda: self.upstream.connections == 0, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
