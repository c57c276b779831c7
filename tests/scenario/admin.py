"""The admin listener (O4): metrics that Prometheus reads, probes, and nothing on the public port."""
import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
import unittest

from harness import Scenario, Weir, exchange, main, run_once, slow, wait_until
from tokens import SECRET, hs256

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/tools")
PROMTOOL = shutil.which("promtool") or shutil.which("promtool", path=TOOLS)
SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? '
                    r'([0-9.]+)')


class Admin:
    """One admin listener, asked by raw sockets."""

    def __init__(self, weir):
        self.weir = weir

    def lives(self):
        try:
            return self.ask("/live")[0] == 200
        except (ConnectionError, IndexError):
            return False

    def ask(self, path, verb="GET", headers=("Host: localhost",)):
        lines = [f"{verb} {path} HTTP/1.1", *headers, "", ""]
        data = self.weir.raw("\r\n".join(lines).encode(), port=self.weir.admin_port)
        head, _, body = data.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), head.decode().lower(), body.decode()

    def metrics(self, openmetrics=False):
        accept = ["Accept: application/openmetrics-text; version=1.0.0"] if openmetrics else []
        status, head, body = self.ask("/metrics", headers=["Host: localhost", *accept])
        if status != 200:
            raise AssertionError(head)
        return head, body

    def value(self, sample):
        for line in self.metrics()[1].split("\n"):
            if line.rpartition(" ")[0] == sample:
                return float(line.rpartition(" ")[2])
        return None


def families(text):
    """Reads the text format strictly; name -> (type, {sample name and labels: value})."""
    found, name = {}, None
    for line in text.rstrip("\n").split("\n"):
        if line == "# EOF":
            continue
        if line.startswith("# HELP "):
            name, help_ = line[7:].split(" ", 1)
            if name in found or not help_.endswith("."):
                raise AssertionError(f"told twice, or without help: {line}")
            found[name] = [None, {}]
        elif line.startswith("# TYPE "):
            typed, kind = line[7:].split(" ")
            if typed != name or found[name][0]:
                raise AssertionError(f"a type without its help: {line}")
            found[name][0] = kind
        else:
            match = SAMPLE.fullmatch(line)
            if not match or not match[1].startswith(name.removesuffix("_total")):
                raise AssertionError(f"no sample of {name}: {line}")
            key = line.rpartition(" ")[0]
            if key in found[name][1]:
                raise AssertionError(f"told twice: {line}")
            found[name][1][key] = float(match[3])
    return found


