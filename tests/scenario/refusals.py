"""Who is refused gets to read why, also if it speaks on meanwhile (RFC 9112, section 9.6): a socket
that is closed with bytes unread is reset, and that may overtake the answer."""
import contextlib
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from authority import Authority
from harness import Scenario, Weir, main, slow, wait_until

MOST_S = 5                       # that weir hears somebody out
MOST_BYTES = 8 << 20
HEAD = b"POST /tell-joke HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BODY = b" " * (4 << 20)
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"".join(b"%x\r\n%s\r\n" % (1 << 16, b" " * (1 << 16)) for _ in range(64)) + b"0\r\n\r\n"
TIMES = 6

HONEST = ("a long body", "a long body in chunks")
# name: (status, head, body)
REFUSED = {
    "a long body": (413, HEAD + LENGTH, BODY),
    "a long body in chunks": (413, HEAD + CHUNKED, CHUNKS),
    "a long body, HTTP/1.0": (413, HEAD.replace(b"1.1", b"1.0") + LENGTH, BODY),
    "a long body to nowhere": (413, HEAD.replace(b"tell-joke", b"nowhere") + LENGTH, BODY),
    "chunks that are none": (400, HEAD + CHUNKED, BODY),
    "a length that is none": (400, HEAD + b"Content-Length: 4MB\r\n", BODY),
    "two kinds of length": (400, HEAD + LENGTH + CHUNKED, CHUNKS[-(1 << 16) - 13:] + BODY),
    "an unknown coding": (400, HEAD + b"Transfer-Encoding: lzma\r\n", BODY),
    "an expectation": (417, HEAD + LENGTH + b"Expect: miracles\r\n", BODY),
    "a head that cannot be read": (400, HEAD + LENGTH + b"Bad Name: x\r\n", BODY),
    "a head without end": (400, HEAD + b"X-Long: ", BODY),
    "more requests than one": (400, HEAD.replace(b"Host", b"Toast") + b"Content-Length: 2\r\n",
                               b"{}" + BODY),
}


def all_of(connection):
    got = b""
    while part := connection.recv(1 << 16):
        got += part
    return got


def say_all_then_hear(connection, head, body):
    """Does not listen before it has said all. A reset is an error, whenever it comes."""
    connection.sendall(head + b"\r\n" + body)
    return all_of(connection)


def refuse(weir, held=False):
    """A connection that has been refused, and has read that; with `held`, it is open still."""
    connection = weir.connect()
    connection.sendall(HEAD + LENGTH + b"\r\n")
    assert b" 413 " in all_of(connection)
    if not held:
        connection.close()
    return connection


