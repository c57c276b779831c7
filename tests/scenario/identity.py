"""Who may call, over both protocols: tokens, API keys, scopes, and every way around them that is
known (I1-I6, S5)."""
import json
import os
import signal
import subprocess
import time
import unittest

from callers import ask, bearer
from bad_tokens import bad_contents
from harness import BINARY, Scenario, Weir, both, main, over_both, run_once, wait_until
from tokens import REQUIRED, SECRET, Key, api_key, b64, claims, hs256

RSA, OTHER, EC, ED = Key(), Key(), Key("EC"), Key("ED25519")
KEY, LINE = api_key(1, limit="100/second")
NARROW, NARROW_LINE = api_key(2, scopes="flow:tell_joke", tenant="small")
OLD, OLD_LINE = api_key(3, expires="2020-01-01")
STRANGER, _ = api_key(9)


def tearDownModule():
    for key in (RSA, OTHER, EC, ED):
        key.close()


class Closed(Scenario):
    """What the tests of a weir that requires somebody share."""
    settings = {**REQUIRED, "JWT_PUBLIC_KEY_FILE": "public.pem", "API_KEYS_FILE": "api_keys",
                "JWT_ALGORITHMS": "RS256,ES256,PS256,EdDSA"}
    files = {"public.pem": RSA.public_pem + EC.public_pem + ED.public_pem,
             "api_keys": LINE + NARROW_LINE + OLD_LINE}

    def assert_refused(self, outcome, error="invalid_token"):
        """401 with the challenge of RFC 6750; error None: none, as no credential came."""
        self.assert_ends(outcome, 401, "UNAUTHENTICATED")
        if outcome.reply is not None:
            challenge = outcome.reply.headers.get("www-authenticate", "")
            self.assertTrue(challenge.startswith("Bearer "), outcome.reply.headers)
            self.assertEqual(f'error="{error}"' in challenge, error is not None, challenge)
            self.assertEqual("error=" in challenge, error is not None, challenge)
            self.assert_problem(outcome.reply, 401, "UNAUTHENTICATED")
        return outcome


