"""Gemini and Anthropic in their own wires: what is sent, how answers, streams and failures are
mapped, over both protocols. (OpenAI's is upstream.py's and upstream_faults.py's.)"""
import json
import unittest

from harness import FakeUpstream, Scenario, Weir, both, main, over_both
from upstream_faults import ALONE

KEY = "key-0123456789abcdef"


class Provider:
    """What both have to do; the classes below say how it looks on their wire."""
    upstream = True

    def sent(self):
        self.assertEqual(self.model.surprises, [])
        return self.model.last.body

    def call_all(self, call):
        for rpc in ("TellJoke", "TranslateText", "DescribeImage", "GenerateCharacter",
                    "PirateChat", "GenerateCode", "ReviewCode"):
            with self.subTest(rpc=rpc):
                self.assert_ok(call(rpc, {}))
                self.assertEqual(self.model.surprises, [])

    @over_both
    def test_every_flow(self, call):
        self.call_all(call)

    @over_both
    def test_a_text(self, call):
        self.model.behave("ok", text="A joke\nwith \"quotes\" and é😀.")
        self.assertEqual(self.assert_ok(call("TellJoke", {})).answer["joke"],
                         "A joke\nwith \"quotes\" and é😀.")

    @over_both
    def test_a_stream(self, call):
        self.model.behave("ok", text="Once upon a time é😀.", comments=True)
        outcome = self.assert_ok(call("TellStory", {}))
        self.assertEqual(outcome.text, "Once upon a time é😀.")
        self.assertEqual(len(outcome.chunks), 5)

    @over_both
    def test_a_structured_answer(self, call):
        self.model.behave("ok", text=json.dumps({"translated_text": "Bonjour",
                                                 "confidence": "medium"}))
        answer = self.assert_ok(call("TranslateText", {"text": "Hello"})).answer
        self.assertEqual((answer["translated_text"], answer["confidence"]), ("Bonjour", "medium"))

    @over_both
    def test_usage_is_reported(self, call):
        for rpc in ("TellJoke", "TellStory"):
            name = f"usage-{self.provider}-{call.protocol}-{rpc}"
            self.assert_ok(call(rpc, {}, request_id=name))
            line = self.weir.access(name)[0]
            self.assertEqual((line["provider"], line["attempts"]), (self.provider, 1))
            self.assertEqual((line["input_tokens"], line["output_tokens"], line["usage"]),
                             (11, 22, "reported"))

    @over_both
    def test_a_missing_usage_is_estimated(self, call):
        self.model.behave("no_usage")
        for rpc in ("TellJoke", "TellStory"):
            name = f"no-usage-{self.provider}-{call.protocol}-{rpc}"
            self.assert_ok(call(rpc, {}, request_id=name))
            line = self.weir.access(name)[0]
            self.assertEqual(line["usage"], "estimated")
            self.assertGreater(line["input_tokens"], 0)
            self.assertGreater(line["output_tokens"], 10)

    @over_both
    def test_a_withheld_answer(self, call):
        self.model.behave("filtered")
        self.assert_ends(call("TellJoke", {}), 422, "FAILED_PRECONDITION")
        self.assert_ends(call("TellStory", {}), 422, "FAILED_PRECONDITION")

    @over_both
    def test_an_answer_cut_at_the_token_limit_is_marked(self, call):
        self.model.behave("length")
        name = f"length-{self.provider}-{call.protocol}"
        self.assert_ok(call("TellStory", {}, request_id=name))
        self.assertEqual(self.weir.access(name)[0]["stop"], "length")

    def test_the_key_is_nowhere_else(self):
        self.rest("TellJoke", {})
        self.assertNotIn(KEY, self.model.last.path)
        self.assertNotIn(KEY, json.dumps(self.model.last.body))
        self.assertFalse([line for line in self.weir.lines if KEY in line])