class Metrics(Scenario):
    settings = {"LLM_RETRIES": "0"}
    upstream = True

    def setUp(self):
        super().setUp()
        self.admin = Admin(self.weir)

    def check(self, text):
        if not PROMTOOL:
            self.skipTest("promtool is not here; scripts/setup.sh test unpacks it")
        return subprocess.run([PROMTOOL, "check", "metrics"], input=text, text=True, check=False,
                              capture_output=True)

    def make_some_noise(self):
        for call in (self.rest, self.rpc):
            self.assert_ok(call("TellJoke", {}))
            self.assert_ok(call("TellStory", {}))
            call("TranslateText", {"text": "x" * 20000})
        self.model.next("status", status=500)
        self.rest("TellJoke", {})
        self.weir.curl("/no-such-path\"\\")

    def test_promtool_has_nothing_to_say(self):
        self.make_some_noise()
        done = self.check(self.admin.metrics()[1])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_promtool_would_say_something(self):
        done = self.check("# TYPE weir_bad counter\nweir_bad 1\n")
        self.assertNotEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_both_formats_are_well_formed(self):
        self.make_some_noise()
        head, text = self.admin.metrics()
        self.assertIn("content-type: text/plain; version=0.0.4; charset=utf-8", head)
        plain = families(text)
        head, text = self.admin.metrics(openmetrics=True)
        self.assertIn("content-type: application/openmetrics-text; version=1.0.0", head)
        self.assertTrue(text.endswith("\n# EOF\n"))
        opened = families(text)
        self.assertEqual(set(opened), {name.removesuffix("_total") for name in plain})
        for name, (kind, samples) in plain.items():
            self.assertEqual(name.endswith("_total"), kind == "counter", name)
            if kind == "histogram":
                self.check_histogram(name, samples)

    def check_histogram(self, name, samples):
        last = {}
        for key, value in samples.items():
            if key.startswith(name + "_bucket"):
                labels = re.sub(r',?le="[^"]*"', "", key.removeprefix(name + "_bucket"))
                self.assertGreaterEqual(value, last.get(labels, 0), key)
                last[labels] = value
        for labels, value in last.items():
            self.assertEqual(samples[name + "_count" + labels], value)
            self.assertIn(name + "_sum" + labels, samples)
        if not last:
            self.assertEqual(name, "weir_upstream_duration_seconds")

    def test_every_request_is_counted_once(self):
        for protocol, call in (("rest", self.rest), ("grpc", self.rpc)):
            with self.subTest(protocol=protocol):
                sample = f'weir_requests_total{{protocol="{protocol}",flow="pirate_chat",code="OK"}}'
                length = (f'weir_request_duration_seconds_count{{protocol="{protocol}",'
                          'flow="pirate_chat"}')
                before = self.admin.value(sample), self.admin.value(length)
                for _ in range(7):
                    self.assert_ok(call("PirateChat", {}))
                self.assertEqual(self.admin.value(sample), before[0] + 7)
                self.assertEqual(self.admin.value(length), before[1] + 7)

    def test_calls_of_the_model_and_tokens(self):
        done = 'weir_upstream_calls_total{provider="openai",end="done"}'
        failed = 'weir_upstream_calls_total{provider="openai",end="failed"}'
        tokens = 'weir_tokens_total{direction="output"}'
        before = self.admin.value(done) or 0, self.admin.value(failed) or 0
        tokens_before = self.admin.value(tokens)
        self.assert_ok(self.rest("TellJoke", {}))
        self.model.next("status", status=500)
        self.assertFalse(self.rpc("TellJoke", {}).ok)
        self.assertEqual(self.admin.value(done), before[0] + 1)
        self.assertEqual(self.admin.value(failed), before[1] + 1)
        self.assertGreater(self.admin.value(tokens), tokens_before)

    def test_labels_are_bounded(self):
        """Whatever callers make up becomes "other"."""
        def names():
            return {key for _, samples in families(self.admin.metrics()[1]).values()
                    for key in samples}
        self.make_some_noise()
        self.weir.curl("/x", verb="BREW")
        before = names()
        for i in range(20):
            self.weir.curl(f"/made-up-{i}", verb=f"BREW{i}", headers=[f"Host: h{i}"])
        self.assertEqual(names(), before)

    def test_in_flight_and_connections(self):
        self.model.behave("silent")
        calls = []
        try:
            with self.weir.connect() as busy:
                busy.sendall(b"POST /tell-joke HTTP/1.1\r\nHost: w\r\nContent-Length: 2\r\n"
                             b"Content-Type: application/json\r\n\r\n{}")
                calls.append(self.rpc.start("TellJoke", {}))
                wait_until(lambda: self.admin.value("weir_requests_in_flight") == 2, 5,
                           "two requests in flight")
                self.assertGreaterEqual(self.admin.value("weir_connections"), 2)
        finally:
            for call in calls:
                call.cancel()
        wait_until(lambda: self.admin.value("weir_requests_in_flight") == 0, 5, "their end")
        cancelled = 'weir_request_ends_total{end="CANCELLED"}'
        self.assertGreaterEqual(self.admin.value(cancelled), 2)

    def test_the_process(self):
        metrics = families(self.admin.metrics()[1])
        value = {key: v for _, samples in metrics.values() for key, v in samples.items()}
        self.assertLess(abs(value["process_resident_memory_bytes"] / 1024 - self.weir.rss_kb()),
                        20000)
        self.assertLess(abs(value["process_open_fds"] - self.weir.open_files()), 5)
        self.assertLess(abs(value["process_cpu_seconds_total"] - self.weir.cpu_seconds()), 1)
        self.assertLess(abs(time.time() - value["process_start_time_seconds"]), slow(120))
        self.assertEqual((value["weir_ready"], value["weir_draining"]), (1, 0))


class Policy(Scenario):
    """What the parts of the policy have counted."""
    settings = {"AUTH_MODE": "required", "JWT_SECRET": SECRET, "JWT_ALGORITHMS": "HS256"}

    def delta(self, act, *samples):
        admin = Admin(self.weir)
        before = [admin.value(sample) for sample in samples]
        act()
        return [admin.value(sample) - old for sample, old in zip(samples, before)]

    def ask(self, token, **request):
        """Over both protocols."""
        bearer = f"Bearer {token}"
        return [self.rest("TranslateText", request, headers=[f"Authorization: {bearer}"]),
                self.rpc("TranslateText", request, metadata=[("authorization", bearer)])]

    def test_credentials(self):
        token = hs256(SECRET)
        self.assertEqual(self.delta(
            lambda: [self.ask(token, text="hello"), self.ask("a.b.c", text="hello")],
            "weir_tokens_verified_total", "weir_token_memory_hits_total",
            "weir_credentials_refused_total",
            'weir_audit_events_total{kind="auth_failure"}'), [1, 1, 2, 2])

    def test_limits_and_the_cache(self):
        token = hs256(SECRET)
        self.assertEqual(self.delta(
            lambda: self.ask(token, text="once and again"),
            "weir_limit_allowed_total", "weir_cache_misses_total", "weir_cache_hits_total",
            "weir_cache_stored_total", "weir_flights_led_total"), [2, 1, 1, 1, 1])

    def test_the_guard(self):
        def attack():
            self.weir.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 200,
                          port=self.weir.grpc_port)
        samples = [key for key in families(Admin(self.weir).metrics()[1])
                   ["weir_guard_breaches_total"][1]]
        self.assertEqual(sum(self.delta(attack, *samples)), 1)


