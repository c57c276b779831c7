"""TLS on both listeners (H12): versions, ALPN, client certificates, reload without losing anyone."""
import contextlib
import os
import shutil
import signal
import socket
import ssl
import struct
import time

import grpc

from authority import Authority, AuthorityCase
from harness import BINARY, GrpcCaller, Weir, exchange, main, run_once, slow, wait_until
from tokens import SECRET, claims, hs256

JOKE = (b"POST /tell-joke HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\n\r\n{}")
SPIFFE = "spiffe://example.org/ns/shop/sa/cart"


def read(path):
    with open(path, "rb") as file:
        return file.read()


class TlsCase(AuthorityCase):
    def weir(self, **settings):
        return Weir({"TLS_CERT_FILE": self.cert, "TLS_KEY_FILE": self.key, **settings},
                    debug=True)

    def context(self, client=None, alpn=("http/1.1",), authority=None):
        context = ssl.create_default_context(cafile=(authority or self.authority).cert)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if client:
            context.load_cert_chain(*client)
        return context

    def connect(self, port, context):
        raw = socket.create_connection(("127.0.0.1", port), slow(5))
        return context.wrap_socket(raw, server_hostname="localhost")

    def joke(self, connection):
        connection.sendall(JOKE)
        got = b""
        while b"}" not in got:
            part = connection.recv(65536)
            if not part:
                break
            got += part
        return got

    def channel(self, weir, client=None, authority=None):
        credentials = grpc.ssl_channel_credentials(
            read((authority or self.authority).cert), *(map(read, reversed(client))
                                                        if client else ()))
        return grpc.secure_channel(
            f"127.0.0.1:{weir.grpc_port}", credentials,
            options=[("grpc.ssl_target_name_override", "localhost"),
                     ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)])

    def call(self, weir, rpc="TellJoke", seconds=10, **how):
        channel = self.channel(weir, **how)
        try:
            return GrpcCaller(weir, channel)(rpc, {}, seconds=seconds)
        finally:
            channel.close()

    def refused(self, weir, context):
        """No answer is to be had: the handshake fails, or, with TLS 1.3, what follows it."""
        with contextlib.suppress(OSError):
            with self.connect(weir.port, context) as connection:
                return b" 200 " not in self.joke(connection)
        return True