class Gemini(Provider, Scenario):
    provider = "gemini"
    settings = {**ALONE, "CACHE_ENABLED": "false", "LLM_PROVIDER": "gemini", "GEMINI_API_KEY": KEY}

    @over_both
    def test_request(self, call):
        self.assert_ok(call("PirateChat", {"question": "Where is the treasure?"}))
        seen = self.model.last
        self.assertEqual(seen.path, "/v1/models/gemini-2.5-flash:generateContent")
        self.assertEqual(seen.headers["x-goog-api-key"], KEY)
        self.assertNotIn("authorization", seen.headers)
        body = self.sent()
        self.assertIn("pirate", body["systemInstruction"]["parts"][0]["text"].lower())
        self.assertEqual([c["role"] for c in body["contents"]], ["user"])
        self.assertIn("Where is the treasure?", body["contents"][0]["parts"][0]["text"])
        self.assert_ok(call("TellStory", {}))
        self.assertEqual(self.model.last.path,
                         "/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse")

    @over_both
    def test_schema(self, call):
        self.assert_ok(call("GenerateCharacter", {}))
        config = self.sent()["generationConfig"]
        self.assertEqual(config["responseMimeType"], "application/json")
        schema = config["responseSchema"]
        self.assertEqual(schema["type"], "OBJECT")
        self.assertEqual(schema["properties"]["skills"]["type"], "OBJECT")
        self.assertNotIn("additionalProperties", json.dumps(schema))

    @over_both
    def test_an_image(self, call):
        self.assert_ok(call("DescribeImage", {"image_url": "https://example.com/cat.png?x=1"}))
        parts = self.sent()["contents"][-1]["parts"]
        self.assertIn({"fileData": {"mimeType": "image/png",
                                    "fileUri": "https://example.com/cat.png?x=1"}}, parts)


class Anthropic(Provider, Scenario):
    provider = "anthropic"
    settings = {**ALONE, "CACHE_ENABLED": "false",
                "LLM_PROVIDER": "anthropic", "ANTHROPIC_API_KEY": KEY,
                "LLM_MODEL": "claude-test"}

    @over_both
    def test_request(self, call):
        self.assert_ok(call("PirateChat", {"question": "Where is the treasure?"}))
        seen = self.model.last
        self.assertEqual(seen.path, "/v1/messages")
        self.assertEqual(seen.headers["x-api-key"], KEY)
        self.assertEqual(seen.headers["anthropic-version"], "2023-06-01")
        self.assertNotIn("authorization", seen.headers)
        body = self.sent()
        self.assertEqual(body["model"], "claude-test")
        self.assertGreater(body["max_tokens"], 0)
        self.assertIn("pirate", body["system"].lower())
        self.assertEqual([m["role"] for m in body["messages"]], ["user"])
        self.assertIn("Where is the treasure?", body["messages"][0]["content"][0]["text"])
        self.assertNotIn("stream", body)
        self.assert_ok(call("TellStory", {}))
        self.assertIs(self.sent()["stream"], True)

    @over_both
    def test_schema(self, call):
        self.assert_ok(call("GenerateCharacter", {}))
        body = self.sent()
        tool = body["tools"][0]
        self.assertEqual(body["tool_choice"], {"type": "tool", "name": tool["name"]})
        self.assertEqual(set(tool["input_schema"]["properties"]),
                         {"name", "backStory", "abilities", "skills"})

    @over_both
    def test_an_image(self, call):
        self.assert_ok(call("DescribeImage", {"image_url": "https://example.com/cat.png"}))
        self.assertIn({"type": "image", "source": {"type": "url",
                                                   "url": "https://example.com/cat.png"}},
                      self.sent()["messages"][-1]["content"])


class Choice(unittest.TestCase):
    """LLM_PROVIDER=auto goes by what is set."""

    def provider(self, settings):
        with Weir({"LLM_PROVIDER": "auto", **settings}) as weir:
            return weir.events("model")[0]["provider"], weir.events("model")[0]["model"]

    def test_the_key_that_is_there(self):
        self.assertEqual(self.provider({"GEMINI_API_KEY": KEY}), ("gemini", "gemini-2.5-flash"))
        self.assertEqual(self.provider({"ANTHROPIC_API_KEY": KEY, "LLM_MODEL": "claude-x"}),
                         ("anthropic", "claude-x"))
        self.assertEqual(self.provider({"OPENAI_API_KEY": KEY, "GEMINI_API_KEY": KEY}),
                         ("openai", "gpt-4o-mini"))

    def test_a_model_name_from_a_file_of_keys(self):
        with FakeUpstream() as model, Weir(
                {"LLM_BASE_URL": model.base_url, "LLM_PROVIDER": "gemini",
                 "GEMINI_API_KEY_FILE": "key"}, files={"key": KEY + "\n"}) as weir:
            rest, _ = both(weir)
            self.assertTrue(rest("TellJoke", {}).ok)
            self.assertEqual(model.last.headers["x-goog-api-key"], KEY)


if __name__ == "__main__":
    main()
