"""curl as the client for REST and server-sent events."""
import contextlib
import dataclasses
import json
import os
import subprocess
import time

from messages import full_name
from outcome import Outcome
from waiting import slow, with_parent


class CurlFailed(Exception):
    """curl's exit code (`code`), its words and what it had received."""

    def __init__(self, code, text, received):
        super().__init__(f"curl {code}: {text}")
        self.code, self.received = code, received


def curl_command(url, body, verb, headers, json_type):
    command = ["curl", "--silent", "--show-error", "--http1.1", "--noproxy", "*", "--globoff",
               "--path-as-is"]
    data = None
    if body is not None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        command += ["--data-binary", "@-"]
        if json_type:
            command += ["-H", "Content-Type: application/json"]
    if verb:
        command += ["-X", verb]
    for header in headers:
        command += ["-H", header]
    return [*command, url], data


@dataclasses.dataclass
class Reply:
    """An HTTP response. `headers` has lower-case names; repeated ones are joined by ", "."""
    status: int
    headers: dict
    body: bytes
    head: str

    @classmethod
    def parse(cls, data):
        while True:
            head, _, rest = data.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ")[1])
            if status >= 200:
                break
            data = rest
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            headers[name] = f"{headers[name]}, {value.strip()}" if name in headers \
                else value.strip()
        return cls(status, headers, rest, head.decode("latin-1"))

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def is_problem(self):
        return self.headers.get("content-type", "").startswith("application/problem+json")


@dataclasses.dataclass
class SseEvent:
    at: float       # time.monotonic() of arrival
    name: str       # "message" unless the event says otherwise
    data: object    # decoded JSON
    lines: list     # as they came

    @property
    def chunk(self):
        return self.data.get("chunk") if isinstance(self.data, dict) else None


class SseStream:
    """The events of a stream, by curl. Iterate, or close() early to leave."""

    def __init__(self, command, data):
        self.process = subprocess.Popen(with_parent(command), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(data or b"")
            self.process.stdin.close()
        self.reply = None
        self.comments = 0
        self.raw = b""
        self._buffer = b""

    def _fill(self):
        part = os.read(self.process.stdout.fileno(), 65536)
        self.raw += part
        self._buffer += part
        return bool(part)

    def head(self):
        """Status and headers; for a response that is no stream, the body too."""
        while self.reply is None:
            if b"\r\n\r\n" in self._buffer:
                head, _, rest = self._buffer.partition(b"\r\n\r\n")
                self.reply = Reply.parse(head + b"\r\n\r\n")
                self._buffer = rest
            elif not self._fill():
                raise AssertionError(f"no response: {self.raw!r} {self.code()}")
        return self.reply

    def __iter__(self):
        head = self.head()
        if not head.headers.get("content-type", "").startswith("text/event-stream"):
            while self._fill():
                pass
            head.body, self._buffer = self._buffer, b""
            return
        while True:
            while b"\n\n" in self._buffer:
                block, _, self._buffer = self._buffer.partition(b"\n\n")
                event = self._event(block)
                if event is not None:
                    yield event
            if not self._fill():
                return

    def _event(self, block):
        lines = block.decode("utf-8").split("\n")
        name, data = "message", []
        for line in lines:
            field, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if field == "":
                self.comments += 1
            elif field == "data":
                data.append(value)
            elif field == "event":
                name = value
            else:
                raise AssertionError(f"a strange line in the stream: {line!r}")
        if not data:
            return None
        return SseEvent(time.monotonic(), name, json.loads("\n".join(data)), lines)

    def code(self):
        """Waits for curl; returns its exit code (18: the body was not complete)."""
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.wait(slow(10))

    def close(self):
        """Leaves: curl is killed, its socket closed by the kernel."""
        if self.process.poll() is None:
            self.process.kill()
        self.code()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class RestCaller:
    protocol = "rest"

    def __init__(self, weir):
        self.weir = weir

    def path(self, rpc):
        full = full_name(rpc)
        return self.weir.messages.route(full)[1], self.weir.messages.methods[full]

    def __call__(self, rpc, request=None, *, headers=(), seconds=30, request_id=None):
        path, method = self.path(rpc)
        headers = list(headers)
        if request_id:
            headers.append(f"X-Request-ID: {request_id}")
        body = {} if request is None else request
        if method.server_streaming:
            return self._stream(path, body, headers, seconds)
        reply = self.weir.curl(path, body, headers=headers, seconds=seconds)
        if reply.status == 200:
            return Outcome("rest", True, "OK", answer=reply.json, http=200, reply=reply,
                           request_id=reply.headers.get("x-request-id", ""))
        return self.problem(reply.json, reply)

    @staticmethod
    def problem(body, reply, http=None):
        return Outcome(
            "rest", False, body.get("code", ""), http=http or reply.status,
            detail=body.get("detail", ""), reply=reply, request_id=body.get("request_id", ""),
            retry_after=reply.headers.get("retry-after"),
            violations={v["path"]: v.get("message", "") for v in body.get("violations", [])})

    def _stream(self, path, body, headers, seconds):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        with self.weir.sse(path, data, headers=headers, seconds=seconds) as stream:
            chunks, times, end = [], [], None
            for event in stream:
                if end is not None:
                    raise AssertionError(f"an event behind the last one: {event.lines}")
                if event.name == "error":
                    end = self.problem(event.data, stream.reply, http=event.data.get("status"))
                    end.late = True
                elif event.data.get("done") is True:
                    whole = [v for k, v in event.data.items() if k != "done"]
                    end = Outcome("rest", True, "OK", http=200, reply=stream.reply,
                                  whole=whole[0] if len(whole) == 1 else None)
                else:
                    chunks.append(event.data["chunk"])
                    times.append(event.at)
            if end is None and stream.reply.status != 200:
                return self.problem(stream.reply.json, stream.reply)
            if end is None:
                end = Outcome("rest", False, "NO_END", http=200, reply=stream.reply)
            end.chunks, end.times = chunks, times
            end.request_id = end.request_id or stream.reply.headers.get("x-request-id", "")
            return end