class Tokens(Closed):
    @over_both
    def test_good_tokens(self, call):
        for token in (RSA.token(), RSA.token(algorithm="PS256"), EC.token(), ED.token(),
                      RSA.token(header={"alg": "RS256"}),
                      RSA.token(header={"alg": "RS256", "typ": "at+jwt"}),
                      RSA.token(claims(aud=["other", "weir"])),
                      RSA.token(claims(exp=int(time.time()) - 30)),  # within the leeway
                      RSA.token(claims(scope=None, scp=["flow:tell_joke", "x"]))):
            self.assert_ok(ask(call, bearer(token)))
        self.assert_ok(ask(call, ("authorization", f"bearer  {RSA.token()}")))

    @over_both
    def test_the_subject_is_the_default_username(self, call):
        outcome = self.assert_ok(ask(call, bearer(RSA.token())))
        self.assertEqual(outcome.answer["username"], "ada")
        outcome = ask(call, bearer(RSA.token()), request={"username": "Grace"})
        self.assertEqual(outcome.answer["username"], "Grace")

    @over_both
    def test_streams_too(self, call):
        self.assert_ok(ask(call, bearer(RSA.token()), rpc="TellStory"))
        self.assert_refused(ask(call, rpc="TellStory"), None)

    @over_both
    def test_no_credential(self, call):
        self.assert_refused(ask(call), None)
        self.assert_refused(ask(call, ("Authorization", "Basic YTpi")), None)
        self.assert_refused(ask(call, ("Authorization", RSA.token())), None)

    @over_both
    def test_bad_tokens(self, call):
        now = int(time.time())
        good = RSA.token()
        head, body, signature = good.split(".")
        middle = len(signature) // 2
        other = "A" if signature[middle] != "A" else "B"
        bad = {
            "expired": RSA.token(claims(exp=now - 61)),
            "no expiry": RSA.token(claims(exp=None)),
            "expiry as text": RSA.token(claims(exp=str(now + 100))),
            "expiry as fraction": RSA.token(claims(exp=now + 100.5)),
            "not yet": RSA.token(claims(nbf=now + 90)),
            "other audience": RSA.token(claims(aud="other")),
            "no audience": RSA.token(claims(aud=None)),
            "other issuer": RSA.token(claims(iss="https://issuer.test/")),
            "no issuer": RSA.token(claims(iss=None)),
            "no subject": RSA.token(claims(sub=None)),
            "empty subject": RSA.token(claims(sub="")),
            "empty tenant": RSA.token(claims(tenant="")),
            "another's key": OTHER.token(),
            "none": f"{b64({'alg': 'none'})}.{body}.",
            "none, signed": RSA.token(header={"alg": "none"}),
            "None": RSA.token(header={"alg": "None"}),
            "the public key as secret": hs256(RSA.public_pem),
            "a file of public keys as secret": hs256(self.files["public.pem"]),
            "no secret": hs256("\0"),
            "lower case": RSA.token(header={"alg": "rs256"}),
            "another algorithm": RSA.token(header={"alg": "PS256"}, algorithm="RS256"),
            "of another key": RSA.token(header={"alg": "ES256"}, algorithm="RS256"),
            "crit": RSA.token(header={"alg": "RS256", "crit": ["x"], "x": 1}),
            "another type": RSA.token(header={"alg": "RS256", "typ": "logout+jwt"}),
            "its own key": OTHER.token(header={"alg": "RS256", "jwk": OTHER.jwk}),
            "a key elsewhere": OTHER.token(header={"alg": "RS256",
                                                   "jku": f"{self.weir.url}/health"}),
            "duplicate header": RSA.token(header='{"alg":"none","alg":"RS256"}'),
            "duplicate claim": RSA.token(json.dumps(claims())[:-1] + ',"sub":"eve"}'),
            "tampered": f"{head}.{b64(claims(sub='eve'))}.{signature}",
            "tampered signature": f"{head}.{body}.{signature[:middle]}{other}"
                                  f"{signature[middle + 1:]}",
            "cut": good[:-4],
            "no signature": f"{head}.{body}.",
            "two parts": f"{head}.{body}",
            "four parts": good + "." + signature,
            "padding": good + "==",
            "junk": good + "!!!!",
            "not base64url": "a+/=.b.c",
            "array": RSA.token("[1]"),
            "long": RSA.token(claims(x="x" * 8000)),
            **bad_contents(RSA, OTHER),
        }
        for name, token in bad.items():
            with self.subTest(name):
                outcome = self.assert_refused(ask(call, bearer(token)))
                self.assertIn(outcome.detail, ("The credential is not valid.",
                                               "The credential has expired."))
                self.assertEqual("expired" in outcome.detail, name == "expired")

    @over_both
    def test_one_credential_only(self, call):
        token = RSA.token()
        for pairs in ((bearer(token), bearer(token)), (bearer(token), ("X-API-Key", KEY)),
                      (("X-API-Key", KEY), ("X-API-Key", KEY)),
                      (bearer(token), ("Authorization", "Basic YTpi"))):
            outcome = self.assert_ends(ask(call, *pairs), 400, "INVALID_ARGUMENT")
            if outcome.reply is not None:
                self.assertIn('error="invalid_request"', outcome.reply.headers["www-authenticate"])

    @over_both
    def test_scopes(self, call):
        token = RSA.token(claims(scope="openid flow:tell_joke"))
        self.assert_ok(ask(call, bearer(token)))
        for scope in ("flow:tell_joke", "", None, "flow:tell", "flow:translate_text2", "flow:",
                      "FLOW:*", "*", "flow:translate"):
            with self.subTest(scope=scope):
                outcome = ask(call, bearer(RSA.token(claims(scope=scope))), rpc="TranslateText")
                self.assert_ends(outcome, 403, "PERMISSION_DENIED")
                if outcome.reply is not None:
                    challenge = outcome.reply.headers["www-authenticate"]
                    self.assertIn('error="insufficient_scope"', challenge)
                    self.assertIn('scope="flow:translate_text"', challenge)

    @over_both
    def test_identity_comes_before_the_body(self, call):
        """A stranger learns nothing about the rules of a request."""
        outcome = ask(call, request={"name": "x" * 500})
        self.assert_refused(outcome, None)
        self.assertEqual(outcome.violations, {})

    def test_health_and_version_are_for_all(self):
        for path in ("/health", "/healthz", "/live", "/ready", "/_up", "/version"):
            self.assertIn(self.weir.curl(path).status, (200, 204), path)
        self.assertTrue(self.rpc("Health", {}).ok)
        check = self.weir.channel.unary_unary("/grpc.health.v1.Health/Check")
        self.assertEqual(check(b"", timeout=10), b"\x08\x01")

    @over_both
    def test_security_events(self, call):
        token, forged = RSA.token(claims(tenant="acme")), OTHER.token()
        ids = {"fine": ask(call, bearer(token)).request_id,
               "bad": ask(call, bearer(forged)).request_id, "none": ask(call).request_id,
               "key": ask(call, ("X-API-Key", KEY)).request_id}

        def event(name):
            found = [e for e in self.weir.events() if e.get("logger") == "audit" and
                     e.get("request_id") == ids[name]]
            return found[0] if found else None
        wait_until(lambda: all(event(name) for name in ids), 5, "the security events")
        fine, bad, none, key = (event(name) for name in ("fine", "bad", "none", "key"))
        self.assertEqual((fine["event"], fine["tenant"], fine["subject"], fine["credential"]),
                         ("auth_success", "acme", "ada", "token"))
        self.assertEqual((bad["event"], bad["reason"]), ("auth_failure", "signature"))
        self.assertEqual((none["event"], none["reason"]), ("auth_failure", "no_credential"))
        self.assertEqual((key["event"], key["subject"]), ("auth_success", "testkey001"))
        self.assertEqual(self.weir.access(ids["fine"])[0]["tenant"], "acme")
        self.assertNotIn("tenant", self.weir.access(ids["bad"])[0])
        for each in (fine, bad, none, key):
            self.assertEqual(each["peer"], "127.0.0.1")
        said = "\n".join(self.weir.lines)
        for secret in (token, forged, token.split(".")[2], forged.split(".")[2], KEY):
            self.assertNotIn(secret, said)


