"""The audit log (O3): security events in the log and in a file of their own."""
import json
import os
import stat
import unittest

from harness import Weir, main, run_once, wait_until

SAFE = {"AUTH_MODE": "none", "LLM_PROVIDER": "offline"}
PORTS = ("--port", "0", "--grpc-port", "0", "--admin-port", "0")


def records(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class Audit(unittest.TestCase):
    def file_of(self, weir):
        return os.path.join(weir.directory, "audit.log")

    def test_events_are_in_both(self):
        with Weir({**SAFE, "AUDIT_LOG_FILE": "audit.log", "TRUSTED_HOSTS": "a.example"}) as weir:
            path = self.file_of(weir)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            reply = weir.curl("/tell-joke?key=secret", {}, headers=["Host: evil.example"])
            request_id = reply.headers["x-request-id"]
            wait_until(lambda: any(r.get("request_id") == request_id for r in records(path)), 5,
                       "the record")
            record = [r for r in records(path) if r.get("request_id") == request_id][0]
            self.assertEqual(record["event"], "access_denied")
            self.assertEqual(record["logger"], "audit")
            self.assertEqual(record["reason"], "FORBIDDEN_HOST")
            self.assertEqual(record["peer"], "127.0.0.1")
            self.assertEqual(record["action"], "/tell-joke")
            self.assertRegex(record["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            logged = [e for e in weir.events("access_denied") if e["request_id"] == request_id]
            self.assertEqual(len(logged), 1)
            start = [r for r in records(path) if r["event"] == "configuration"][0]
            self.assertIn("TRUSTED_HOSTS", start["reason"].split(" "))
            self.assertNotIn("a.example", start["reason"])

    def test_the_rate_is_bounded_and_the_rest_counted(self):
        with Weir({**SAFE, "AUDIT_LOG_FILE": "audit.log", "TRUSTED_HOSTS": "a.example",
                   "ACCESS_LOG": "false"}) as weir:
            path = self.file_of(weir)
            with weir.connect(seconds=30) as connection:
                answers = connection.makefile("rb")
                for _ in range(30):
                    connection.sendall(b"GET /version HTTP/1.1\r\nHost: evil\r\n\r\n" * 100)
                    for _ in range(100):
                        self.assertIn(b" 400 ", answers.readline())
                        length = 0
                        while (line := answers.readline()) != b"\r\n":
                            if line.lower().startswith(b"content-length:"):
                                length = int(line.split(b":")[1])
                        answers.read(length)
            wait_until(lambda: weir.events("left_out"), 5, "the count of what was left out")
            weir.signal()
            self.assertEqual(weir.wait(), 0)
            events = [r for r in records(path) if r["event"] == "access_denied"]
            left_out = sum(r["events"] for r in records(path) if r["event"] == "left_out")
            self.assertEqual(len(events) + left_out, 3000)
            self.assertGreaterEqual(len(events), 500)
            self.assertLess(len(events), 2500)

    def test_a_file_that_others_can_read_is_refused(self):
        done = run_once(*PORTS, settings={**SAFE, "AUDIT_LOG_FILE": "audit.log"},
                        files={"audit.log": ""}, modes={"audit.log": 0o644})
        self.assertEqual(done.returncode, 2)
        self.assertIn("AUDIT_LOG_FILE", done.stderr)
        done = run_once(*PORTS, settings={**SAFE, "AUDIT_LOG_FILE": "no/such/folder/audit.log"})
        self.assertEqual(done.returncode, 2)
        self.assertIn("AUDIT_LOG_FILE", done.stderr)

    def test_a_restart_appends(self):
        with Weir({**SAFE, "AUDIT_LOG_FILE": "audit.log"}) as weir:
            weir.signal()
            self.assertEqual(weir.wait(), 0)
            weir.start()
            wait_until(lambda: len(weir.events("ready")) == 2, 15, "the second start")
            weir.signal()
            self.assertEqual(weir.wait(), 0)
            starts = [r for r in records(self.file_of(weir)) if r["event"] == "configuration"]
            self.assertEqual(len(starts), 2)


if __name__ == "__main__":
    main()