class Plain(TlsCase):
    def test_both_protocols(self):
        for shared, guard in (("false", "on"), ("true", "on"), ("true", "off")):
            with self.subTest(single_port=shared, guard=guard), \
                    self.weir(SINGLE_PORT=shared, GRPC_GUARD=guard) as weir:
                for alpn in (("http/1.1",), ("h2", "http/1.1"), ()):
                    with self.connect(weir.port, self.context(alpn=alpn)) as connection:
                        for _ in range(3):
                            self.assertIn(b" 200 ", self.joke(connection))
                        self.assertIn(connection.selected_alpn_protocol(), ("http/1.1", None))
                for rpc in ("TellJoke", "TellStory", "ReviewCode"):
                    outcome = self.call(weir, rpc)
                    self.assertTrue(outcome.ok, outcome.detail)
                self.assertEqual(weir.access(outcome.request_id)[0]["peer"], "127.0.0.1")

    def test_alpn(self):
        with self.weir() as weir:
            with self.connect(weir.grpc_port, self.context(alpn=("h2",))) as connection:
                self.assertEqual(connection.selected_alpn_protocol(), "h2")
            for port, alpn in ((weir.port, ("h2",)), (weir.grpc_port, ("http/1.1",)),
                               (weir.port, ("nonsense",))):
                with self.subTest(alpn=alpn), self.assertRaises(ssl.SSLError):
                    self.connect(port, self.context(alpn=alpn)).close()

    def test_versions(self):
        for least, version, fine in (("1.2", "TLSv1_2", True), ("1.2", "TLSv1_3", True),
                                     ("1.3", "TLSv1_3", True), ("1.3", "TLSv1_2", False)):
            with self.subTest(least=least, version=version), \
                    self.weir(TLS_MIN_VERSION=least) as weir:
                for port, alpn in ((weir.port, "http/1.1"), (weir.grpc_port, "h2")):
                    context = self.context(alpn=(alpn,))
                    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
                    if fine:
                        self.connect(port, context).close()
                    else:
                        with self.assertRaises(ssl.SSLError):
                            self.connect(port, context).close()

    def test_old_ciphers_are_refused(self):
        with self.weir() as weir:
            for ciphers in ("AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA"):
                context = self.context()
                context.maximum_version = ssl.TLSVersion.TLSv1_2
                context.set_ciphers(ciphers)
                with self.subTest(ciphers=ciphers), self.assertRaises(ssl.SSLError):
                    self.connect(weir.port, context).close()

    def test_plain_text_and_silence_end(self):
        with self.weir() as weir:
            held = []
            for port in (weir.port, weir.grpc_port):
                held.append(weir.connect(port, seconds=9))
                held[-1].sendall(b"\x16\x03\x01")  # part of a handshake
                got = weir.raw(JOKE, port, seconds=8)
                self.assertNotIn(b"200", got)
            begin = time.monotonic()
            for connection in held:
                self.assertEqual(exchange(connection, b""), b"")
                connection.close()
            self.assertLess(time.monotonic() - begin, slow(7.5))

    def test_large_messages_and_slow_readers(self):
        for shared in ("false", "true"):
            with self.weir(SINGLE_PORT=shared) as weir:
                channel = self.channel(weir)
                outcome = GrpcCaller(weir, channel)("TellJoke", {"name": "x" * 1_000_000})
                self.assertEqual(outcome.code, "INVALID_ARGUMENT", outcome.detail)
                channel.close()
                with self.connect(weir.port, self.context()) as connection:
                    body = b'{"text": "' + b"w" * 9000 + b'"}'
                    request = (b"POST /translate HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                               b"application/json\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
                    connection.sendall(request * 40)
                    time.sleep(0.3)
                    got = b""
                    while got.count(b"HTTP/1.1 200") < 40:
                        part = connection.recv(65536)
                        self.assertTrue(part)
                        got += part

    def test_clients_that_reset_are_let_go(self):
        """h2o's own TLS on libuv would keep each of these connections for ever."""
        with self.weir() as weir:
            self.connect(weir.port, self.context()).close()
            before = weir.open_files()
            for i in range(20):
                connection = self.connect(weir.port, self.context())
                connection.sendall(JOKE * (i % 3))
                time.sleep(0.01 * (i % 2))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      struct.pack("ii", 1, 0))
                connection.close()
            wait_until(lambda: weir.open_files() <= before + 3, 5, "the end of 20 connections")

    def test_a_chunk_without_end(self):
        """h2o drops the extension of a chunk, and would go on for ever."""
        with self.weir() as weir, self.connect(weir.port, self.context()) as connection:
            connection.sendall(JOKE.split(b"Content-Length")[0] +
                               b"Transfer-Encoding: chunked\r\n\r\n1;")
            with self.assertRaises(OSError):
                for _ in range(1000):
                    connection.sendall(b"a" * 65_536)
            wait_until(lambda: weir.events("connection_ended"), 5, "the end")
            self.assertEqual(weir.events("connection_ended")[0]["rule"], "body_bytes")
            with self.connect(weir.port, self.context()) as other:
                self.assertIn(b" 200 ", self.joke(other))

    def test_the_health_check_of_containers(self):
        for ca in ("", self.authority.cert):
            with self.weir(TLS_CLIENT_CA_FILE=ca) as weir:
                done = run_once("--health", "--port", str(weir.port), settings={
                    "HOST": "127.0.0.1", "AUTH_MODE": "none", "LLM_PROVIDER": "offline",
                    "TLS_CERT_FILE": self.cert, "TLS_KEY_FILE": self.key,
                    "TLS_CLIENT_CA_FILE": ca})
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_sessions_resume(self):
        with self.weir() as weir:
            context = self.context()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            first = self.connect(weir.port, context)
            session = first.session
            first.close()

            def resumed():
                raw = socket.create_connection(("127.0.0.1", weir.port), slow(5))
                with context.wrap_socket(raw, server_hostname="localhost",
                                         session=session) as again:
                    return again.session_reused
            self.assertTrue(resumed())
            weir.signal(signal.SIGHUP)
            wait_until(lambda: weir.events("certificates_reloaded"), 5, "the reload")
            self.assertFalse(resumed(), "a ticket outlived its keys")