class ApiKeys(Closed):
    @over_both
    def test_good_keys(self, call):
        for pair in (("X-API-Key", KEY), bearer(KEY)):
            self.assert_ok(ask(call, pair))
            self.assert_ok(ask(call, pair, rpc="TellStory"))

    @over_both
    def test_bad_keys(self, call):
        flipped = KEY[:-1] + ("0" if KEY[-1] != "0" else "1")
        for key in (STRANGER, flipped, KEY + "0", KEY[:-1], KEY.upper(), "weir_", "x",
                    KEY.replace("001", "002"), RSA.token()):
            with self.subTest(key=key):
                self.assert_refused(ask(call, ("X-API-Key", key)))
        self.assert_refused(ask(call, bearer(flipped)))
        self.assert_refused(ask(call, ("X-API-Key", OLD)))

    @over_both
    def test_scopes(self, call):
        self.assert_ok(ask(call, ("X-API-Key", NARROW)))
        self.assert_ends(ask(call, ("X-API-Key", NARROW), rpc="TellStory"), 403,
                         "PERMISSION_DENIED")

    @over_both
    def test_the_file_changes(self, call):
        path = os.path.join(self.weir.directory, "api_keys")
        fresh, fresh_line = api_key(5)

        def write(text):
            with open(path + ".new", "w", encoding="ascii") as file:
                file.write(text)
            os.rename(path + ".new", path)
        self.assert_refused(ask(call, ("X-API-Key", fresh)))
        try:
            write(self.files["api_keys"] + fresh_line)
            wait_until(lambda: ask(call, ("X-API-Key", fresh)).ok, 10, "the new key")
            self.assert_ok(ask(call, ("X-API-Key", KEY)))  # both live: rotation
            before = len(self.weir.events("api_keys_not_read"))
            write("key=broken\n")
            wait_until(lambda: len(self.weir.events("api_keys_not_read")) > before, 10,
                       "the complaint")
            self.assertIn("line 1", self.weir.events("api_keys_not_read")[-1]["reason"])
            self.assert_ok(ask(call, ("X-API-Key", fresh)))  # the last good ones stay
            write(fresh_line)
            self.weir.signal(signal.SIGHUP)
            wait_until(lambda: not ask(call, ("X-API-Key", KEY)).ok, 10, "the old key's end")
            self.assert_ok(ask(call, ("X-API-Key", fresh)))
        finally:
            write(self.files["api_keys"])
            wait_until(lambda: ask(call, ("X-API-Key", KEY)).ok, 10, "the file as it was")

    @over_both
    def test_a_key_made_by_the_command(self, call):
        made = subprocess.run([BINARY, "keys", "new", "--tenant", "acme", "--scope",
                               "flow:tell_joke,flow:tell_story", "--limit", "50/minute",
                               "--expires", "1h"], capture_output=True, text=True, check=True)
        lines = [line for line in made.stdout.splitlines() if not line.startswith("#")]
        self.assertEqual(len(lines), 2)
        self.assertNotIn(lines[0].split("_")[2], lines[1])
        files = {"keys": lines[1] + "\n"}
        with Weir({"AUTH_MODE": "required", "API_KEYS_FILE": "keys"}, files=files) as weir:
            for each in both(weir):
                if each.protocol == call.protocol:
                    self.assert_ok(ask(each, ("X-API-Key", lines[0])))
                    self.assert_ends(ask(each, ("X-API-Key", lines[0]), rpc="PirateChat"), 403,
                                     "PERMISSION_DENIED")
                    self.assert_refused(ask(each, bearer(RSA.token())))


