"""The wires that the fake model speaks, after the providers' published documents: what each says in
an answer, in the events of a stream, and about an error. An event is (name or None, value)."""
import json

INPUT_TOKENS, OUTPUT_TOKENS = 11, 22
SECRET_DETAIL = "upstream-secret-detail"


class OpenAi:
    """platform.openai.com/docs/api-reference/chat"""
    name = "openai"

    @staticmethod
    def schema(body):
        wanted = body.get("response_format") or {}
        return wanted["json_schema"]["schema"] if wanted.get("type") == "json_schema" else None

    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS,
             "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS}

    def whole(self, _body, words, stop="stop"):
        return {"id": "chatcmpl-1", "object": "chat.completion", "model": "fake",
                "choices": [{"index": 0, "finish_reason": stop,
                             "message": {"role": "assistant", "content": words}}],
                "usage": self.usage}

    @staticmethod
    def chunk(delta, finish=None):
        return (None, {"id": "chatcmpl-1", "object": "chat.completion.chunk",
                       "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def begin(self):
        return [self.chunk({"role": "assistant", "content": ""})]

    def piece(self, text):
        return [self.chunk({"content": text})]

    def end(self, stop="stop"):
        return [self.chunk({}, finish=stop), (None, {"choices": [], "usage": self.usage})]

    def marker(self):
        return [(None, "[DONE]")]

    def stream_error(self):
        return [(None, {"error": {"message": SECRET_DETAIL, "type": "fake"}})]

    def error(self, _status):
        return {"error": {"message": SECRET_DETAIL, "type": "fake"}}

    @staticmethod
    def calls(calls, of_stream=False):
        said = [{"id": f"call_{i}", "type": "function",
                 "function": {"name": name, "arguments": arguments}}
                for i, (name, arguments) in enumerate(calls)]
        return [{"index": i, **call} for i, call in enumerate(said)] if of_stream else said

    def whole_calls(self, calls, words):
        answer = self.whole({}, words, "tool_calls")
        answer["choices"][0]["message"]["tool_calls"] = self.calls(calls)
        return answer

    def call_events(self, calls):
        """Each call's arguments come in two pieces."""
        events = []
        for call in self.calls(calls, of_stream=True):
            arguments = call["function"]["arguments"]
            call["function"]["arguments"] = arguments[:1]
            events.append(self.chunk({"tool_calls": [call]}))
            events.append(self.chunk({"tool_calls": [{
                "index": call["index"], "function": {"arguments": arguments[1:]}}]}))
        return events + self.end("tool_calls")

    @staticmethod
    def results(body):
        """What the request says the tools answered: (name or id of the call, decoded JSON)."""
        return [(m["tool_call_id"], json.loads(m["content"])) for m in body["messages"]
                if m["role"] == "tool"]

    @staticmethod
    def offered(body):
        return [t["function"]["name"] for t in body.get("tools", ())]

    def filtered(self):
        return "content_filter"

    def length(self):
        return "length"

    huge = ('{"choices":[{"index":0,"message":{"content":"', '"}}]}')
    huge_event = (None, '{"choices":[{"index":0,"delta":{"content":"', '"}}]}')


class Gemini(OpenAi):
    """ai.google.dev/api/generate-content"""
    name = "gemini"
    usage = {"promptTokenCount": INPUT_TOKENS, "candidatesTokenCount": OUTPUT_TOKENS - 2,
             "thoughtsTokenCount": 2, "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS}

    @staticmethod
    def schema(body):
        config = body.get("generationConfig") or {}
        if "responseSchema" in config:
            if "tools" in body:
                raise ValueError("Gemini takes no response schema beside tools")
            return _lower(config["responseSchema"])
        for part in (body.get("systemInstruction") or {}).get("parts", ()):
            _, found, schema = part["text"].partition("nothing else:\n")
            if found:
                return json.loads(schema)
        return None

    def parts(self, parts, stop="STOP"):
        answer = self.answer("", stop)
        answer["candidates"][0]["content"]["parts"] = parts
        return answer

    def whole_calls(self, calls, words):
        parts = [{"text": words}] if words else []
        parts += [{"functionCall": {"name": name, "args": json.loads(arguments)},
                   "thoughtSignature": "c2ln"} for name, arguments in calls]
        return self.parts(parts)

    def call_events(self, calls):
        return [(None, self.whole_calls(calls, None))]

    @staticmethod
    def results(body):
        parts = [p for c in body["contents"] for p in c["parts"]]
        if any("functionCall" in p and p.get("thoughtSignature") != "c2ln" for p in parts):
            raise ValueError("a thought signature is lost")
        return [(p["functionResponse"]["name"], p["functionResponse"]["response"])
                for p in parts if "functionResponse" in p]

    @staticmethod
    def offered(body):
        return [f["name"] for t in body.get("tools", ()) for f in t["functionDeclarations"]]

    def answer(self, words, stop):
        candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": words}]}}
        if stop:
            candidate["finishReason"] = stop
        return {"candidates": [candidate], "usageMetadata": self.usage, "modelVersion": "mock",
                "responseId": "r-1"}

    def whole(self, _body, words, stop="STOP"):
        return self.answer(words, stop)

    def begin(self):
        return []

    def piece(self, text):
        return [(None, self.answer(text, None))]

    def end(self, stop="STOP"):
        return [(None, self.answer("", stop))]

    def marker(self):
        return []

    def stream_error(self):
        return [(None, self.error(503))]

    def error(self, status):
        return {"error": {"code": status, "message": SECRET_DETAIL, "status": "FAKE"}}

    def filtered(self):
        return "SAFETY"

    def length(self):
        return "MAX_TOKENS"

    huge = ('{"candidates":[{"content":{"parts":[{"text":"', '"}]}}]}')
    huge_event = (None, *huge)


class Anthropic(OpenAi):
    """docs.anthropic.com/en/api/messages and messages-streaming"""
    name = "anthropic"
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}

    @staticmethod
    def schema(body):
        return body["tools"][0]["input_schema"] if body.get("tools") else None

    def message(self, content, stop, usage):
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": "mock",
                "content": content, "stop_reason": stop, "stop_sequence": None, "usage": usage}

    def whole(self, body, words, stop="end_turn"):
        content = [{"type": "text", "text": words}]
        if body.get("tools"):
            try:
                content = [{"type": "text", "text": "Here it is."},
                           {"type": "tool_use", "id": "toolu_1", "name": body["tools"][0]["name"],
                            "input": json.loads(words)}]
            except ValueError:
                pass
        return self.message(content, stop, self.usage)

    def blocks(self, calls):
        return [{"type": "tool_use", "id": f"toolu_{i}", "name": name,
                 "input": json.loads(arguments)} for i, (name, arguments) in enumerate(calls)]

    def whole_calls(self, calls, words):
        content = [{"type": "text", "text": words}] if words else []
        return self.message(content + self.blocks(calls), "tool_use", self.usage)

    def call_events(self, calls):
        events = []
        for i, block in enumerate(self.blocks(calls), 1):
            text = json.dumps(block["input"])
            events.append(self.event("content_block_start", index=i,
                                     content_block={**block, "input": {}}))
            events += [self.event("content_block_delta", index=i,
                                  delta={"type": "input_json_delta", "partial_json": piece})
                       for piece in ("", text[:1], text[1:])]
            events.append(self.event("content_block_stop", index=i))
        return events + self.end("tool_use")

    @staticmethod
    def results(body):
        return [(b["tool_use_id"], json.loads(b["content"])) for m in body["messages"]
                for b in m["content"] if b["type"] == "tool_result"]

    @staticmethod
    def offered(body):
        forced = (body.get("tool_choice") or {}).get("type") in ("tool", "any")
        return [t["name"] for t in body.get("tools", ())][1 if forced else 0:]

    @staticmethod
    def event(name, **members):
        return (name, {"type": name, **members})

    def begin(self):
        usage = {"input_tokens": INPUT_TOKENS, "output_tokens": 1}
        return [self.event("message_start", message=self.message([], None, usage)),
                self.event("content_block_start", index=0,
                           content_block={"type": "text", "text": ""}),
                self.event("ping")]

    def piece(self, text):
        return [self.event("content_block_delta", index=0,
                           delta={"type": "text_delta", "text": text})]

    def end(self, stop="end_turn"):
        return [self.event("content_block_stop", index=0),
                self.event("message_delta", delta={"stop_reason": stop, "stop_sequence": None},
                           usage={"output_tokens": OUTPUT_TOKENS})]

    def marker(self):
        return [self.event("message_stop")]

    def stream_error(self):
        return [("error", self.error(529))]

    def error(self, status):
        kind = "overloaded_error" if status == 529 else "fake"
        return {"type": "error", "error": {"type": kind, "message": SECRET_DETAIL}}

    def filtered(self):
        return "refusal"

    def length(self):
        return "max_tokens"

    huge = ('{"type":"message","content":[{"type":"text","text":"', '"}]}')
    huge_event = ("content_block_delta",
                  '{"type":"content_block_delta","delta":{"type":"text_delta","text":"', '"}}')


def _lower(schema):
    """Gemini's type names as JSON Schema's."""
    if isinstance(schema, dict):
        return {k: v.lower() if k == "type" and isinstance(v, str) else _lower(v)
                for k, v in schema.items()}
    return [_lower(v) for v in schema] if isinstance(schema, list) else schema


def wire_of(path):
    if ":generateContent" in path or ":streamGenerateContent" in path:
        return Gemini()
    return Anthropic() if path.endswith("/messages") else OpenAi()