class Refusals:
    """Over whatever `connect` gives."""

    def assert_whole(self, status, got):
        head, _, body = got.partition(b"\r\n\r\n")
        self.assertEqual(int(head.split()[1]), status, got[:300])
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        self.assertEqual(len(body), int(fields[b"content-length"]), got)
        self.assertEqual(fields[b"connection"], b"close")

    def test_the_answer_is_read(self):
        for name, (status, head, body) in REFUSED.items():
            for i in range(TIMES * (4 if name in HONEST else 1)):
                with self.subTest(name, i=i), self.connect() as connection:
                    self.assert_whole(status, say_all_then_hear(connection, head, body))

    def test_the_last_of_several(self):
        """Those before went well, and the connection went on."""
        fine = HEAD + b"Content-Length: 2\r\n\r\n{}"
        for _ in range(TIMES):
            with self.connect() as connection:
                connection.sendall(3 * fine)
                got = say_all_then_hear(connection, HEAD + LENGTH, BODY)
            self.assertEqual(got.count(b" 200 OK\r\n"), 3)
            self.assert_whole(413, b"HTTP/1.1 413" + got.partition(b"HTTP/1.1 413")[2])

    def test_curl(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(BODY)
            file.flush()
            for i in range(TIMES):
                for how in (["-T", file.name, "-X", "POST"], ["--data-binary", "@" + file.name],
                            ["--data-binary", "@" + file.name, "-H", "Transfer-Encoding: chunked"]):
                    with self.subTest(how=how[0], i=i):
                        done = subprocess.run(
                            ["curl", "-sS", "-i", "--http1.1", "--max-time", str(slow(10)),
                             "-H", "Expect:", "-H", "Content-Type: application/json", *how,
                             *self.curl_flags, self.url + "/tell-joke"],
                            capture_output=True, check=False)
                        self.assertEqual(done.returncode, 0, done.stderr)
                        self.assert_whole(413, done.stdout)


class InClear(Refusals, Scenario):
    curl_flags = ()

    @property
    def url(self):
        return self.weir.url

    def connect(self):
        return self.weir.connect()


class OverTls(Refusals, Scenario):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.addClassCleanup(cls.authority.remove)
        cert, key = cls.authority.issue()
        cls.settings = {"TLS_CERT_FILE": cert, "TLS_KEY_FILE": key}
        super().setUpClass()

    @property
    def curl_flags(self):
        return ["--cacert", self.authority.cert]

    @property
    def url(self):
        return f"https://localhost:{self.weir.port}"

    def connect(self):
        context = ssl.create_default_context(cafile=self.authority.cert)
        context.set_alpn_protocols(["http/1.1"])
        return context.wrap_socket(self.weir.connect(), server_hostname="localhost")


class Bounds(unittest.TestCase):
    def test_they_count(self):
        """Whoever is heard out takes a place; when its time is over the place is free."""
        most = 5
        with Weir({"MAX_CONNECTIONS": str(most)}) as weir, contextlib.ExitStack() as stack:
            for _ in range(most):  # loops open what they need with their first connection
                refuse(weir)
            wait_until(lambda: weir.metric("weir_connections") == 0, MOST_S)
            before = weir.open_files()
            for _ in range(most):
                stack.enter_context(refuse(weir, held=True))
            self.assertEqual(weir.metric("weir_connections"), most)
            self.assertNotIn(b"200", weir.raw(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"))
            begin = time.monotonic()
            wait_until(lambda: weir.metric("weir_connections") == 0, MOST_S + 5)
            self.assertGreater(time.monotonic() - begin, 1)
            wait_until(lambda: weir.open_files() <= before, 5)
            self.assertEqual(weir.curl("/health").status, 200)

    def test_whoever_closes_is_not_waited_for(self):
        with Weir() as weir:
            for _ in range(20):
                refuse(weir)
            begin = time.monotonic()
            wait_until(lambda: weir.metric("weir_connections") == 0, MOST_S)
            self.assertLess(time.monotonic() - begin, MOST_S - 1)

    def test_a_client_that_ends_all_itself(self):
        """It asked for the end and has been answered: there is nothing to be heard."""
        with Weir() as weir, weir.connect() as connection:
            connection.sendall(HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}")
            self.assertIn(b" 200 ", all_of(connection))
            begin = time.monotonic()
            wait_until(lambda: weir.metric("weir_connections") == 0, MOST_S + 5)
            self.assertLess(time.monotonic() - begin, MOST_S - 1)

    def test_idle(self):
        """What was said last did not end this one: it is just closed when its time is over."""
        with Weir({"KEEP_ALIVE_TIMEOUT": "1s"}) as weir, weir.connect() as connection:
            connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
            self.assertIn(b" 200 ", all_of(connection))
            begin = time.monotonic()
            wait_until(lambda: weir.metric("weir_connections") == 0, MOST_S + 5)
            self.assertLess(time.monotonic() - begin, MOST_S - 1)

    def test_without_end(self):
        """Only so much is heard out, however fast it comes."""
        with Weir() as weir, refuse(weir, held=True) as connection:
            sent, begin = 0, time.monotonic()
            with contextlib.suppress(ConnectionError):
                while sent < 8 * MOST_BYTES:
                    sent += connection.send(BODY)
            self.assertGreaterEqual(sent, MOST_BYTES)
            self.assertLess(sent, 4 * MOST_BYTES)
            self.assertLess(time.monotonic() - begin, MOST_S)

    def test_drops(self):
        """A byte now and then does not make it longer."""
        with Weir() as weir, refuse(weir, held=True) as connection:
            begin = time.monotonic()
            with self.assertRaises(ConnectionError):
                while time.monotonic() < begin + slow(4 * MOST_S):
                    connection.send(b" ")
                    time.sleep(0.1)
            self.assertLess(time.monotonic() - begin, slow(MOST_S + 2))

    def test_drain(self):
        with Weir() as weir, refuse(weir, held=True), refuse(weir, held=True) as other:
            other.shutdown(socket.SHUT_RD)
            begin = time.monotonic()
            weir.signal(signal.SIGTERM)
            self.assertEqual(weir.wait(10), 0)
            self.assertLess(time.monotonic() - begin, MOST_S - 1)
            self.assertEqual(weir.events("drain_cut_short"), [])

    def test_drain_without_grace(self):
        with Weir({"SHUTDOWN_GRACE": "0"}) as weir, refuse(weir, held=True):
            weir.signal(signal.SIGTERM)
            self.assertEqual(weir.wait(10), 0)
            self.assertEqual(weir.events("drain_severed"), [])


if __name__ == "__main__":
    main()
