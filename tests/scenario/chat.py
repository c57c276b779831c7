"""Chat completions: OpenAI's JSON over REST, and ChatService over gRPC."""
import json
import threading
import time

import grpc

from harness import FakeUpstream, Scenario, main, slow, wait_until
from wires import INPUT_TOKENS, OUTPUT_TOKENS

PATH = "/v1/chat/completions"
CHAT, STREAM = "/weir.v1.ChatService/Chat", "/weir.v1.ChatService/ChatStream"
ASK = {"model": "gpt-test", "messages": [{"role": "user", "content": "Say hello."}]}


def turns(*texts):
    return [{"role": "user", "content": [{"text": text}]} for text in texts]


def events_of(reply):
    """The data of a stream's events; "[DONE]" as it is."""
    found = []
    for block in reply.body.decode().split("\n\n"):
        if block.startswith("data: "):
            data = block[len("data: "):]
            found.append(data if data == "[DONE]" else json.loads(data))
    return found


class ChatCase(Scenario):
    upstream = True
    settings = {"LLM_MODEL": "gpt-test", "LLM_RETRIES": "0", "CB_ENABLED": "false",
                "RATE_LIMIT_ENABLED": "false"}

    def post(self, body, **how):
        return self.weir.curl(PATH, body, **how)

    def assert_error(self, reply, status, code, param=None, kind="invalid_request_error"):
        self.assertEqual(reply.status, status, reply.body[:300])
        self.assertEqual(reply.headers["content-type"], "application/json")
        lines = self.weir.access(reply.headers["x-request-id"])
        self.assertEqual([line["status"] for line in lines], [status])
        error = reply.json["error"]
        self.assertEqual(sorted(error), ["code", "message", "param", "type"])
        self.assertEqual((error["code"], error["param"], error["type"]), (code, param, kind), error)
        self.assertTrue(error["message"])
        return error


class Answers(ChatCase):
    def test_unary(self):
        self.model.behave("ok", text="Hello, \"you\"\u2028!")
        reply = self.post({**ASK, "temperature": 0.5, "max_tokens": 77, "stop": ["END"],
                           "user": "u-1", "seed": 3, "n": 1, "top_p": 1, "tools": [],
                           "something_new": {"a": [1]}}, headers=["X-Request-ID: chat-1"])
        self.assertEqual(reply.status, 200, reply.body)
        answer = reply.json
        self.assertLess(abs(answer.pop("created") - time.time()), 60)
        self.assertEqual(answer, {
            "id": "chatcmpl-chat-1", "object": "chat.completion", "model": "gpt-test",
            "choices": [{"index": 0, "logprobs": None, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": "Hello, \"you\"\u2028!",
                                     "refusal": None}}],
            "usage": {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS,
                      "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS}})
        sent = self.model.seen[-1].body
        self.assertEqual(sent["messages"], ASK["messages"])
        self.assertEqual((sent["model"], sent["temperature"], sent["max_tokens"], sent["stop"]),
                         ("gpt-test", 0.5, 77, ["END"]))
        line = self.weir.access("chat-1")[0]
        self.assertEqual((line["flow"], line["path"]), ("chat_completions", PATH))

    def test_unary_over_grpc(self):
        self.model.behave("ok", text="Hello")
        outcome = self.assert_ok(self.rpc(CHAT, {"messages": turns("Say hello.")}))
        self.assertEqual(outcome.answer, {
            "model": "gpt-test", "content": "Hello", "finish_reason": "stop",
            "usage": {"prompt_tokens": str(INPUT_TOKENS), "completion_tokens": str(OUTPUT_TOKENS),
                      "estimated": False}})

    def test_roles_parts_and_images(self):
        image = "data:image/png;base64,iVBORw0KGgo="
        self.post({"model": "gpt-test", "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is it?"},
                                         {"type": "image_url", "image_url": {"url": image}}]},
            {"role": "assistant", "content": "A cat."},
            {"role": "user", "content": "Sure?"}]})
        self.assertEqual(self.model.seen[-1].body["messages"], [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is it?"},
                                         {"type": "image_url", "image_url": {"url": image}}]},
            {"role": "assistant", "content": "A cat."},
            {"role": "user", "content": "Sure?"}])

    def test_schema(self):
        schema = {"type": "object", "properties": {"city": {"type": "string"}},
                  "required": ["city"], "additionalProperties": False}
        reply = self.post({**ASK, "response_format": {
            "type": "json_schema", "json_schema": {"name": "Place", "schema": schema}}})
        self.assertIn("city", json.loads(reply.json["choices"][0]["message"]["content"]))
        wanted = self.model.seen[-1].body["response_format"]["json_schema"]
        self.assertEqual((wanted["name"], wanted["schema"], wanted["strict"]),
                         ("Place", schema, True))
        self.assertEqual(self.post({**ASK, "response_format": {"type": "json_object"}}).status, 200)
        outcome = self.rpc(CHAT, {"messages": turns("x"), "schema": "[1]"})
        self.assert_ends(outcome, None, "INVALID_ARGUMENT", "schema")

    def test_cut_at_the_token_limit(self):
        self.model.behave("length")
        self.assertEqual(self.post(ASK).json["choices"][0]["finish_reason"], "length")
        self.assertEqual(self.rpc(CHAT, {"messages": turns("x")}).answer["finish_reason"], "length")


