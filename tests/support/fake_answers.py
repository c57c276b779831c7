"""How the fake model answers, well and badly: the bytes of each mode."""
import asyncio
import dataclasses
import json
import socket
import struct

HUGE_BYTES = 50 * 1024 * 1024
WRONG_SHAPE = {"candidates": "none", "choices": "none", "content": "none"}
DEFAULT_TEXT = "Why did the fake cat cross the road? To test the other side."


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """How one request is answered. See `MODES` for the modes."""
    mode: str = "ok"
    delay_s: float = 0.0            # before the headers
    gap_s: float = 0.0              # between the chunks of a stream
    text: str | None = None         # what the model says; None: a text, or an example of the schema
    pieces: tuple | None = None     # the same, in these chunks
    calls: tuple = ()               # the tools it calls: (name, arguments as JSON text)
    status: int = 200               # mode "status"
    headers: tuple = ()             # more response headers
    line_end: str = "\n"            # of event streams
    comments: bool = False          # comment lines between the chunks


# What each mode does; "ok" is the rest.
MODES = {
    "ok": "the answer",
    "slow": "the answer after delay_s (2 s unless told)",
    "slow_stream": "chunks gap_s apart (0.3 s unless told)",
    "reset": "reads the request and resets the connection",
    "reset_mid": "part of the answer, then a reset",
    "cut": "part of the answer and an orderly end: no [DONE], a complete HTTP body",
    "cut_body": "part of the answer and a close: the HTTP body is not complete",
    "garbage": "200 and no JSON",
    "wrong_shape": "200 and JSON of another shape",
    "huge": "50 MB in one string",
    "flood": "50 MB in well-formed chunks (streams), in white space (unary)",
    "status": "the status with an error body",
    "stream_error": "one chunk, then an error object in the stream",
    "silent": "never answers",
    "stall": "the first chunk, then nothing more",
    "empty": "an answer without words",
    "invalid_json": "structured flows: broken JSON as the model's words",
    "fenced": "structured flows: the JSON in a Markdown fence",
    "not_text": "bytes that are no UTF-8 inside the answer",
    "no_length": "the answer without a length, ended by the close of the connection",
    "filtered": "the answer, and the word that its provider withheld the rest",
    "length": "the answer, and the word that it was cut at the token limit",
    "no_usage": "the answer without a word about tokens",
}


def example_of(schema):
    """An instance of a JSON Schema of the kind that weir sends."""
    if "$ref" in schema:
        raise ValueError("the schema has a $ref; weir writes its schemas out")
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return example_of(schema[key][0])
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        wanted = schema.get("required", schema.get("properties", {}))  # without oneof members
        members = {name: example_of(schema["properties"][name]) for name in wanted}
        if not members and isinstance(schema.get("additionalProperties"), dict):
            members = {"key": example_of(schema["additionalProperties"])}
        return members
    if kind == "array":
        count = min(max(3, schema.get("minItems", 0)), schema.get("maxItems", 3))
        return [example_of(schema["items"]) for _ in range(count)]
    if kind in ("integer", "number"):
        value = max(50, schema.get("minimum", 50))
        return min(value, schema.get("maximum", value))
    if kind == "boolean":
        return True
    if kind == "string":
        return "42" if "pattern" in schema or "int" in schema.get("format", "") else "text"
    raise ValueError(f"no example for {schema}")


async def answer(writer, seen, how):
    """Answers one request. True: the connection may be used again. Sets seen.outcome."""
    if how.delay_s:
        await asyncio.sleep(how.delay_s)
    if how.mode == "silent":
        await asyncio.sleep(3600)
    if how.mode == "reset":
        return _reset(writer, seen)
    if how.mode == "status":
        return await _send_error(writer, seen, how)
    if seen.stream:
        return await _Stream(writer, seen, how).run()
    return await _send_whole(writer, seen, how)


def behaviour(mode, how):
    if mode not in MODES:
        raise ValueError(f"no such mode: {mode}")
    if mode == "slow":
        how = {"delay_s": 2.0, **how}
    elif mode in ("slow_stream", "stall"):
        how = {"gap_s": 0.3, **how}
    return Behaviour(mode=mode, **how)


def _reset(writer, seen):
    seen.outcome = "broken"
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                               struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