class Clients(TlsCase):
    """Client certificates: needed by both protocols, and named in the access line."""

    def setUp(self):
        self.other = Authority("somebody else")
        self.addCleanup(self.other.remove)
        self.spiffe = self.authority.issue("/CN=cart", f"URI:{SPIFFE}")
        self.subject = self.authority.issue("/O=Shop/CN=till 4", "DNS:till4.example.org")

    def test_required_and_named(self):
        for shared in ("false", "true"):
            with self.subTest(single_port=shared), \
                    self.weir(TLS_CLIENT_CA_FILE=self.authority.cert, SINGLE_PORT=shared) as weir:
                for client, name in ((self.spiffe, SPIFFE), (self.subject, "CN=till 4,O=Shop")):
                    with self.connect(weir.port, self.context(client)) as connection:
                        for _ in range(2):
                            self.assertIn(b" 200 ", self.joke(connection))
                    outcome = self.call(weir, client=client)
                    self.assertTrue(outcome.ok, outcome.detail)
                    self.assertEqual(weir.access(outcome.request_id)[0]["certificate"], name)
                    lines = [e["certificate"] for e in weir.events("request")
                             if e["protocol"] == "rest"]
                    self.assertEqual(lines[-1], name)
                stranger = self.other.issue("/CN=cart", f"URI:{SPIFFE}")
                for client in (None, stranger):
                    self.assertTrue(self.refused(weir, self.context(client)))
                    self.assertEqual(self.call(weir, client=client, seconds=3).code,
                                     "UNAVAILABLE")

    def test_a_resumed_session_keeps_its_name(self):
        with self.weir(TLS_CLIENT_CA_FILE=self.authority.cert) as weir:
            context = self.context(self.spiffe)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            first = self.connect(weir.port, context)
            self.joke(first)
            session = first.session
            first.close()
            raw = socket.create_connection(("127.0.0.1", weir.port), slow(5))
            with context.wrap_socket(raw, server_hostname="localhost", session=session) as again:
                self.assertTrue(again.session_reused)
                self.assertIn(b" 200 ", self.joke(again))
            wait_until(lambda: len(weir.events("request")) == 2, 5, "two lines")
            self.assertEqual([e["certificate"] for e in weir.events("request")], [SPIFFE] * 2)

    def test_spiffe_ids_that_are_none(self):
        two = self.authority.issue("/CN=two", f"URI:{SPIFFE},URI:{SPIFFE}2")
        other = self.authority.issue("/CN=other", "URI:https://example.org/cart")
        with self.weir(TLS_CLIENT_CA_FILE=self.authority.cert) as weir:
            for client, name in ((two, "CN=two"), (other, "CN=other")):
                outcome = self.call(weir, client=client)
                self.assertEqual(weir.access(outcome.request_id)[0]["certificate"], name)


class Identity(TlsCase):
    """The certificate says who calls, unless the request itself does."""

    def rest(self, weir, client, path="/tell-joke", extra=""):
        """(status, body) of a call."""
        request = (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n{extra}"
                   "Content-Type: application/json\r\nConnection: close\r\n\r\n{}")
        with self.connect(weir.port, self.context(client)) as connection:
            connection.sendall(request.encode())
            got = b""
            while True:
                part = connection.recv(65536)
                if not part:
                    return int(got.split()[1]), got.decode()
                got += part

    def events(self, weir, name, protocol):
        """At least one; the log's thread may write it after the answer."""
        def found():
            return [e for e in weir.events(name) if e.get("protocol") == protocol]
        wait_until(found, 5, f"{name} over {protocol}")
        return found()

    def test_both_protocols(self):
        spiffe = self.authority.issue("/CN=cart", f"URI:{SPIFFE}")
        subject = self.authority.issue("/O=Shop/CN=till 4", "DNS:till4.example.org")
        with self.weir(TLS_CLIENT_CA_FILE=self.authority.cert, AUTH_MODE="required",
                       TLS_CLIENT_SCOPES="flow:tell_joke,flow:tell_story") as weir:
            for client, name in ((spiffe, SPIFFE), (subject, "CN=till 4,O=Shop")):
                status, said = self.rest(weir, client)
                self.assertEqual(status, 200, said)
                self.assertIn("ratelimit-policy: \"authenticated\"", said)
                outcome = self.call(weir, client=client)
                self.assertTrue(outcome.ok, outcome.detail)
                self.assertEqual(weir.access(outcome.request_id)[0]["tenant"], name)
                for protocol in ("rest", "grpc"):
                    event = self.events(weir, "auth_success", protocol)[-1]
                    self.assertEqual((event["credential"], event["tenant"], event["subject"]),
                                     ("certificate", name, name))
                status, said = self.rest(weir, client, "/review-code")
                self.assertEqual(status, 403, said)
                self.assertIn("insufficient_scope", said)
                self.assertEqual(self.call(weir, "ReviewCode", client=client).code,
                                 "PERMISSION_DENIED")

    def test_the_request_s_own_credential_comes_first(self):
        client = self.authority.issue("/CN=gateway", "DNS:gateway.example.org")
        good = hs256(SECRET, claims(tenant="acme"))
        with self.weir(TLS_CLIENT_CA_FILE=self.authority.cert, AUTH_MODE="required",
                       JWT_SECRET=SECRET, JWT_ALGORITHMS="HS256") as weir:
            for token, status, code, event in ((good, 200, "OK", "auth_success"),
                                               (good[:-3] + "AAA", 401, "UNAUTHENTICATED",
                                                "auth_failure")):
                got, said = self.rest(weir, client, extra=f"Authorization: Bearer {token}\r\n")
                self.assertEqual(got, status, said)
                channel = self.channel(weir, client)
                outcome = GrpcCaller(weir, channel)(
                    "TellJoke", {}, metadata=[("authorization", f"Bearer {token}")])
                channel.close()
                self.assertEqual(outcome.code, code, outcome.detail)
                for protocol in ("rest", "grpc"):
                    found = self.events(weir, event, protocol)[-1]
                    self.assertEqual(found.get("tenant"), "acme" if status == 200 else None)
                    self.assertEqual(found.get("reason"), None if status == 200 else "signature")


