"""Starts the real weir on ports that the kernel picks, reads its log, stops it and checks its end."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import grpc

from messages import messages
from rest_client import CurlFailed, Reply, SseStream, curl_command
from waiting import slow, wait_until, with_parent

BINARY = os.environ.get("WEIR_BINARY", "")
SUPPORT = os.path.dirname(os.path.abspath(__file__))
REPORTS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:",
           "Assertion", "weir: must")


class Weir:
    """One weir process; a context manager that stops it by SIGTERM and checks how it ended.

    settings: environment names and values (None: weir's own default). flags: more words of the command line. files: name ->
    text, written to the working directory (and readable by the owner only). nofile: RLIMIT_NOFILE.
    debug: with --debug. ports: False leaves the choice of ports to the settings.
    """

    def __init__(self, settings=None, flags=(), files=None, binary=None, nofile=None, debug=False,
                 protoset="WEIR_PROTOSET", start=True, ports=True):
        self.binary = binary or BINARY
        self.messages = messages(protoset)
        self.directory = tempfile.mkdtemp(prefix="weir-test-")
        _write_files(self.directory, files)
        # The limits and the fetching of images are the subjects of tests of their own; in the others
        # they would be in the way.
        settings = {"LOG_FORMAT": "json", "HOST": "127.0.0.1", "AUTH_MODE": "none",
                    "ADMIN_PORT": "0", "LLM_IMAGES": "pass", "RATE_LIMIT_DEFAULT": "1000000/second",
                    "RATE_LIMIT_HEAVY": "1000000/second",
                    "RATE_LIMIT_AUTHENTICATED": "1000000/second",
                    "RATE_LIMIT_API_KEY": "1000000/second", **(settings or {})}
        settings = {name: value for name, value in settings.items() if value is not None}
        if not {"LLM_BASE_URL", "LLM_PROVIDER"} & set(settings):
            settings["LLM_PROVIDER"] = "offline"
        self.environment = {**_environment(self.directory), **settings}
        self.flags = [*(["--debug"] if debug else []),
                      *(["--port", "0", "--grpc-port", "0"] if ports else []), *flags]
        self.nofile = nofile
        self.lines = []     # of standard output and standard error, as text
        self.errors = []    # of standard error alone
        self._events = []   # the JSON lines, decoded
        self.channel_ = None
        self.process = None
        self.stopped = False
        if start:
            self.start()

    def launch(self):
        """Starts the process without waiting for it to be ready."""
        self.process = subprocess.Popen(
            with_parent([self.binary, *self.flags], self.nofile), cwd=self.directory,
            env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, [self.lines]),
                             daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr,
                                                      [self.lines, self.errors]), daemon=True)]
        for reader in self._readers:
            reader.start()

    def start(self):
        self.launch()
        end = time.monotonic() + slow(15)
        while not self.events("ready"):
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise AssertionError("weir did not become ready:\n" + "\n".join(self.lines))
            time.sleep(0.005)
        ready = self.events("ready")[0]
        self.port = int(ready["port"])
        self.grpc_port = int(ready.get("grpc_port") or 0)
        self.admin_port = int(ready.get("admin_port") or 0)

    def _read(self, pipe, lists):
        for line in pipe:
            text = line.decode("utf-8", "backslashreplace").rstrip("\n")
            for each in lists:
                each.append(text)
            if text.startswith("{"):
                with contextlib.suppress(ValueError):
                    self._events.append(json.loads(text))

    def events(self, name=None):
        """The JSON log lines so far, all or those of one event."""
        return [e for e in list(self._events) if name is None or e.get("event") == name]

    def access(self, request_id, seconds=5):
        """The access line of a request; waits for it."""
        def found():
            return [e for e in self.events("request") if e.get("request_id") == request_id]
        wait_until(found, seconds, f"the access line of {request_id}")
        return found()

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            self._close_pipes()

    def wait(self, seconds=15):
        """Waits for the end; returns the exit code."""
        try:
            code = self.process.wait(slow(seconds))
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"weir did not end within {slow(seconds):.0f} s:\n" +
                                 "\n".join(self.lines[-20:])) from None
        self._close_pipes()
        return code

    def _close_pipes(self):
        for reader in self._readers:
            reader.join(5)
        self.process.stdout.close()
        self.process.stderr.close()

    def stop(self, code=0):
        """SIGTERM; asserts the exit code and that nothing was reported. Once: more calls do
        nothing."""
        if self.stopped:
            return
        self.stopped = True
        try:
            if self.channel_ is not None:
                self.channel_.close()
                self.channel_ = None
            if self.process.poll() is None:
                self.signal()
            ended = self.wait()
            if ended != code or self.reports():
                raise AssertionError(f"weir ended with {ended}, expected {code}:\n" +
                                     "\n".join(self.lines[-40:] if not self.reports()
                                               else self.errors))
        finally:
            self.kill()
            shutil.rmtree(self.directory, ignore_errors=True)

    def reports(self):
        """Lines of a sanitizer or of a broken invariant."""
        return [line for line in self.errors if any(word in line for word in REPORTS)]

    def alive(self):
        return self.process.poll() is None

    def rss_kb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(file.read().split("VmRSS:")[1].split()[0])

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def metric(self, name):
        """The value of a metric without labels."""
        got = self.raw(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                       port=self.admin_port).decode()
        return int(re.search(rf"^{name}(?:_total)? (\d+)", got, re.MULTILINE)[1])

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.kill()
            shutil.rmtree(self.directory, ignore_errors=True)

    # --- Clients ---

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def channel(self):
        if self.channel_ is None:
            self.channel_ = self.new_channel()
        return self.channel_

    def new_channel(self, port=None, *options):
        return grpc.insecure_channel(
            f"127.0.0.1:{port or self.grpc_port or self.port}",
            options=[("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1),
                     ("grpc.max_send_message_length", -1),
                     ("grpc.max_receive_message_length", -1), *options])

    def connect(self, port=None, seconds=10):
        """A raw socket to the REST port, or to another."""
        return socket.create_connection(("127.0.0.1", port or self.port), slow(seconds))

    def raw(self, data, port=None, seconds=5):
        """Sends bytes, returns what comes until the peer closes or the time is over."""
        with self.connect(port, seconds) as connection:
            return exchange(connection, data)

    def curl(self, path, body=None, *, verb=None, headers=(), json_type=True, arguments=(),
             seconds=30):
        """One REST request by curl."""
        command, data = curl_command(self.url + path, body, verb, headers, json_type)
        command += ["--max-time", str(slow(seconds)), "-i", *arguments]
        done = subprocess.run(command, input=data, capture_output=True, check=False)
        if done.returncode != 0:
            raise CurlFailed(done.returncode, done.stderr.decode().strip(), done.stdout)
        return Reply.parse(done.stdout)

    def sse(self, path, body=b"{}", *, headers=(), seconds=30):
        """A stream by curl, read as it comes."""
        command, data = curl_command(self.url + path, body, None, headers, True)
        return SseStream([*command, "--no-buffer", "-i", "--max-time", str(slow(seconds))], data)


def _write_files(directory, files):
    for name, text in (files or {}).items():
        path = os.path.join(directory, name)
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(text)


def run_once(*flags, settings=None, files=None, binary=None, modes=None, seconds=10):
    """Runs weir until it ends by itself. modes: file name -> permissions. A weir that is still
    running after `seconds` is a failure."""
    with tempfile.TemporaryDirectory(prefix="weir-test-") as directory:
        _write_files(directory, files)
        for name, mode in (modes or {}).items():
            os.chmod(os.path.join(directory, name), mode)
        try:
            return subprocess.run(
                with_parent([binary or BINARY, *flags]), cwd=directory, text=True, check=False,
                env={**_environment(directory), "ADMIN_PORT": "0", **(settings or {})}, capture_output=True,
                stdin=subprocess.DEVNULL, timeout=slow(seconds))
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"weir {flags} runs on: {error.output} {error.stderr}") from None


def _environment(directory):
    given = {
        # The quarantine of freed memory is part of what tests measure as growth.
        "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:exitcode=99:"
                        "quarantine_size_mb=16",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "LSAN_OPTIONS": f"suppressions={SUPPORT}/lsan.supp:print_suppressions=0",
        "TSAN_OPTIONS": f"suppressions={SUPPORT}/tsan.supp:exitcode=99:second_deadlock_stack=1",
    }
    options = {name: os.environ.get(name, value) for name, value in given.items()}
    return {"PATH": os.environ["PATH"], "HOME": directory, **options}


def exchange(connection, data):
    """Sends, then reads until the end or the time-out of the socket."""
    got = b""
    try:
        connection.sendall(data)
        while True:
            part = connection.recv(65536)
            if not part:
                break
            got += part
    except (TimeoutError, ConnectionError):
        pass
    return got
