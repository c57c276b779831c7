"""Without --debug weir refuses to start until what would make it unsafe was said out loud (S1, S3,
S5); a release build does not know --debug at all."""
import os
import re
import subprocess
import unittest

from harness import BINARY, GrpcCaller, Weir, both, main, run_once

RELEASE = os.environ.get("WEIR_RELEASE_BINARY")
SAFE = {"AUTH_MODE": "none", "LLM_PROVIDER": "offline"}
PORTS = ("--host", "127.0.0.1", "--port", "0", "--grpc-port", "0")


class Production(unittest.TestCase):
    """Of the binary of this build; the subclass repeats it with the release build."""
    binary = BINARY

    def assert_refused(self, settings, *names, **how):
        done = run_once(*PORTS, settings=settings, binary=self.binary, **how)
        output = done.stdout + done.stderr
        self.assertEqual(done.returncode, 2, output)
        for name in names:
            self.assertIn(name, output)
        return output

    def test_no_way_to_authenticate(self):
        self.assert_refused({"LLM_PROVIDER": "offline"}, "AUTH_MODE")
        self.assert_refused({"LLM_PROVIDER": "offline", "AUTH_MODE": "required"}, "AUTH_MODE")
        self.assert_refused({}, "AUTH_MODE")

    def test_no_key_for_the_model(self):
        self.assert_refused({"AUTH_MODE": "none", "LLM_PROVIDER": "openai"}, "OPENAI_API_KEY")
        self.assert_refused({"AUTH_MODE": "none"}, "LLM_PROVIDER")

    def test_a_model_without_tls(self):
        self.assert_refused({**SAFE, "LLM_PROVIDER": "openai", "OPENAI_API_KEY": "k",
                             "LLM_BASE_URL": "http://llm.example.com/v1"}, "LLM_BASE_URL")

    def test_secret_files_that_others_can_read(self):
        settings = {**SAFE, "OPENAI_API_KEY_FILE": "key"}
        for mode in (0o644, 0o640, 0o604):
            with self.subTest(mode=oct(mode)):
                output = self.assert_refused(settings, "OPENAI_API_KEY_FILE",
                                             files={"key": "sk-SECRET"}, modes={"key": mode})
                self.assertNotIn("sk-SECRET", output)

    def test_env_files_with_secrets_that_others_can_read(self):
        self.assert_refused({}, ".env", modes={".env": 0o644}, files={
            ".env": "AUTH_MODE=none\nLLM_PROVIDER=offline\nOPENAI_API_KEY=sk-SECRET\n"})

    def test_it_serves_once_all_is_said(self):
        with Weir(SAFE, binary=self.binary, debug=False) as weir:
            for call in both(weir):
                self.assertTrue(call("TellJoke", {}).ok)
                self.assertTrue(call("TellStory", {}).ok)

    def test_no_debug_surface(self):
        with Weir(SAFE, binary=self.binary, debug=False) as weir:
            for path in ("/docs", "/docs/docs.js", "/docs/docs.css", "/docs/icon.svg",
                         "/openapi.json", "/redoc"):
                self.assertEqual(weir.curl(path).status, 404)
            for version in ("v1", "v1alpha"):
                reflect = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
                call = weir.channel.stream_stream(reflect)(iter([b""]), timeout=5)
                self.assertEqual(GrpcCaller.outcome(call).code, "UNIMPLEMENTED")

    def test_logs_are_json_unless_said_otherwise(self):
        settings = {**SAFE, "LOG_FORMAT": "json"}
        with Weir(settings, binary=self.binary, debug=False) as weir:
            self.assertTrue(weir.events("ready"))


@unittest.skipUnless(RELEASE, "no release build at hand (WEIR_RELEASE_BINARY)")
class Release(Production):
    binary = RELEASE

    def test_nothing_of_the_debug_surface_is_in_it(self):
        tells = re.compile(rb"openapi|swagger|redoc|reflection|rpc_descriptors|rest_docs|<html|"
                           rb"text/html|text/javascript|/docs|tell-joke.*operationId", re.I)

        def found(binary):
            return {line for command in (["nm", binary], ["strings", "-a", binary])
                    for line in subprocess.run(command, capture_output=True, check=True,
                                               ).stdout.split(b"\n") if tells.search(line)}
        self.assertEqual(found(RELEASE), set())
        self.assertGreater(len(found(BINARY)), 20)  # so the search can find it

    def test_debug_is_refused(self):
        for how in ({"flags": ("--debug",)}, {"settings": {"DEBUG": "true"}}):
            done = run_once(*how.get("flags", ()), *PORTS, binary=RELEASE,
                            settings={**SAFE, **how.get("settings", {})})
            output = done.stdout + done.stderr
            self.assertEqual(done.returncode, 2, output)
            self.assertIn("debug", output.lower())
            self.assertIn("release", output.lower())


if __name__ == "__main__":
    main()