class Secret(Closed):
    settings = {**REQUIRED, "JWT_SECRET": SECRET, "JWT_ALGORITHMS": "HS256"}
    files = {}

    @over_both
    def test_secret(self, call):
        self.assert_ok(ask(call, bearer(hs256(SECRET))))
        self.assert_refused(ask(call, bearer(hs256(SECRET + "x"))))
        self.assert_refused(ask(call, bearer(RSA.token())))
        self.assert_refused(ask(call, ("X-API-Key", KEY)))


class Guessing(unittest.TestCase):
    """Bad credentials cost their address; to have none costs what an anonymous call costs."""

    # An hour, so that nothing comes back while the test runs.
    SETTINGS = {**REQUIRED, "JWT_SECRET": SECRET, "JWT_ALGORITHMS": "HS256",
                "RATE_LIMIT_DEFAULT": "60/hour"}

    def test_fifty_bad_tokens(self):
        good = hs256(SECRET)
        for which in range(2):
            with Weir(self.SETTINGS) as weir:
                call = both(weir)[which]
                with self.subTest(protocol=call.protocol):
                    self.assertTrue(ask(call, bearer(good)).ok)
                    ends = [ask(call, bearer(hs256(f"{SECRET}{i}"))) for i in range(50)]
                    self.assertEqual([end.code for end in ends], ["UNAUTHENTICATED"] * 30 +
                                     ["RESOURCE_EXHAUSTED"] * 20)
                    self.assertGreater(int(ends[-1].retry_after), 0)
                    # One limit for both protocols.
                    for other in both(weir):
                        self.assertEqual(ask(other, bearer(hs256("guess"))).code,
                                         "RESOURCE_EXHAUSTED")

    def test_sixty_without_a_token(self):
        good = hs256(SECRET)
        for which in range(2):
            with Weir(self.SETTINGS) as weir:
                call = both(weir)[which]
                with self.subTest(protocol=call.protocol):
                    self.assertEqual([ask(call).code for _ in range(70)],
                                     ["UNAUTHENTICATED"] * 60 + ["RESOURCE_EXHAUSTED"] * 10)
                    # Those who have one are not held up by those who do not.
                    for other in both(weir):
                        self.assertTrue(ask(other, bearer(good)).ok)


class Open(Scenario):
    """AUTH_MODE=none: nobody is asked who they are, but who says so has to be right."""
    settings = {"AUTH_MODE": "none", "JWT_PUBLIC_KEY_FILE": "public.pem"}
    files = {"public.pem": RSA.public_pem}

    @over_both
    def test_optional(self, call):
        self.assert_ok(ask(call))
        self.assert_ok(ask(call, ("Authorization", "Basic YTpi")))
        outcome = self.assert_ok(ask(call, bearer(RSA.token())))
        self.assertEqual(outcome.answer["username"], "ada")
        self.assert_ends(ask(call, bearer(OTHER.token())), 401, "UNAUTHENTICATED")
        self.assert_ends(ask(call, ("X-API-Key", KEY)), 401, "UNAUTHENTICATED")
        self.assert_ends(ask(call, bearer(RSA.token(claims(scope="x")))), 403,
                         "PERMISSION_DENIED")


class Unconfigured(Scenario):
    """AUTH_MODE=none and no way to know anybody: nothing is looked at, nobody is anybody."""

    @over_both
    def test_nothing_is_looked_at(self, call):
        for pairs in ((), (bearer(RSA.token()),), (bearer("sk-anything"),), (("X-API-Key", "x"),)):
            outcome = self.assert_ok(ask(call, *pairs))
            self.assertEqual(outcome.answer["username"], "")