def _head(status, headers):
    reason = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 429: "Too Many Requests",
              500: "Internal Server Error", 503: "Service Unavailable", 529: "Overloaded"}.get(status, "Status")
    lines = [f"HTTP/1.1 {status} {reason}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _words_of(seen, how):
    """What the model says."""
    if how.mode == "empty":
        return ""
    if how.mode == "invalid_json":
        return '{"summary": "never closed'
    text = how.text
    if text is None:
        schema = seen.wire.schema(seen.body) if isinstance(seen.body, dict) else None
        text = json.dumps(example_of(schema)) if schema else DEFAULT_TEXT
    if how.mode == "fenced":
        text = f"```json\n{text}\n```"
    return text


def _stop_of(seen, how):
    """The arguments that say why the model stopped; none: as usual."""
    if how.mode == "filtered":
        return (seen.wire.filtered(),)
    return (seen.wire.length(),) if how.mode == "length" else ()


def _without_usage(value):
    if isinstance(value, dict):
        return {k: _without_usage(v) for k, v in value.items() if not k.startswith("usage")}
    return value


async def _send(writer, data):
    writer.write(data)
    await writer.drain()


async def _send_error(writer, seen, how):
    body = json.dumps(seen.wire.error(how.status)).encode()
    await _send(writer, _head(how.status, [("Content-Type", "application/json"),
                                           ("Content-Length", len(body)), *how.headers]) + body)
    seen.outcome = "answered"
    return True


async def _send_whole(writer, seen, how):
    body = _whole_body(seen, how)
    length = HUGE_BYTES if how.mode in ("huge", "flood") else len(body)
    headers = [("Content-Type", "application/json"), *how.headers]
    if how.mode == "no_length":
        headers.append(("Connection", "close"))
    else:
        headers.append(("Content-Length", length))
    head = _head(200, headers)
    if how.mode in ("reset_mid", "cut", "cut_body"):
        await _send(writer, head + body[:len(body) // 2])
        await asyncio.sleep(0.05)  # the part arrives before the end does
        if how.mode == "reset_mid":
            return _reset(writer, seen)
        seen.outcome = "broken"
        writer.close()
        return False
    if how.mode == "stall":
        await _send(writer, head + body[:len(body) // 2])
        await asyncio.sleep(3600)
    await _send(writer, head)
    if how.mode in ("huge", "flood"):
        filler = (b"x" if how.mode == "huge" else b" ") * 65536
        opening, closing = (part.encode() for part in seen.wire.huge)
        start = opening if how.mode == "huge" else b""
        end = closing if how.mode == "huge" else body
        await _send(writer, start)
        left = HUGE_BYTES - len(start) - len(end)
        while left > 0:
            await _send(writer, filler[:left])
            left -= len(filler[:left])
        body = end
    await _send(writer, body)
    seen.outcome = "answered"
    return how.mode != "no_length"


def _whole_body(seen, how):
    if how.mode == "garbage":
        return b"<html>this is no model</html>"
    if how.mode == "wrong_shape":
        return json.dumps(WRONG_SHAPE).encode()
    body = seen.body if isinstance(seen.body, dict) else {}
    if how.calls:
        return json.dumps(seen.wire.whole_calls(how.calls, how.text)).encode()
    value = seen.wire.whole(body, _words_of(seen, how), *_stop_of(seen, how))
    body = json.dumps(_without_usage(value) if how.mode == "no_usage" else value).encode()
    return body.replace(b"fake cat", b"fake \xff\xfe cat") if how.mode == "not_text" else body


class _Stream:
    """A streamed answer: server-sent events in a chunked body."""

    def __init__(self, writer, seen, how):
        self.writer, self.seen, self.how = writer, seen, how

    async def run(self):
        how, seen = self.how, self.seen
        kind = "text/html" if how.mode == "garbage" else "text/event-stream"
        headers = [("Content-Type", kind), *how.headers]
        if how.mode == "no_length":
            headers.append(("Connection", "close"))
        else:
            headers.append(("Transfer-Encoding", "chunked"))
        await _send(self.writer, _head(200, headers))
        if how.mode == "garbage":
            await self.raw(b"<html>this is no model</html>\n\n")
        elif how.mode == "wrong_shape":
            await self.event((None, WRONG_SHAPE))
        elif how.mode in ("huge", "flood"):
            await self.too_much()
        else:
            ended = await self.chunks()
            if ended is not None:
                return ended
        if how.mode not in ("garbage", "wrong_shape"):
            await self.events(seen.wire.marker())
        if how.mode != "no_length":
            await _send(self.writer, b"0\r\n\r\n")
        seen.outcome = "answered"
        return how.mode != "no_length"

    async def chunks(self):
        """None: go on to the end marker; else the answer of run()."""
        how = self.how
        pieces = how.pieces
        if pieces is None:
            words = _words_of(self.seen, how).split(" ")
            pieces = [w if i == 0 else " " + w for i, w in enumerate(words)]
        wire = self.seen.wire
        await self.events(wire.begin())
        if how.calls:
            await self.events(wire.call_events(how.calls))
            return None
        for i, piece in enumerate(pieces):
            if i > 0 and how.gap_s:
                await asyncio.sleep(how.gap_s)
            if i == 1 and how.mode == "stall":
                await asyncio.sleep(3600)
            if i == 1 and how.mode == "stream_error":
                await self.events(wire.stream_error())
                return None
            if i == 2 and how.mode in ("cut", "cut_body", "reset_mid"):
                return await self.end_early()
            if how.comments:
                await self.raw((": keep-alive" + how.line_end * 2).encode())
            if piece:
                await self.events(wire.piece(piece))
        await self.events(wire.end(*_stop_of(self.seen, how)))
        return None

    async def end_early(self):
        await asyncio.sleep(0.05)
        if self.how.mode == "reset_mid":
            return _reset(self.writer, self.seen)
        self.seen.outcome = "broken"
        if self.how.mode == "cut":
            await _send(self.writer, b"0\r\n\r\n")
            return True
        self.writer.close()
        return False

    async def too_much(self):
        if self.how.mode == "huge":
            name, opening, closing = self.seen.wire.huge_event
            await self.raw(self.name(name) + b"data: " + opening.encode())
            for _ in range(HUGE_BYTES // 65536):
                await self.raw(b"x" * 65536)
            await self.raw(closing.encode() + b"\n\n")
        else:
            await self.events(self.seen.wire.begin())
            for _ in range(HUGE_BYTES // 8192):
                await self.events(self.seen.wire.piece("x" * 8192))

    async def events(self, events):
        for event in events:
            await self.event(event)

    def name(self, name):
        return f"event: {name}{self.how.line_end}".encode() if name else b""

    async def event(self, event):
        name, value = event
        if self.how.mode == "no_usage" and isinstance(value, dict):
            value = _without_usage(value)
        text = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        if self.how.mode == "not_text":
            text = text.replace(b"fake", b"fa\xff\xfeke")
        await self.raw(self.name(name) + b"data: " + text + (self.how.line_end * 2).encode())

    async def raw(self, data):
        if self.how.mode != "no_length":
            data = f"{len(data):x}\r\n".encode() + data + b"\r\n"
        await _send(self.writer, data)
