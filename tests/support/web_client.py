"""Connect and gRPC-Web by hand: curl for HTTP, frames and base64 taken apart here, strictly."""
import base64
import json
import re
import urllib.parse

from google.protobuf import json_format

from grpc_client import detail_of
from messages import full_name
from outcome import Outcome

CODES = ["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
         "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
         "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
         "UNAUTHENTICATED"]
END, TRAILERS = 2, 128


def frame(payload, flags=0):
    return bytes([flags]) + len(payload).to_bytes(4, "big") + payload


def frames(body):
    """[(flags, payload)]; nothing may be left over."""
    found = []
    while body:
        size = int.from_bytes(body[1:5], "big")
        if len(body) < 5 + size:
            raise AssertionError(f"a frame is cut: {body[:60]!r}")
        found.append((body[0], body[5:5 + size]))
        body = body[5 + size:]
    return found


def decode_text(text):
    """Base64 in one or several padded pieces."""
    pieces = re.findall(rb"[^=]+={0,2}", text)
    if b"".join(pieces) != text:
        raise AssertionError(f"no base64: {text[:60]!r}")
    return b"".join(base64.b64decode(piece, validate=True) for piece in pieces)


def unpadded(text):
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


class WebCaller:
    """One of the protocols in one of its forms: "connect" or "grpc-web", JSON, protobuf or text."""

    def __init__(self, weir, protocol, form):
        self.weir, self.protocol, self.form = weir, protocol, form

    def __str__(self):
        return f"{self.protocol} {self.form}"

    def method(self, rpc):
        return self.weir.messages.methods[full_name(rpc)]

    def content_type(self, rpc):
        if self.protocol == "grpc-web":
            return f"application/grpc-web{'-text' if self.form == 'text' else ''}+proto"
        return f"application/{'connect+' if self.method(rpc).server_streaming else ''}{self.form}"

    def body(self, rpc, request):
        """The bytes of the HTTP body; `request`: a dict, or the message's own bytes."""
        method = self.method(rpc)
        if isinstance(request, bytes):
            data = request
        elif self.form == "json":
            data = json.dumps(request or {}).encode()
        else:
            message = self.weir.messages.type(method.input_type)()
            data = json_format.ParseDict(request or {}, message).SerializeToString()
        if self.protocol == "grpc-web" or method.server_streaming:
            data = frame(data)
        return base64.b64encode(data) if self.form == "text" else data

    def post(self, rpc, request=None, *, headers=(), seconds=30, body=None):
        """The response as it came."""
        own = [] if any(h.lower().startswith("content-type:") for h in headers) \
            else [f"Content-Type: {self.content_type(rpc)}"]
        return self.weir.curl(full_name(rpc), self.body(rpc, request) if body is None else body,
                              headers=[*own, *headers], json_type=False, seconds=seconds)

    def __call__(self, rpc, request=None, **how):
        return self.read(rpc, self.post(rpc, request, **how))

    # --- answers ---

    def message(self, rpc, data):
        if self.form == "json":
            return json.loads(data)
        answer = self.weir.messages.type(self.method(rpc).output_type).FromString(data)
        return json_format.MessageToDict(answer, including_default_value_fields=True)

    def read(self, rpc, reply):
        outcome = Outcome(str(self), True, "OK", http=reply.status, reply=reply,
                          request_id=reply.headers.get("x-request-id", ""))
        kind = reply.headers["content-type"]
        if self.protocol == "grpc-web":
            self._read_grpc(rpc, reply, outcome)
        elif kind.startswith("application/connect+"):
            self._read_connect_stream(rpc, reply, outcome)
        elif reply.status != 200:
            _fail(outcome, reply.json)
        else:
            outcome.answer = self.message(rpc, reply.body)
        if outcome.ok and kind != self.content_type(rpc):
            raise AssertionError(f"the answer is {kind}")
        return outcome

    def _put(self, rpc, data, outcome):
        message = self.message(rpc, data)
        if self.method(rpc).server_streaming:
            outcome.chunks.append(message["text"])
        else:
            outcome.answer = message

    def _read_connect_stream(self, rpc, reply, outcome):
        *pieces, (flags, last) = frames(reply.body)
        if flags != END or any(f != 0 for f, _ in pieces) or reply.status != 200:
            raise AssertionError(f"{reply.status}, no end of a stream: {reply.body[-60:]!r}")
        for _, data in pieces:
            self._put(rpc, data, outcome)
        end = json.loads(last)
        outcome.trailers = {name: ", ".join(values) for name, values in end["metadata"].items()}
        if "error" in end:
            _fail(outcome, end["error"])
            outcome.late = bool(pieces)

    def _read_grpc(self, rpc, reply, outcome):
        body = decode_text(reply.body) if self.form == "text" else reply.body
        *pieces, (flags, last) = frames(body)
        if flags != TRAILERS or any(f != 0 for f, _ in pieces) or reply.status != 200:
            raise AssertionError(f"{reply.status}, no trailers: {reply.body[-60:]!r}")
        for _, data in pieces:
            self._put(rpc, data, outcome)
        outcome.trailers = dict(line.split(": ", 1) for line in last.decode("ascii").splitlines())
        outcome.code = CODES[int(outcome.trailers["grpc-status"])]
        outcome.ok = outcome.code == "OK"
        outcome.late = not outcome.ok and bool(pieces)
        outcome.detail = urllib.parse.unquote(outcome.trailers.get("grpc-message", ""))
        details = outcome.trailers.get("grpc-status-details-bin")
        if details:
            status = detail_of("google.rpc.Status", unpadded(details))
            if CODES[status.code] != outcome.code or status.message != outcome.detail:
                raise AssertionError(f"the details are of another status: {status}")
            for any_ in status.details:
                _tell(outcome, any_.type_url.removeprefix("type.googleapis.com/"), any_.value)


def _fail(outcome, error):
    """A Connect error."""
    code = error["code"].upper()
    outcome.ok, outcome.code = False, "CANCELLED" if code == "CANCELED" else code
    outcome.detail = error["message"]
    for detail in error.get("details", []):
        _tell(outcome, detail["type"], unpadded(detail["value"]))


def _tell(outcome, name, value):
    detail = detail_of(name, value)
    if name == "google.rpc.BadRequest":
        outcome.violations = {v.field: v.description for v in detail.field_violations}
    elif name == "google.rpc.RetryInfo":
        outcome.retry_after = str(detail.retry_delay.seconds)


def all_web(weir):
    return [WebCaller(weir, "connect", "json"), WebCaller(weir, "connect", "proto"),
            WebCaller(weir, "grpc-web", "proto"), WebCaller(weir, "grpc-web", "text")]