class Settings(unittest.TestCase):
    def refuse(self, settings, name, files=None, modes=None):
        done = run_once("--port", "0", "--grpc-port", "0", files=files, modes=modes,
                        settings={"LLM_PROVIDER": "offline", "HOST": "127.0.0.1", **settings})
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertTrue(done.stderr.startswith(f"weir: {name}"), done.stderr)
        self.assertNotIn(SECRET[:20], done.stderr)
        return done.stderr

    def test_nothing_to_know_callers_by(self):
        said = self.refuse({}, "AUTH_MODE")
        for name in ("JWT_JWKS_URL", "JWT_PUBLIC_KEY_FILE", "API_KEYS_FILE"):
            self.assertIn(name, said)

    def test_sources(self):
        for name in ("JWT_JWKS_URL", "JWT_PUBLIC_KEY_URL"):
            for url in ("http://issuer.test/keys", "ftp://issuer.test", "issuer.test",
                        "https://user:pw@issuer.test/", "https://", "https://issuer.test/#x"):
                with self.subTest(name=name, url=url):
                    self.refuse({name: url}, name)
        self.refuse({"JWT_JWKS_URL": "https://a.test/", "JWT_PUBLIC_KEY_URL": "https://b.test/"},
                    "JWT_JWKS_URL")

    def test_algorithms_and_secrets(self):
        self.refuse({"JWT_SECRET": SECRET}, "JWT_SECRET")
        self.refuse({"JWT_SECRET": "short", "JWT_ALGORITHMS": "HS256"}, "JWT_SECRET")
        self.refuse({"JWT_JWKS_URL": "https://a.test/", "JWT_ALGORITHMS": "RS256,HS256"},
                    "JWT_ALGORITHMS")
        self.refuse({"JWT_JWKS_URL": "https://a.test/", "JWT_ALGORITHMS": "HS256",
                     "JWT_SECRET": SECRET}, "JWT_ALGORITHMS")
        for bad in ("none", "RS256,none", "rs256", "RS256,,ES256", "RS512", "RS256,RS256"):
            self.refuse({"JWT_JWKS_URL": "https://a.test/", "JWT_ALGORITHMS": bad},
                        "JWT_ALGORITHMS")
        self.refuse({"JWT_JWKS_URL": "https://a.test/", "JWT_LEEWAY": "61"}, "JWT_LEEWAY")

    def test_files(self):
        public = {"JWT_PUBLIC_KEY_FILE": "k"}
        self.refuse(public, "JWT_PUBLIC_KEY_FILE")
        self.refuse(public, "JWT_PUBLIC_KEY_FILE", files={"k": "hello"})
        self.refuse(public, "JWT_PUBLIC_KEY_FILE", files={"k": RSA.public_pem}, modes={"k": 0o666})
        with open(RSA.path, encoding="ascii") as file:
            said = self.refuse(public, "JWT_PUBLIC_KEY_FILE", files={"k": file.read()})
        self.assertIn("private key", said)
        api = {"API_KEYS_FILE": "k"}
        self.refuse(api, "API_KEYS_FILE")
        self.refuse(api, "API_KEYS_FILE", files={"k": LINE}, modes={"k": 0o620})
        said = self.refuse(api, "API_KEYS_FILE", files={"k": LINE + "what=ever\n"})
        self.assertIn("line 2", said)


class TokenCommand(unittest.TestCase):
    def test_tokens_for_development(self):
        for key, name in ((RSA, "RS256"), (EC, "ES256")):
            made = subprocess.run(
                [BINARY, "token", "--sub", "ada", "--tenant", "acme", "--scope", "flow:tell_joke",
                 "--scope", "flow:tell_story", "--ttl", "5m", "--issuer", "https://issuer.test",
                 "--audience", "weir", "--key-file", key.path], capture_output=True, text=True,
                check=True)
            with Weir({**REQUIRED, "JWT_PUBLIC_KEY_FILE": "k", "JWT_ALGORITHMS": name},
                      files={"k": key.public_pem}) as weir:
                for call in both(weir):
                    self.assertTrue(ask(call, bearer(made.stdout.strip())).ok)
                    self.assertEqual(ask(call, bearer(made.stdout.strip()),
                                         rpc="PirateChat").code, "PERMISSION_DENIED")


if __name__ == "__main__":
    main()
