"""weir in front of a server that nobody here wrote: llama.cpp's own, from a package, with a model of
320 tokens that the test makes. The wire, the tokens, the grammar and the errors are llama.cpp's."""
import json
import os
import pathlib
import subprocess
import tempfile

import tiny_llama
from harness import Scenario, main, over_both
from waiting import with_parent

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYTHON = pathlib.Path(os.environ.get("WEIR_PYTHON_TOOLS", ROOT / "build/tools/python")) / "bin/python"
SERVER = ROOT / "tests/support/llama_server.py"
KEY = "sk-llama-0123456789"
CHAT = "/weir.v1.ChatService/Chat"
ASK = {"model": "tiny", "messages": [{"role": "user", "content": "Where is the café?"}]}
SAID = tiny_llama.SENTENCE
# A token a word, and one that ends it.
TOKENS = len(tiny_llama.WORDS) + 1


class Llama:
    """llama.cpp's server on a free port, with a new model."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="weir-llama-")
        model, self.log = (os.path.join(self.folder.name, name) for name in ("tiny.gguf", "log"))
        tiny_llama.write_model(model)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                with_parent([str(PYTHON), "-B", str(SERVER), model, KEY]), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, text=True)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            said = self.said()
            self.stop()
            raise AssertionError("llama.cpp's server did not start; scripts/setup.sh test installs "
                                 f"it:\n{said}")

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()[-2000:]

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()


class RealServer(Scenario):
    key = KEY

    @classmethod
    def setUpClass(cls):
        cls.llama = Llama()
        cls.addClassCleanup(cls.llama.stop)
        cls.settings = {"LLM_BASE_URL": f"{cls.llama.url}/v1", "LLM_MODEL": "tiny",
                        "OPENAI_API_KEY": cls.key, "LLM_RETRIES": "0", "CACHE_ENABLED": "false",
                        "CB_ENABLED": "false"}
        super().setUpClass()

    def complete(self, **body):
        return self.weir.curl("/v1/chat/completions", {**ASK, **body})


class Flows(RealServer):
    @over_both
    def test_text(self, call):
        self.assertEqual(self.assert_ok(call("PirateChat", {"question": "Which way?"})).answer,
                         {"answer": SAID, "persona": "pirate captain"})
        self.assertEqual(self.assert_ok(call("TellJoke", {"name": "Ada"})).answer["joke"], SAID)

    @over_both
    def test_a_story_word_by_word(self, call):
        outcome = self.assert_ok(call("TellStory", {"topic": "a cat"}))
        self.assertEqual("".join(outcome.chunks), SAID)
        # Two tokens make one letter, which comes whole.
        self.assertEqual(len(outcome.chunks), len(tiny_llama.WORDS) - 1, outcome.chunks)

    @over_both
    def test_answers_of_a_shape(self, call):
        """The schema becomes a grammar there, that the model is held to."""
        character = self.assert_ok(call("GenerateCharacter", {"name": "Luna"})).answer
        self.assertEqual(character["name"], tiny_llama.VALUE)
        self.assertEqual(sorted(character["skills"]), ["charisma", "endurance", "strength"])
        code = self.assert_ok(call("GenerateCode", {"description": "primes"})).answer
        self.assertEqual(code["code"], tiny_llama.VALUE)
        self.assert_ok(call("ReviewCode", {"code": "a + b"}))

    @over_both
    def test_a_shape_with_a_tool_on_offer(self, call):
        answer = self.assert_ok(call("TranslateText", {"text": "Hello"})).answer
        self.assertEqual((answer["original_text"], answer["translated_text"]),
                         ("Hello", tiny_llama.VALUE))

    def test_usage_is_what_the_server_counts(self):
        self.weir.curl("/chat", {"question": "Hi"}, headers=["X-Request-ID: usage"])
        line = self.weir.access("usage")[0]
        self.assertEqual((line["usage"], line["output_tokens"]), ("reported", TOKENS))
        self.assertGreater(line["input_tokens"], 10)


class Chat(RealServer):
    def test_unary(self):
        answer = self.complete().json
        choice = answer["choices"][0]
        self.assertEqual((choice["message"]["content"], choice["finish_reason"]), (SAID, "stop"))
        self.assertEqual(answer["usage"]["completion_tokens"], TOKENS)
        cut = self.complete(max_tokens=3).json["choices"][0]
        self.assertEqual((cut["message"]["content"], cut["finish_reason"]), ("Arr, the caf", "length"))

    def test_a_stream_with_usage(self):
        body = self.complete(stream=True, stream_options={"include_usage": True}).body.decode()
        *chunks, done = [block[len("data: "):] for block in body.split("\n\n") if block]
        self.assertEqual(done, "[DONE]")
        *chunks, usage = map(json.loads, chunks)
        self.assertEqual((usage["choices"], usage["usage"]["completion_tokens"]), ([], TOKENS))
        said = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
        self.assertEqual("".join(said), SAID)
        self.assertEqual(chunks[-1]["choices"][0]["finish_reason"], "stop")

    def test_over_grpc(self):
        asked = {"model": "tiny", "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
        answer = self.assert_ok(self.rpc(CHAT, asked)).answer
        self.assertEqual((answer["content"], answer["finish_reason"]), (SAID, "stop"))
        self.assertEqual(answer["usage"]["completion_tokens"], str(TOKENS))
        *pieces, end = self.rpc.start(CHAT + "Stream", asked)
        self.assertEqual("".join(piece.content for piece in pieces), SAID)
        self.assertEqual((end.finish_reason, end.usage.completion_tokens), ("stop", TOKENS))

    def test_a_shape(self):
        schema = {"type": "object", "properties": {"city": {"type": "string"}},
                  "required": ["city"], "additionalProperties": False}
        reply = self.complete(response_format={
            "type": "json_schema", "json_schema": {"name": "Place", "schema": schema}})
        self.assertEqual(json.loads(reply.json["choices"][0]["message"]["content"]),
                         {"city": tiny_llama.VALUE})

    def assert_refused(self, reply, status, code):
        self.assertEqual((reply.status, reply.json["error"]["code"]), (status, code), reply.body)

    def test_what_is_too_long_for_the_model(self):
        long = [{"role": "user", "content": "é" * tiny_llama.LENGTH}]
        for stream in (False, True):
            self.assert_refused(self.complete(messages=long, stream=stream), 502,
                                "upstream_rejected")
        self.assertEqual(self.complete().status, 200)

    def test_an_image_for_a_model_without_eyes(self):
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
        self.assert_refused(self.complete(messages=[{"role": "user", "content": [image]}]), 502,
                            "upstream_failed")


class WrongKey(RealServer):
    key = "sk-nobody"

    @over_both
    def test_it_is_refused(self, call):
        outcome = self.assert_ends(call("PirateChat", {}), 502, "INTERNAL")
        self.assertIn("did not accept", outcome.detail)
        self.assertIn("Invalid API Key", self.llama.said())
        self.assertNotIn(self.key, "\n".join(self.weir.lines))


if __name__ == "__main__":
    main()
