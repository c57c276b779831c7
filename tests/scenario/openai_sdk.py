"""The official OpenAI SDK for Node, pointed at weir, works unchanged: answers, streams, errors,
retries, aborts. Skipped, loudly, where scripts/setup.sh found no npm."""
import json
import os
import pathlib
import shutil
import subprocess
import unittest

from harness import Scenario, main, slow, wait_until
from tokens import api_key
from waiting import with_parent
from wires import INPUT_TOKENS, OUTPUT_TOKENS

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = pathlib.Path(os.environ.get("WEIR_NODE_TOOLS", ROOT / "build/tools/node"))
SCRIPT = ROOT / "tests/support/openai_sdk.mjs"
NODE = shutil.which("node")
KEY, LINE = api_key(1)
NARROW, NARROW_LINE = api_key(2, scopes="flow:tell_joke")
FEW, FEW_LINE = api_key(3, limit="2/minute")
HERE = NODE is not None and (TOOLS / "node_modules/openai").is_dir()


@unittest.skipUnless(HERE, "SKIPPED: there is no OpenAI SDK in build/tools/node; scripts/setup.sh "
                           "test installs it where there is npm")
class Sdk(Scenario):
    upstream = True
    settings = {"LLM_MODEL": "gpt-test", "LLM_RETRIES": "0", "CB_ENABLED": "false",
                "AUTH_MODE": "required", "API_KEYS_FILE": "api_keys",
                "CHAT_MODELS": "meta/llama=openai:x@http://127.0.0.1:1/v1"}
    files = {"api_keys": LINE + NARROW_LINE + FEW_LINE}

    def sdk(self, case, key=KEY, **options):
        done = subprocess.run(
            with_parent([NODE, str(SCRIPT), str(TOOLS), f"{self.weir.url}/v1", key, case]),
            capture_output=True, text=True, timeout=slow(30),
            env={"PATH": os.environ["PATH"], "OPENAI_OPTIONS": json.dumps(options)})
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def assert_failed(self, answer, name, status, code=None):
        self.assertEqual((answer.get("failed"), answer.get("status")), (name, status), answer)
        if code is not None:
            self.assertEqual(answer["code"], code, answer)
        return answer

    def test_an_answer(self):
        self.model.behave("ok", text="Hello!")
        answer = self.sdk("unary")
        self.assertEqual(
            (answer["text"], answer["finish"], answer["model"], answer["object"]),
            ("Hello!", "stop", "gpt-test", "chat.completion"))
        self.assertEqual(answer["usage"]["total_tokens"], INPUT_TOKENS + OUTPUT_TOKENS)
        self.assertEqual(answer["id"], f"chatcmpl-{answer['request_id']}")

    def test_a_stream(self):
        self.model.behave("ok", pieces=("Hel", "lo", "!"))
        answer = self.sdk("stream")
        self.assertEqual((answer["text"], answer["finish"]), ("Hello!", "stop"))
        self.assertEqual(answer["usage"]["completion_tokens"], OUTPUT_TOKENS)
        self.assertEqual(self.sdk("runner")["text"], "Hello!")

    def test_structured(self):
        self.assertEqual(self.sdk("parsed")["keys"], ["city"])

    def test_errors(self):
        self.assert_failed(self.sdk("unknown_model"), "NotFoundError", 404, "model_not_found")
        wrong = self.assert_failed(self.sdk("unsupported"), "BadRequestError", 400,
                                   "unsupported_parameter")
        self.assertEqual((wrong["param"], wrong["type"]), ("n", "invalid_request_error"))
        self.assertTrue(wrong["request_id"])
        self.assert_failed(self.sdk("plain", key="weir_nobody"), "AuthenticationError", 401,
                           "invalid_api_key")
        self.assert_failed(self.sdk("plain", key=NARROW), "PermissionDeniedError", 403)
        self.assert_failed(self.sdk("limited", key=FEW), "RateLimitError", 429,
                           "rate_limit_exceeded")
        self.assert_failed(self.sdk("not_here"), "NotFoundError", 404, "unknown_url")
        self.assert_failed(self.sdk("too_large"), "APIError", 413, "too_large")
        for case, param, code in (("too_hot", "temperature", "invalid_value"),
                                  ("tools", "tools", "unsupported_parameter")):
            wrong = self.assert_failed(self.sdk(case), "BadRequestError", 400, code)
            self.assertEqual(wrong["param"], param)
        self.model.behave("status", status=500)
        self.assert_failed(self.sdk("plain"), "InternalServerError", 502, "upstream_failed")

    def test_models(self):
        self.assertEqual(self.sdk("models"), {
            "ids": ["gpt-test", "meta/llama"], "object": "model", "one": "meta/llama",
            "created": "number", "owner": "weir"})
        self.assert_failed(self.sdk("no_such_model"), "NotFoundError", 404, "model_not_found")

    def test_an_error_in_a_stream(self):
        self.model.behave("stream_error")
        answer = self.sdk("failing_stream")
        self.assertEqual((answer.get("failed"), answer.get("type")), ("APIError", "server_error"),
                         answer)

    def test_retries(self):
        self.model.behave("ok", text="at last")
        before = self.model.requests
        self.model.next("status", status=429, headers=(("Retry-After", "0"),))
        self.model.next("status", status=500)
        self.assertEqual(self.sdk("plain", maxRetries=2), {"text": "at last"})
        self.assertEqual(self.model.requests, before + 3)

    def test_aborts_reach_the_model(self):
        for case, mode in (("abort_unary", "silent"), ("abort_stream", "stall"),
                           ("timeout", "silent")):
            with self.subTest(case=case):
                self.model.behave(mode)
                before = self.model.aborted
                answer = self.sdk(case)
                if case == "abort_unary":
                    self.assert_failed(answer, "APIUserAbortError", None)
                elif case == "timeout":
                    self.assert_failed(answer, "APIConnectionTimeoutError", None)
                else:
                    self.assertTrue(answer.get("text"), answer)
                wait_until(lambda: self.model.aborted == before + 1, 3, "the abort at the model")


if __name__ == "__main__":
    main()