class Listener(Scenario):
    def setUp(self):
        super().setUp()
        self.admin = Admin(self.weir)

    def test_probes_and_version(self):
        for path in ("/live", "/health", "/healthz", "/ready", "/readyz", "/version"):
            with self.subTest(path=path):
                status, head, body = self.admin.ask(path)
                self.assertEqual(status, 200)
                self.assertIn("content-type: application/json", head)
                self.assertIn("connection: close", head)
                self.assertTrue(body.startswith("{"))
                status, _, body = self.admin.ask(path, verb="HEAD")
                self.assertEqual((status, body), (200, ""))

    def test_nothing_else(self):
        self.assertEqual(self.admin.ask("/")[0], 404)
        self.assertEqual(self.admin.ask("/tell-joke")[0], 404)
        status, head, _ = self.admin.ask("/metrics", verb="POST")
        self.assertEqual(status, 405)
        self.assertIn("allow: get, head", head)
        self.assertEqual(self.admin.ask("/metrics", headers=["Host: a", "Host: b"])[0], 400)
        self.assertIn(b" 400 ", self.weir.raw(b"\x16\x03\x01\r\n\r\n", port=self.weir.admin_port))

    def test_pages_that_point_a_name_here_get_nothing(self):
        """DNS rebinding: the browser's Host is the page's name, not ours."""
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ""):
            with self.subTest(host=host):
                self.assertEqual(self.admin.ask("/metrics", headers=[f"Host: {host}"])[0], 400)
        for host in ("127.0.0.1", "localhost", "LOCALHOST:9090", "[::1]:9090"):
            with self.subTest(host=host):
                self.assertEqual(self.admin.ask("/live", headers=[f"Host: {host}"])[0], 200)

    def test_the_public_port_does_not_have_it(self):
        self.assertEqual(self.weir.curl("/metrics").status, 404)

    def test_silent_and_many_clients(self):
        held = [socket.create_connection(("127.0.0.1", self.weir.admin_port), 5)
                for _ in range(40)]
        for connection in held:
            connection.sendall(b"GET /me")
        begin = time.monotonic()
        for connection in held:
            connection.settimeout(slow(10))
            self.assertEqual(exchange(connection, b""), b"")
            connection.close()
        self.assertLess(time.monotonic() - begin, slow(8))
        wait_until(self.admin.lives, 5, "room for one more")

    def test_who_holds_all_places_does_not_keep_a_probe_out(self):
        with contextlib.ExitStack() as stack:
            for _ in range(40):
                stack.enter_context(self.weir.connect(self.weir.admin_port)).sendall(b"GET /me")
            begin = time.monotonic()
            self.assertEqual(self.admin.ask("/live")[0], 200)
            self.assertLess(time.monotonic() - begin, slow(1))

    def test_a_head_without_end(self):
        with self.weir.connect(self.weir.admin_port) as connection:
            answer = exchange(connection, b"GET / HTTP/1.1\r\nX: " + b"a" * 20000)
        self.assertTrue(answer == b"" or b" 400 " in answer, answer)
        self.assertEqual(self.admin.ask("/live")[0], 200)


class Settings(unittest.TestCase):
    def test_off(self):
        with Weir({"ADMIN_PORT": "off"}) as weir:
            self.assertEqual(weir.admin_port, 0)
            self.assertNotIn("admin_port", weir.events("ready")[0])
            self.assertEqual(weir.curl("/live").status, 200)

    def test_a_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            done = run_once("--port", "0", "--grpc-port", "0", settings={
                "AUTH_MODE": "none", "LLM_PROVIDER": "offline",
                "ADMIN_PORT": str(taken.getsockname()[1])})
        self.assertEqual(done.returncode, 1)
        self.assertIn("ADMIN_PORT", done.stdout)

    def test_bad_values(self):
        for value in ("on", "65536", "-1", "9090x"):
            with self.subTest(value=value):
                done = run_once(settings={"ADMIN_PORT": value})
                self.assertEqual(done.returncode, 2)
                self.assertIn("ADMIN_PORT", done.stderr)


if __name__ == "__main__":
    main()