class Streams(ChatCase):
    def test_stream(self):
        self.model.behave("ok", pieces=("Hel", "lo ", "\u00fc!"))
        for usage in (False, True):
            with self.subTest(usage=usage):
                reply = self.post({**ASK, "stream": True, "stream_options": {"include_usage": usage}},
                                  headers=["X-Request-ID: s-1"])
                self.assertEqual(reply.headers["content-type"], "text/event-stream")
                *chunks, done = events_of(reply)
                self.assertEqual(done, "[DONE]")
                if usage:
                    last = chunks.pop()
                    self.assertEqual((last["choices"], last["usage"]["total_tokens"]),
                                     ([], INPUT_TOKENS + OUTPUT_TOKENS))
                for chunk in chunks:
                    self.assertEqual((chunk["id"], chunk["object"], chunk["model"]),
                                     ("chatcmpl-s-1", "chat.completion.chunk", "gpt-test"))
                choices = [chunk["choices"][0] for chunk in chunks]
                self.assertEqual(choices[0]["delta"], {"role": "assistant", "content": ""})
                self.assertEqual([c["delta"].get("content") for c in choices[1:-1]],
                                 ["Hel", "lo ", "\u00fc!"])
                self.assertEqual((choices[-1]["delta"], choices[-1]["finish_reason"]), ({}, "stop"))
                self.assertEqual({c["finish_reason"] for c in choices[:-1]}, {None})

    def test_stream_over_grpc(self):
        self.model.behave("ok", pieces=("Hel", "lo"))
        pieces = list(self.rpc.start(STREAM, {"messages": turns("x")}))
        self.assertEqual([p.content for p in pieces], ["Hel", "lo", ""])
        self.assertEqual((pieces[-1].finish_reason, pieces[-1].model), ("stop", "gpt-test"))
        self.assertEqual(pieces[-1].usage.completion_tokens, OUTPUT_TOKENS)

    def test_an_error_within(self):
        self.model.behave("stream_error")
        *_, error = events_of(self.post({**ASK, "stream": True}))
        self.assertEqual(error["error"]["type"], "server_error")
        self.assertNotIn("upstream-secret-detail", json.dumps(error))
        call = self.rpc.start(STREAM, {"messages": turns("x")})
        with self.assertRaises(grpc.RpcError):
            list(call)
        self.assertEqual(call.code(), grpc.StatusCode.UNAVAILABLE)

    def test_an_error_before(self):
        self.model.behave("status", status=500)
        self.assert_error(self.post({**ASK, "stream": True}), 502, "upstream_failed",
                          kind="server_error")

    def test_leaving_cancels_the_call(self):
        for stream in (False, True):
            with self.subTest(stream=stream):
                before = self.model.aborted
                self.model.behave("stall" if stream else "silent")
                body = json.dumps({**ASK, "stream": stream}).encode()
                connection = self.weir.connect()
                connection.sendall((f"POST {PATH} HTTP/1.1\r\nHost: weir\r\nContent-Type: "
                                    f"application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                                    ).encode() + body)
                wait_until(lambda: self.model.running == 1, 3, "the call at the model")
                connection.close()
                wait_until(lambda: self.model.aborted == before + 1, 3, "the abort")
        for rpc in (CHAT, STREAM):
            with self.subTest(rpc=rpc):
                before = self.model.aborted
                self.model.behave("stall" if rpc == STREAM else "silent")
                call = self.rpc.start(rpc, {"messages": turns("x")})
                wait_until(lambda: self.model.running == 1, 3, "the call at the model")
                if rpc == STREAM:
                    next(call)
                call.cancel()
                wait_until(lambda: self.model.aborted == before + 1, 3, "the abort over gRPC")


class Errors(ChatCase):
    def test_bodies(self):
        for body, status, code, param in (
                (b"{", 400, "bad_json", None),
                (b"[]", 400, "invalid_type", None),
                ({"messages": ASK["messages"]}, 400, "missing_required_parameter", "model"),
                ({"model": "gpt-test"}, 400, "missing_required_parameter", "messages"),
                ({**ASK, "messages": []}, 400, "invalid_value", "messages"),
                ({**ASK, "temperature": 3}, 400, "invalid_value", "temperature"),
                ({**ASK, "temperature": "hot"}, 400, "invalid_type", "temperature"),
                ({**ASK, "max_tokens": 0}, 400, "invalid_value", "max_tokens"),
                ({**ASK, "n": 2}, 400, "unsupported_parameter", "n"),
                ({**ASK, "top_p": 0.5}, 400, "unsupported_parameter", "top_p"),
                ({**ASK, "logprobs": True}, 400, "unsupported_parameter", "logprobs"),
                ({**ASK, "tools": [{"type": "function"}]}, 400, "unsupported_parameter", "tools"),
                ({**ASK, "tool_choice": "required"}, 400, "unsupported_parameter", "tool_choice"),
                ({**ASK, "functions": [{"name": "f"}]}, 400, "unsupported_parameter", "functions"),
                ({**ASK, "response_format": {"type": "json_schema", "json_schema": {
                    "name": "no spaces", "schema": {}}}}, 400, "invalid_value",
                 "response_format.json_schema.name"),
                ({**ASK, "messages": [{"role": "tool", "content": "x"}]}, 400, "unsupported_value",
                 "messages[0].role"),
                ({**ASK, "messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, 400,
                 "unsupported_value", "messages[0].content[0].type"),
                ({**ASK, "messages": [{"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "ftp://x"}}]}]}, 400,
                 "invalid_value", "messages[0].content[0].image_url"),
                ({**ASK, "messages": [{"role": "user", "content": [
                    {"type": "text", "text": "x"},
                    {"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}]}]}, 400,
                 "invalid_value", "messages[0].content[1].image_url"),
                ({**ASK, "model": "gpt-none"}, 404, "model_not_found", "model")):
            with self.subTest(body=body):
                before = self.model.requests
                self.assert_error(self.post(body), status, code, param)
                self.assertEqual(self.model.requests, before)

    def test_what_http_has_to_say(self):
        reply = self.weir.curl(PATH, b"x=1", headers=["Content-Type: text/plain"], json_type=False)
        self.assert_error(reply, 415, "unsupported_content_type")
        self.assert_error(self.weir.curl(PATH), 405, "method_not_supported")
        large = b'{"model":"' + b"x" * (1 << 20) + b'"}'
        self.assert_error(self.post(large), 413, "too_large")
        head = (f"POST {PATH} HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\n"
                "Content-Length: 99999999\r\n\r\n").encode()
        with self.weir.connect() as connection:
            connection.sendall(head)
            said = connection.recv(65536)
        self.assertIn(b"application/json", said)
        self.assertIn(b'"code":"too_large"', said)

    def test_models_over_grpc(self):
        outcome = self.rpc(CHAT, {"model": "gpt-none", "messages": turns("x")})
        self.assert_ends(outcome, None, "NOT_FOUND")
        self.assert_ends(self.rpc(STREAM, {"model": "gpt-none", "messages": turns("x")}), None,
                         "NOT_FOUND")
        self.assert_ends(self.rpc(CHAT, {"messages": [{"role": "king"}]}), None,
                         "INVALID_ARGUMENT", "messages[0].role")

    def test_the_model_is_busy(self):
        self.model.behave("status", status=429, headers=(("Retry-After", "7"),))
        reply = self.post(ASK)
        self.assert_error(reply, 503, "upstream_busy", kind="server_error")
        self.assertEqual(reply.headers["retry-after"], "7")
        self.assert_ends(self.rpc(CHAT, {"messages": turns("x")}), None, "UNAVAILABLE")

    def test_withheld(self):
        self.model.behave("filtered")
        self.assert_error(self.post(ASK), 400, "content_filter")


class Kept(ChatCase):
    def asked(self, before):
        return self.model.requests - before

    def test_at_temperature_0(self):
        before = self.model.requests
        self.model.behave("ok", text="kept")
        body = {**ASK, "temperature": 0, "messages": [{"role": "user", "content": "unary"}]}
        first, second = self.post(body), self.post(body)
        self.assertTrue(second.headers["cache-status"].startswith("weir; hit"))
        self.assertEqual(first.json["choices"], second.json["choices"])
        self.assertEqual(first.json["usage"], second.json["usage"])
        self.assertNotEqual(first.json["id"], second.json["id"])
        outcome = self.rpc(CHAT, {"model": "gpt-test", "temperature": 0, "messages": turns("unary")})
        self.assertEqual(outcome.answer["content"], "kept")
        self.assertEqual(self.asked(before), 1)

    def test_streams(self):
        before = self.model.requests
        self.model.behave("ok", pieces=("ke", "pt"))
        body = {**ASK, "temperature": 0, "stream": True, "stream_options": {"include_usage": True},
                "messages": [{"role": "user", "content": "stream"}]}
        first, second = events_of(self.post(body)), events_of(self.post(body))
        shown = [[(e.get("choices"), e.get("usage")) for e in events[:-1]]
                 for events in (first, second)]
        self.assertEqual(shown[0], shown[1])
        pieces = list(self.rpc.start(STREAM, {"model": "gpt-test", "temperature": 0,
                                              "messages": turns("stream")}))
        self.assertEqual([p.content for p in pieces], ["ke", "pt", ""])
        self.assertEqual(pieces[-1].usage.prompt_tokens, INPUT_TOKENS)
        self.assertEqual(self.asked(before), 1)

    def test_only_who_asks_for_it(self):
        body = {**ASK, "messages": [{"role": "user", "content": "opt"}]}
        before = self.model.requests
        self.post(body)
        self.post(body)
        self.assertEqual(self.asked(before), 2)
        for _ in range(2):
            self.post(body, headers=["X-Weir-Cache: true"])
        self.assertEqual(self.asked(before), 3)
        for _ in range(2):
            self.assert_ok(self.rpc(CHAT, {"model": "gpt-test", "cache": True,
                                           "messages": turns("opt")}))
        self.assertEqual(self.asked(before), 3)

    def test_concurrent_calls_share_one(self):
        self.model.behave("slow", delay_s=slow(0.5), text="one")
        before = self.model.requests
        body = {**ASK, "temperature": 0, "messages": [{"role": "user", "content": "flight"}]}
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(self.post(body)))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([r.json["choices"][0]["message"]["content"] for r in replies],
                         ["one"] * 4)
        self.assertEqual(self.asked(before), 1)


class Models(Scenario):
    """Names for other places, each asked alone."""

    @classmethod
    def setUpClass(cls):
        cls.other = FakeUpstream().start()
        cls.upstream = True
        cls.settings = {
            "LLM_MODEL": "usual", "LLM_RETRIES": "0", "RATE_LIMIT_DEFAULT": "1000/minute",
            "CHAT_MODELS": f"fast=openai:tiny@{cls.other.base_url}, "
                           f"wise=anthropic:sage@{cls.other.base_url}"}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            cls.other.stop()

    def test_names(self):
        for name, model, wire in (("fast", "tiny", "openai"), ("wise", "sage", "anthropic")):
            for call in ("rest", "rpc"):
                with self.subTest(name=name, call=call):
                    self.other.behave("ok", text="other")
                    here = self.model.requests
                    if call == "rest":
                        answer = self.weir.curl(PATH, {**ASK, "model": name}).json
                        self.assertEqual(answer["model"], name)
                    else:
                        answer = self.assert_ok(
                            self.rpc(CHAT, {"model": name, "messages": turns("x")})).answer
                        self.assertEqual((answer["model"], answer["content"]), (name, "other"))
                    seen = self.other.seen[-1]
                    self.assertEqual((seen.body["model"], seen.wire.name), (model, wire))
                    self.assertEqual(self.model.requests, here)

    def test_nobody_else_answers(self):
        self.other.behave("status", status=500)
        here = self.model.requests
        self.assertEqual(self.weir.curl(PATH, {**ASK, "model": "fast"}).status, 502)
        self.assertEqual(self.model.requests, here)
        self.assertEqual(self.weir.curl(PATH, {**ASK, "model": "usual"}).status, 200)
        self.assertEqual(self.weir.curl(PATH, {**ASK, "model": "gpt-test"}).status, 404)
        self.assertTrue(self.weir.curl("/ready").json["status"] == "ok")


class Governed(ChatCase):
    settings = {**ChatCase.settings, "RATE_LIMIT_ENABLED": "true", "RATE_LIMIT_DEFAULT": "3/minute",
                "CONTENT_MAX_URLS": "1"}

    def test_limits(self):
        urls = "http://a.example http://b.example"
        self.assert_error(self.post({**ASK, "messages": [{"role": "user", "content": urls}]}), 400,
                          "content_filter", "messages[0].content[0].text")
        for _ in range(2):
            self.assertEqual(self.post(ASK).status, 200)
        reply = self.post(ASK)
        self.assert_error(reply, 429, "rate_limit_exceeded", kind="rate_limit_error")
        self.assertGreater(int(reply.headers["retry-after"]), 0)
        self.assert_ends(self.rpc(CHAT, {"messages": turns("x")}), None, "RESOURCE_EXHAUSTED")


if __name__ == "__main__":
    main()
