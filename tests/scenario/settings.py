"""Settings (D3): flags over environment over .<env>.env over .env over defaults; what is unknown or
ill-formed names itself and ends with 2; --check-config masks secrets."""
import re
import socket
import unittest

from harness import Weir, both, main, run_once

SECRET = "sk-THIS-IS-SECRET-4711"


class Refused(unittest.TestCase):
    def assert_refused(self, done, *names):
        output = done.stdout + done.stderr
        self.assertEqual(done.returncode, 2, output)
        for name in names:
            self.assertIn(name, output)
        self.assertLess(len(output.strip().splitlines()), 10, output)

    def test_unknown_flags(self):
        for flag in ("--no-such-flag", "--portt", "-x", "--PORT", "stray", "--port-", "--=3"):
            with self.subTest(flag=flag):
                self.assert_refused(run_once("--debug", flag, "1"), flag.split("=")[0])

    def test_bad_values_by_flag(self):
        for flag, value in (("--port", "70000"), ("--port", "-1"), ("--port", "http"),
                            ("--port", ""), ("--port", "80 "), ("--port", "0x50"),
                            ("--grpc-port", "99999999999999999999"), ("--log-level", "loud"),
                            ("--log-format", "xml"), ("--request-timeout", "10parsecs"),
                            ("--request-timeout", "-1s"), ("--request-timeout", "1e9"),
                            ("--max-body-size", "many"), ("--workers", "-3"),
                            ("--workers", "100000"), ("--llm-provider", "oracle"),
                            ("--llm-base-url", "not a url"), ("--shutdown-grace", "soon")):
            with self.subTest(flag=flag, value=value):
                done = run_once("--debug", "--port", "0", "--grpc-port", "0", flag, value)
                self.assertRegex(done.stdout + done.stderr,
                                 f"{flag}|{flag[2:].replace('-', '_').upper()}")
                self.assert_refused(done)

        self.assert_refused(run_once("--debug", "--access-log=perhaps"), "ACCESS_LOG")

    def test_a_host_that_is_none(self):
        done = run_once("--debug", "--port", "0", "--grpc-port", "0", "--host", "no such host!")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("HOST", done.stdout + done.stderr)

    def test_bad_values_by_environment_and_file(self):
        for name, value in (("PORT", "x"), ("REQUEST_TIMEOUT", "x"), ("SINGLE_PORT", "maybe"),
                            ("GZIP_MIN_SIZE", "x"), ("AUTH_MODE", "sometimes")):
            with self.subTest(name=name):
                self.assert_refused(run_once("--debug", settings={name: value}), name)
                self.assert_refused(run_once("--debug", files={".env": f"{name}={value}\n"}),
                                    name)

    def test_a_flag_without_its_value(self):
        self.assert_refused(run_once("--debug", "--port"), "--port")

    def test_unknown_names_in_files(self):
        self.assert_refused(run_once("--debug", files={".env": "PORTT=1\n"}), "PORTT")
        self.assert_refused(run_once("--debug", "--env", "test", files={".test.env": "X_Y=1\n"}),
                            "X_Y")

    def test_ill_formed_files(self):
        for text in ("PORT\n", "=5\n", "PO RT=5\n", "PORT='5\n", "export\n", "\x00\n"):
            with self.subTest(text=text):
                self.assert_refused(run_once("--debug", files={".env": text}), ".env")

    def test_env_names_cannot_leave_the_directory(self):
        done = run_once("--debug", "--env", "../../etc/passwd")
        self.assert_refused(done)

    def test_secrets_are_no_flags(self):
        done = run_once("--debug", "--openai-api-key", SECRET)
        self.assert_refused(done, "OPENAI_API_KEY")
        self.assertNotIn(SECRET, done.stdout + done.stderr)

    def test_secret_files(self):
        self.assert_refused(run_once("--debug", settings={"OPENAI_API_KEY_FILE": "none"}),
                            "OPENAI_API_KEY_FILE")
        self.assert_refused(run_once("--debug", settings={"OPENAI_API_KEY_FILE": "."}),
                            "OPENAI_API_KEY_FILE")
        done = run_once("--debug", settings={"OPENAI_API_KEY_FILE": "key", "OPENAI_API_KEY": "x"},
                        files={"key": SECRET})
        self.assertNotIn(SECRET, done.stdout + done.stderr)

    def test_a_model_off_loopback_needs_tls(self):
        for url in ("http://llm.example.com/v1", "http://10.0.0.1/v1", "ftp://127.0.0.1/v1",
                    "http://127.0.0.1.example.com/v1", "http://localhost.example.com/",
                    "http://user:pw@127.0.0.1@example.com/v1"):
            with self.subTest(url=url):
                self.assert_refused(run_once("--debug", "--port", "0", "--grpc-port", "0",
                                             settings={"LLM_BASE_URL": url}), "LLM_BASE_URL")

    def test_a_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            for flag, other in (("--port", "--grpc-port"), ("--grpc-port", "--port")):
                with self.subTest(flag=flag):
                    done = run_once("--debug", flag, port, other, "0")
                    self.assertNotEqual(done.returncode, 0)
                    self.assertIn(port, done.stdout + done.stderr)


