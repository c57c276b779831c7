"""What fails around weir: its log, its clock, its disk, its memory, its names. It stays up, answers
what it can over both protocols, and recovers by itself. (The model's own failures are
upstream_faults.py's, running out of descriptors is ports.py's.)"""
import asyncio
import calendar
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from authority import Authority
from harness import (BINARY, SANITIZER, FakeUpstream, Scenario, Weir, both, main, slow,
                     wait_until)
from tokens import SECRET, claims, hs256

HEALTH = b"GET /health HTTP/1.1\r\nHost: weir\r\n\r\n"
LAST = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


class MutedWeir(Weir):
    """One whose output is read only while `reading` is set, and is closed for good by `deafen`."""

    def __init__(self, *arguments, **more):
        self.reading = threading.Event()
        self.reading.set()
        self.deaf = False
        super().__init__(*arguments, **more)

    def deafen(self):
        self.deaf = True

    def _read(self, pipe, lists):
        def lines():
            for line in pipe:
                self.reading.wait()
                yield line
                if self.deaf:
                    pipe.close()
                    return
        super()._read(lines(), lists)


class Log(Scenario):
    """Writing a log line never blocks a request (O1)."""
    REQUESTS = 6000

    def setUp(self):
        pass

    def flood(self, weir, count):
        for _ in range(count // 100):
            got = weir.raw(HEALTH * 99 + LAST, seconds=30)
            self.assertEqual(got.count(b"HTTP/1.1 200"), 100)

    def serve(self, weir, count):
        self.flood(weir, count)
        for call in both(weir):
            self.assert_ok(call("TellJoke", {}))
            self.assert_ok(call("TellStory", {}))

    def test_nobody_reads(self):
        with MutedWeir({"WORKERS": "1"}, debug=True) as weir:
            self.serve(weir, 200)
            memory = weir.rss_kb()
            weir.reading.clear()
            self.serve(weir, self.REQUESTS)
            lost = weir.metric("weir_log_dropped")
            self.assertGreater(lost, 100)
            self.serve(weir, self.REQUESTS)
            if not SANITIZER:
                self.assertLess(weir.rss_kb() - memory, 4000, "KB of growth")
            lost = weir.metric("weir_log_dropped")
            weir.reading.set()
            wait_until(lambda: sum(e["lines"] for e in weir.events("log_dropped")) == lost, 10,
                       "the count of what was lost")
            outcome = self.assert_ok(both(weir)[0]("TellJoke", {}))
            weir.access(outcome.request_id)
            for line in list(weir.lines):
                json.loads(line)

    def test_the_end_does_not_wait_for_a_reader(self):
        with MutedWeir({"WORKERS": "1"}, debug=True) as weir:
            weir.reading.clear()
            self.flood(weir, self.REQUESTS)  # no gRPC: its clients take a while to leave
            begin = time.monotonic()
            weir.signal()
            self.assertEqual(weir.process.wait(slow(10)), 0)
            self.assertLess(time.monotonic() - begin, slow(4))
            weir.reading.set()

    def test_the_reader_has_gone(self):
        with MutedWeir({"WORKERS": "1"}, debug=True) as weir:
            weir.deafen()
            self.serve(weir, 100)
            wait_until(lambda: weir.metric("weir_log_dropped") > 0, 5, "a line that is lost")
            before, begin = weir.cpu_seconds(), time.monotonic()
            time.sleep(0.5)
            self.assertLess(weir.cpu_seconds() - before, 0.3 * (time.monotonic() - begin) + 0.05,
                            "it spins")
            self.serve(weir, 200)
            self.assertGreater(weir.metric("weir_log_dropped"), 100)


class Disk(Scenario):
    """No room for AUDIT_LOG_FILE: served all the same, said once, and whole lines when there is."""

    def setUp(self):
        pass

    def test_full_and_free_again(self):
        with Weir({"AUDIT_LOG_FILE": "audit.log", "AUTH_MODE": "required", "JWT_SECRET": SECRET,
                   "JWT_ALGORITHMS": "HS256"}, debug=True) as weir:
            path = os.path.join(weir.directory, "audit.log")

            def refuse(count=1):
                for _ in range(count):
                    for call in both(weir):
                        self.assertEqual(call("TellJoke", {}).code, "UNAUTHENTICATED")
            refuse()
            wait_until(lambda: os.path.getsize(path) > 0, 5, "a record")
            limits = resource.prlimit(weir.process.pid, resource.RLIMIT_FSIZE)
            time.sleep(0.1)
            room = os.path.getsize(path) + 50  # ends within a record
            resource.prlimit(weir.process.pid, resource.RLIMIT_FSIZE, (room, limits[1]))
            refuse(3)
            wait_until(lambda: weir.events("file_not_written"), 5, "the log line")
            refuse(3)
            lost = weir.metric("weir_audit_not_written")
            self.assertGreater(lost, 0)
            resource.prlimit(weir.process.pid, resource.RLIMIT_FSIZE, limits)
            refuse()
            wait_until(lambda: weir.events("file_written_again"), 5, "the log line")
            self.assertEqual(len(weir.events("file_not_written")), 1)
            with open(path, encoding="utf-8") as file:
                events = [json.loads(line)["event"] for line in file]
            self.assertGreaterEqual(events.count("auth_failure"), 3)


@unittest.skipIf(SANITIZER, "a sanitizer's library has to be the first")
class Clock(Scenario):
    """Wall time jumps: tokens and log lines follow, nothing else does."""

    def setUp(self):
        pass

    @contextlib.contextmanager
    def stepping(self, model, **settings):
        """A weir, and what sets its clock to so many seconds off."""
        with tempfile.TemporaryDirectory(prefix="weir-clock-") as folder:
            path = os.path.join(folder, "seconds")

            def step(seconds):
                with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
                    file.write(struct.pack("q", seconds))
            step(0)
            with Weir({"LD_PRELOAD": os.environ["WEIR_STEP_CLOCK_LIBRARY"], "WEIR_STEP_CLOCK": path,
                       "LLM_BASE_URL": model.base_url, "LLM_RETRIES": "0",
                       "CACHE_ENABLED": "false", **settings}) as weir:
                yield weir, step

    def test_tokens_and_log_lines_follow(self):
        def call_and_look(weir, call, token):
            """The outcome, and how far off the log's time is."""
            how = {"headers": [f"Authorization: Bearer {token}"]} if call is calls[0] else \
                {"metadata": [("authorization", f"Bearer {token}")]}
            outcome = call("TellJoke", {}, **how)
            stamp = weir.access(outcome.request_id)[0]["time"][:19]
            return outcome, calendar.timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%S")) - time.time()

        now = int(time.time())
        token = hs256(SECRET, claims(nbf=now - 10, exp=now + 600))
        with FakeUpstream() as model, self.stepping(
                model, AUTH_MODE="required", JWT_SECRET=SECRET, JWT_ALGORITHMS="HS256",
                JWT_ISSUER="https://issuer.test") as (weir, step):
            calls = both(weir)
            for seconds, code in ((0, "OK"), (3600, "UNAUTHENTICATED"), (0, "OK"),
                                  (-3600, "UNAUTHENTICATED"), (0, "OK")):
                step(seconds)
                for call in calls:
                    with self.subTest(protocol=call.protocol, clock=seconds):
                        outcome, off = call_and_look(weir, call, token)
                        self.assertEqual(outcome.code, code, outcome.detail)
                        self.assertAlmostEqual(off, seconds, delta=slow(10))

    def test_deadlines_limits_and_breaker_do_not(self):
        with FakeUpstream() as model, self.stepping(
                model, LLM_TIMEOUT="1000", CB_FAILURE_THRESHOLD="2", CB_RECOVERY_TIMEOUT="60s",
                RATE_LIMIT_DEFAULT="8/hour") as (weir, step):
            rest, rpc = both(weir)
            for seconds, call in ((86400, rest), (-86400, rpc)):
                self.assert_ok(call("TellJoke", {}))
                model.behave("silent")
                timer = threading.Timer(0.3, step, (seconds,))
                timer.start()
                begin = time.monotonic()
                self.assert_ends(call("TellJoke", {}), 504, "DEADLINE_EXCEEDED")
                self.assertTrue(0.9 < time.monotonic() - begin < slow(3))
                timer.join()
                model.behave("ok")
            for call in (rest, rpc):  # a success between: one more failure opens it
                model.behave("status", status=500)
                call("TellJoke", {})
            step(86400 * 2)
            self.assert_ends(rest("TellJoke", {}), 503, "UNAVAILABLE")
            step(-86400 * 2)
            self.assert_ends(rpc("TellJoke", {}), 503, "UNAVAILABLE")
            for seconds in (0, 86400, -86400):
                step(seconds)
                for call in (rest, rpc):
                    self.assert_ends(call("TellJoke", {}), 429, "RESOURCE_EXHAUSTED")
            begin = time.monotonic()
            timer = threading.Timer(0.02, step, (-86400 * 3,))
            timer.start()
            weir.stop()
            self.assertLess(time.monotonic() - begin, slow(5))
            timer.join()


class TlsDoor:
    """TLS before the fake model, which has none: a relay."""

    def __init__(self, inside, cert, key):
        self.inside = inside
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        server = self.loop.run_until_complete(
            asyncio.start_server(self.relay, "127.0.0.1", 0, ssl=self.context))
        self.port = server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    async def relay(self, reader, writer):
        async def copy(source, target):
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    target.write(data)
                    await target.drain()
            target.close()
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.inside)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))