class Reload(TlsCase):
    def test_nobody_is_lost(self):
        with changeable(self) as (cert, key), \
                Weir({"TLS_CERT_FILE": cert, "TLS_KEY_FILE": key}, debug=True) as weir:
            rest = self.connect(weir.port, self.context())
            channel = self.channel(weir)
            rpc = GrpcCaller(weir, channel)
            self.assertTrue(rpc("TellJoke", {}).ok)
            before = rest.getpeercert()["serialNumber"]
            next_cert, next_key = self.authority.issue()
            # Half of the change: the key does not fit, and what was there stays.
            shutil.copyfile(next_cert, cert)
            weir.signal(signal.SIGHUP)
            wait_until(lambda: weir.events("certificates_kept"), 5, "the refusal")
            self.assertIn("TLS_KEY_FILE", weir.events("certificates_kept")[0]["reason"])
            with self.connect(weir.port, self.context()) as other:
                self.assertEqual(other.getpeercert()["serialNumber"], before)
            shutil.copyfile(next_key, key)
            weir.signal(signal.SIGHUP)
            wait_until(lambda: weir.events("certificates_reloaded"), 5, "the reload")
            for port, alpn in ((weir.port, "http/1.1"), (weir.grpc_port, "h2")):
                with self.connect(port, self.context(alpn=(alpn,))) as other:
                    self.assertNotEqual(other.getpeercert()["serialNumber"], before)
            self.assertIn(b" 200 ", self.joke(rest))
            self.assertTrue(rpc("TellJoke", {}).ok)
            rest.close()
            channel.close()


@contextlib.contextmanager
def changeable(case):
    """The case's certificate and key as files that a test may change."""
    cert, key = (os.path.join(case.authority.folder, f"used.{kind}") for kind in ("pem", "key"))
    shutil.copyfile(case.cert, cert)
    shutil.copyfile(case.key, key)
    os.chmod(key, 0o600)
    yield cert, key


class Settings(TlsCase):
    def refuse(self, setting, **settings):
        done = run_once("--port", "0", "--grpc-port", "0", settings={
            "AUTH_MODE": "none", "LLM_PROVIDER": "offline", "HOST": "127.0.0.1", **settings},
            binary=BINARY)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(setting, done.stdout + done.stderr)

    def test_what_does_not_fit_is_named(self):
        other = self.authority.issue()
        both = {"TLS_CERT_FILE": self.cert, "TLS_KEY_FILE": self.key}
        self.refuse("TLS_KEY_FILE", TLS_CERT_FILE=self.cert)
        self.refuse("TLS_CERT_FILE", TLS_KEY_FILE=self.key)
        self.refuse("TLS_CLIENT_CA_FILE", TLS_CLIENT_CA_FILE=self.cert)
        self.refuse("TLS_KEY_FILE", TLS_CERT_FILE=self.cert, TLS_KEY_FILE=other[1])
        self.refuse("TLS_KEY_FILE", TLS_CERT_FILE=self.cert, TLS_KEY_FILE="/nonexistent")
        self.refuse("TLS_CERT_FILE", TLS_CERT_FILE=self.key, TLS_KEY_FILE=self.key)
        self.refuse("TLS_CLIENT_CA_FILE", **both, TLS_CLIENT_CA_FILE=self.key)
        self.refuse("TLS_MIN_VERSION", **both, TLS_MIN_VERSION="1.1")

    def test_a_key_that_others_can_read(self):
        os.chmod(self.key, 0o644)
        try:
            self.refuse("TLS_KEY_FILE", TLS_CERT_FILE=self.cert, TLS_KEY_FILE=self.key)
        finally:
            os.chmod(self.key, 0o600)


if __name__ == "__main__":
    main()