class CheckConfig(unittest.TestCase):
    def check(self, *flags, **how):
        done = run_once("--debug", *flags, "--check-config", **how)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def assert_setting(self, output, name, value):
        self.assertRegex(output, rf"(?m)^\W*{name}\b.*{re.escape(value)}")

    def test_precedence(self):
        files = {".env": "LLM_MODEL=from-dot-env\n", ".test.env": "LLM_MODEL=from-test-env\n"}
        settings = {"LLM_MODEL": "from-environment"}
        everything = {"files": files, "settings": settings}
        self.assert_setting(self.check("--env", "test", "--llm-model", "from-flag",
                                       **everything), "LLM_MODEL", "from-flag")
        self.assert_setting(self.check("--env", "test", **everything), "LLM_MODEL",
                            "from-environment")
        self.assert_setting(self.check("--env", "test", files=files), "LLM_MODEL",
                            "from-test-env")
        self.assert_setting(self.check(files=files), "LLM_MODEL", "from-dot-env")
        self.assert_setting(self.check(settings={"ENV": "test"}, files=files), "LLM_MODEL",
                            "from-test-env")

    def test_defaults(self):
        output = self.check()
        for name, value in (("PORT", "8080"), ("GRPC_PORT", "50051"),
                            ("MAX_BODY_SIZE", "1048576"), ("GZIP_MIN_SIZE", "500"),
                            ("LLM_POOL_MAX", "100"), ("HOST", "127.0.0.1")):
            self.assert_setting(output, name, value)

    def test_forms_of_values(self):
        for flags in (("--port=1234",), ("--port", "1234")):
            self.assert_setting(self.check(*flags), "PORT", "1234")
        text = ("# a comment\n\nPORT=1234\nexport LLM_MODEL=\"a b\"\nLOG_LEVEL='debug'\n"
                "  GRPC_PORT = 4321  \r\n")
        done = run_once("--debug", "--check-config", files={".env": text})
        if done.returncode == 0:
            self.assert_setting(done.stdout, "PORT", "1234")
            self.assert_setting(done.stdout, "GRPC_PORT", "4321")

    def test_secrets_are_masked(self):
        output = self.check(settings={"OPENAI_API_KEY": SECRET})
        self.assertNotIn(SECRET, output)
        self.assertNotIn(SECRET[:10], output)
        self.assertIn("OPENAI_API_KEY", output)
        output = self.check(settings={"OPENAI_API_KEY_FILE": "key"}, files={"key": SECRET})
        self.assertNotIn(SECRET, output)

    def test_check_config_checks(self):
        done = run_once("--debug", "--check-config", "--port", "x")
        self.assertEqual(done.returncode, 2)

    def test_help(self):
        done = run_once("--help")
        self.assertEqual(done.returncode, 0)
        for name in ("--port", "--grpc-port", "--single-port", "--request-timeout",
                     "LLM_BASE_URL", "--check-config"):
            self.assertRegex(done.stdout, re.compile(name.replace("_", "[-_]"), re.I))
        self.assertEqual(done.stderr, "")


class Serving(unittest.TestCase):
    """Settings arrive where they act."""

    def test_from_a_file(self):
        with Weir(files={".env": "MAX_BODY_SIZE=2000\n"}) as weir:
            self.assertEqual(weir.curl("/chat", b" " * 2001).status, 413)
            self.assertEqual(weir.curl("/chat", b" " * 1998 + b"{}").status, 200)

    def test_body_cap_is_one_for_both_protocols(self):
        with Weir({"MAX_BODY_SIZE": "2000"}) as weir:
            for call in both(weir):
                self.assertEqual(call("PirateChat", {"question": "q" * 3000}).code,
                                 "RESOURCE_EXHAUSTED")
                self.assertEqual(call("PirateChat", {"question": "q" * 20}).code, "OK")

    def test_one_worker_and_many(self):
        for workers in ("1", "5"):
            with Weir({"WORKERS": workers}) as weir:
                self.assertEqual(weir.curl("/chat", {}).status, 200)


if __name__ == "__main__":
    main()