class Memory(Scenario):
    """No memory: small requests go on. Where the HTTP library gets none for a large one, it ends the
    process at once and says so; whoever started weir starts it again."""

    def setUp(self):
        pass

    @unittest.skipIf(SANITIZER, "sanitizers reserve all of the address space")
    def test_out_of_memory(self):
        weir = Weir({"MAX_BODY_SIZE": str(32 << 20)}, debug=True)
        try:
            calls = both(weir)
            for call in calls:
                self.assert_ok(call("TellJoke", {}))
            with open(f"/proc/{weir.process.pid}/statm", encoding="ascii") as file:
                used = int(file.read().split()[0]) * resource.getpagesize()
            limits = resource.prlimit(weir.process.pid, resource.RLIMIT_AS)
            resource.prlimit(weir.process.pid, resource.RLIMIT_AS, (used + (64 << 20), limits[1]))
            for call in calls:
                self.assert_ok(call("TellJoke", {}))
            body = json.dumps({"text": "x" * (30 << 20)}).encode()
            head = (b"POST /translate HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body))
            threads = [threading.Thread(target=weir.raw, args=(head + body,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            with contextlib.suppress(subprocess.TimeoutExpired):
                weir.process.wait(0.5)
            if weir.process.poll() is None:
                resource.prlimit(weir.process.pid, resource.RLIMIT_AS, limits)
                for call in calls:
                    self.assert_ok(call("TellJoke", {}))
            else:
                self.assertEqual(weir.wait(), -signal.SIGABRT)
                self.assertTrue([line for line in weir.errors if "no memory" in line], weir.errors)
        finally:
            weir.kill()
            shutil.rmtree(weir.directory, ignore_errors=True)


class Names(unittest.TestCase):
    """A name server for one test, on loopback: `answer` is an address, "none" or "silent"."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.answer, self.asked = "127.0.0.1", 0

    def serve(self, server):
        while True:
            try:
                query, peer = server.recvfrom(2048)
            except OSError:
                return
            self.asked += 1
            if self.answer == "silent":
                continue
            end = query.index(b"\0", 12) + 5
            wants_ipv4 = query[end - 4:end - 2] == b"\0\1"
            found = self.answer != "none" and wants_ipv4
            flags = 0x8183 if self.answer == "none" else 0x8180
            head = query[:2] + struct.pack(">HHHHH", flags, 1, int(found), 0, 0)
            record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(self.answer) if found else b""
            with contextlib.suppress(OSError):
                server.sendto(head + query[12:end] + record, peer)

    def wrap(self, folder, address):
        """The path of a weir that asks this name server."""
        resolver, wrapped = os.path.join(folder, "resolv.conf"), os.path.join(folder, "weir")
        with open(resolver, "w", encoding="ascii") as file:
            file.write(f"nameserver {address}\n")
        with open(wrapped, "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\nexec unshare -m sh -c \'mount --bind "{resolver}" '
                       f'/etc/resolv.conf && exec "$@"\' weir "{BINARY}" "$@"\n')
        os.chmod(wrapped, 0o755)
        return wrapped

    @unittest.skipIf(os.geteuid() != 0 or subprocess.run(
        ["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0,
        "port 53 and a resolv.conf of one's own take root")
    def test_gone_and_back(self):
        authority = Authority()
        self.addCleanup(authority.remove)
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(server.close)
        address = f"127.{os.getpid() % 200 + 20}.53.1"
        server.bind((address, 53))
        threading.Thread(target=self.serve, args=(server,), daemon=True).start()
        binary = self.wrap(authority.folder, address)
        with FakeUpstream() as model, TlsDoor(model.port, *authority.issue(
                "/CN=model", "DNS:model.weir.test")) as door:
            for fault in ("silent", "none"):  # each with a weir that remembers no address
                with self.subTest(names=fault), Weir({
                        "LLM_BASE_URL": f"https://model.weir.test:{door.port}/v1",
                        "LLM_CA_FILE": authority.cert, "OPENAI_API_KEY": "sk-0123456789",
                        "LLM_RETRIES": "0", "CACHE_ENABLED": "false", "LLM_CONNECT_TIMEOUT": "1s",
                        "CB_FAILURE_THRESHOLD": "4", "CB_RECOVERY_TIMEOUT": "1s"},
                        binary=binary) as weir:
                    self.go_and_come_back(weir, fault)

    def go_and_come_back(self, weir, fault):
        calls = both(weir)
        self.answer, before = fault, self.asked
        for i in range(4):
            begin = time.monotonic()
            outcome = calls[i % 2]("TellJoke", {})
            self.assertLess(time.monotonic() - begin, slow(3))
            self.assertIn((outcome.http, outcome.code),
                          ((502, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED"), (None, "UNAVAILABLE"),
                           (None, "DEADLINE_EXCEEDED")))
            self.assertNotIn("weir.test", outcome.detail)
        self.assertGreater(self.asked, before)
        for call in calls:  # the breaker is open
            outcome = call("TellJoke", {})
            self.assertEqual((outcome.http or 503, outcome.code), (503, "UNAVAILABLE"))
        self.assertEqual(weir.curl("/health").status, 200)
        self.answer = "127.0.0.1"
        for call in calls:
            wait_until(lambda c=call: c("TellJoke", {}).ok, 15, "service")
            self.assertTrue(call("TellStory", {}).ok)


if __name__ == "__main__":
    main()
