"""What the live fuzzer says to weir: sessions, each made from a number, half of them well formed.

A session is a connection: to which port, with TLS or not, what is said in which pieces, and how it
ends. The same random.Random makes the same session. `to_text` and `from_text` keep one in a file."""
import base64
import json
import ssl
import struct

import http2

ENDS = ("close", "half", "reset")
PATHS = (b"/tell-joke", b"/tell-joke/stream", b"/tell-story/stream", b"/translate", b"/chat",
         b"/describe-image", b"/generate-code", b"/review-code", b"/generate-character",
         b"/v1/chat/completions", b"/health", b"/health/ready", b"/version", b"/openapi.json",
         b"/docs", b"/", b"*", b"/%74ell-joke", b"/nowhere", b"/tell-joke?name=x&name=y")
RPCS = ("TellJoke", "TellJokeStream", "TellStory", "TranslateText", "DescribeImage", "PirateChat",
        "GenerateCode", "ReviewCode", "GenerateCharacter", "Health", "None")
CHAT_RPCS = ("Chat", "ChatStream")
OTHER_RPCS = ("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", "/", "", "/a/b/c",
              "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
TYPES = (b"application/json", b"application/json; charset=utf-8", b"text/plain",
         b"application/grpc-web+proto", b"application/grpc-web-text", b"application/grpc-web+json",
         b"application/proto", b"application/connect+json", b"application/connect+proto",
         b"application/grpc", b"multipart/form-data; boundary=x", b"")
HEADERS = (b"Connection: close", b"Connection: keep-alive", b"Connection: Upgrade",
           b"Upgrade: websocket", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
           b"Sec-WebSocket-Version: 13", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
           b"Expect: 100-continue", b"Expect: 200-ok", b"Accept: text/event-stream",
           b"Accept-Encoding: gzip, br;q=0", b"Content-Encoding: gzip", b"Range: bytes=0-1",
           b"If-None-Match: \"x\", W/\"y\"", b"Authorization: Bearer a.b.c", b"X-API-Key: weir_x",
           b"X-Request-ID: \xff\xfe", b"traceparent: 00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01",
           b"X-Forwarded-For: 1.2.3.4, [::1]:80, unknown", b"Forwarded: for=\"[::1]\";proto=https",
           b"Origin: https://example.org", b"Access-Control-Request-Method: POST", b"TE: trailers",
           b"Connect-Protocol-Version: 1", b"Connect-Timeout-Ms: 5", b"grpc-timeout: 10m",
           b"X-Grpc-Web: 1", b"Cookie: a=b; c", b"Idempotency-Key: k", b"Trailer: X",
           b"X-Long: " + b"v" * 5000, b"Cache-Control: no-cache", b"X-Empty:")
WORDS = (b"\r\n", b"\n", b"\0", b"\r", b" ", b"\t", b":", b"\r\n\r\n", b"\xff", b"\xc3\x28",
         b"\xed\xa0\x80", b"%00", b"..", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n",
         b"HTTP/1.1", b"PRI * HTTP/2.0\r\n\r\n", b"0\r\n\r\n", b"ffffffffffffffff", b"-1", b"1e999",
         b"null", b"[" * 70, b'{"a":' * 70, b'"\\ud800"', b"\\u0000", b"data: [DONE]\n\n",
         b"\x16\x03\x01", b"\x7f\xff\xff\xff", b"\x80\x80\x80\x80\x80\x01", b"A" * 700)
NAMES = ("name", "text", "message", "topic", "language", "target_language", "code", "model",
         "messages", "stream", "role", "content", "type", "image_url", "url", "max_tokens",
         "temperature", "stop", "tools", "user", "n", "response_format", "stream_options", "x")


# --- bytes ---

def mutate(rng, data, times=None):
    """A few changes at random places."""
    data = bytearray(data)
    for _ in range(times if times is not None else rng.choice((1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        to = min(len(data), at + rng.choice((1, 1, 2, 4, 9, 64)))
        what = rng.randrange(7)
        if what == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif what == 1 and at < len(data):
            data[at] = rng.choice((0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)))
        elif what == 2:
            del data[at:to]
        elif what == 3:
            data[at:at] = data[at:to] * rng.choice((1, 2, 20))
        elif what == 4:
            data[at:at] = rng.choice(WORDS)
        elif what == 5:
            data[at:to] = rng.randbytes(rng.randrange(1, 9))
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data[:200_000])


def pieces(rng, data):
    """Split at random places, or not at all."""
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 0, 1, 2, 5, 12))))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)]) if a < b]


# --- bodies ---

def value(rng, depth=0):
    what = rng.randrange(9 if depth < 4 else 6)
    if what < 3:
        return rng.choice(("", "x", "hello", "en", "user", "assistant", "\U0001f600é\0", "y" * 3000,
                           "data:image/png;base64,iVBORw0KGgo=", "http://127.0.0.1:1/x.png"))
    if what < 6:
        return rng.choice((0, -1, 1, 1.5, 1e300, 2**63, 2**31 - 1, True, False, None))
    if what == 6:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(NAMES): value(rng, depth + 1) for _ in range(rng.randrange(4))}


def chat(rng):
    content = rng.choice(("hi", [{"type": "text", "text": "hi"}], value(rng)))
    body = {"model": rng.choice(("weir", "", value(rng))), "stream": rng.choice((True, False, None)),
            "messages": [{"role": rng.choice(("user", "system", "assistant", "tool", "x")),
                          "content": content} for _ in range(rng.randrange(5))]}
    if rng.random() < 0.5:
        body[rng.choice(NAMES)] = value(rng)
    return body


def protobuf(rng):
    """Fields of any number and type, some of them cut."""
    out = b""
    for _ in range(rng.randrange(6)):
        kind = rng.choice((0, 2, 2, 2, 2, 2, 2, rng.choice((1, 5, 3, 7))))
        out += bytes([rng.randrange(1, 16) << 3 & 0xff | kind])
        text = rng.choice((b"", b"hello", b"en", b"\x0a\x03abc", b"z" * 100,
                           rng.choice((b"\xff\xfe", b"z" * 300))))
        out += {0: bytes([rng.randrange(128)]), 1: rng.randbytes(8), 5: rng.randbytes(4)}.get(
            kind, bytes([len(text) & 0x7f]) + text)
    return out


def grpc_frames(rng):
    return b"".join(http2.grpc_message(protobuf(rng), rng.choice((0,) * 12 + (1, 2, 128)),
                                       rng.choice((None,) * 12 + (0, 7, 0xffffffff)))
                    for _ in range(rng.choice((1, 1, 1, 0, 2))))


def flow(rng):
    """What a flow may ask for."""
    return {name: rng.choice(("hello", "en", "x" * 2000, "", value(rng)))
            for name in rng.sample(NAMES[:7], rng.choice((0, 1, 1, 2)))}


def body_of(rng, kind):
    if b"json" in kind and b"connect+" not in kind:
        made = rng.choice((chat, flow, flow, value))(rng)
        return json.dumps(made, ensure_ascii=rng.random() < 0.5).encode("utf-8", "replace")
    data = grpc_frames(rng) if b"grpc" in kind or b"connect+" in kind else protobuf(rng)
    return base64.b64encode(data) if b"text" in kind else data


# --- HTTP/1.1 ---

def chunked(rng, body):
    out, parts = b"", pieces(rng, body)
    for part in parts:
        out += b"%x%s\r\n" % (len(part), rng.choice((b"", b"", b";a=b"))) + part + b"\r\n"
    return out + b"0\r\n" + rng.choice((b"", b"", b"X-Trailer: y\r\n")) + b"\r\n"


def request(rng):
    path = rng.choice(PATHS)
    if rng.random() < 0.25:
        path = b"/weir.v1.FlowService/" + rng.choice(RPCS).encode()
    kind = rng.choice(TYPES[:1] * 9 + TYPES)
    if path.startswith(b"/weir.v1"):
        kind = rng.choice(TYPES[:1] + TYPES[3:9])
    body = body_of(rng, kind)
    method = b"GET" if path in PATHS[10:16] else b"POST"
    if rng.random() < 0.15:
        method = rng.choice((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"CONNECT", b"x"))
    head = b"%s %s HTTP/1.%s\r\n" % (method, path, rng.choice((b"1",) * 30 + (b"0", b"0", b"2")))
    fields = [b"Host: weir", b"Content-Type: " + kind]
    fields += rng.sample(HEADERS, rng.choice((0, 0, 1, 2, 4)))
    if rng.random() < 0.3:
        fields.append(b"Transfer-Encoding: chunked")
        body = chunked(rng, body)
    else:
        size = len(body) + rng.choice((0,) * 12 + (1, -1, 100))
        fields.append(b"Content-Length: %d" % max(0, size))
    rng.shuffle(fields)
    return head + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def http(rng):
    data = b"".join(request(rng) for _ in range(rng.choice((1, 1, 2, 3, 8))))
    return mutate(rng, data) if rng.random() < 0.5 else data


# --- HTTP/2 ---

def headers_payload(rng):
    path = rng.choice([f"/weir.v1.FlowService/{rng.choice(RPCS)}"] * 6 +
                      [f"/weir.v1.ChatService/{rng.choice(CHAT_RPCS)}"] * 2 +
                      [rng.choice(OTHER_RPCS)])
    more = rng.sample((("grpc-timeout", "1S"), ("grpc-timeout", "x"), ("grpc-encoding", "gzip"),
                       ("grpc-encoding", "identity"), ("authorization", "Bearer x"),
                       ("x-request-id", "a\x7f"), ("traceparent", "00-zz"), ("a-bin", "!!!"),
                       ("x-long", "l" * 4000), ("te", "x"), ("content-type", "text/plain"),
                       (":path", "/again"), ("Upper", "case"), ("connection", "close")),
                      rng.choice((0, 0, 0, 1, 3)))
    block = http2.grpc_headers(path, *more)
    if rng.random() < 0.03:
        block = rng.choice((b"\x82\x86\x84", b"\x3f\xe1\x1f", b"\x20", b"\xbe", b"\x7f\x80\x80\x01",
                            b"\x40\x01a\x01b\xbe")) + block
    return mutate(rng, block) if rng.random() < 0.04 else block


def call(rng, stream):
    """The frames of a call, mostly all of them."""
    block, made = headers_payload(rng), grpc_frames(rng)
    cut = rng.randrange(len(block) + 1) if rng.random() < 0.2 else len(block)
    out = [http2.frame(http2.HEADERS, 0 if cut < len(block) else http2.END_HEADERS, stream,
                       block[:cut])]
    if cut < len(block):
        out[0] += http2.frame(http2.CONTINUATION, http2.END_HEADERS, stream, block[cut:])
    out += [http2.frame(http2.DATA, 0, stream, piece) for piece in pieces(rng, made)]
    if rng.random() < 0.8:
        out.append(http2.frame(http2.DATA, http2.END_STREAM, stream))
    return out


def control(rng, stream):
    what = rng.randrange(5)
    if what == 0:
        return http2.frame(http2.RST_STREAM, 0, stream, struct.pack(">I", rng.randrange(15)))
    if what == 1:
        entries = b"".join(struct.pack(">HI", rng.randrange(9), rng.choice(
            (0, 1, 100, 16384, 65535, 2**31 - 1, 2**32 - 1))) for _ in range(rng.randrange(5)))
        return http2.frame(http2.SETTINGS, 0, 0, entries) if rng.random() < 0.7 else \
            http2.frame(http2.SETTINGS, http2.ACK)
    if what == 2:
        return http2.frame(8, 0, rng.choice((0, stream)), struct.pack(
            ">I", rng.choice((1, 1000, 65535, 2**31 - 1, 0 if rng.random() < 0.2 else 9))))
    if what == 3:
        return http2.frame(http2.PING, rng.choice((0, 1)), 0, rng.randbytes(8))
    kind, size = rng.choice(((2, 5), (http2.GOAWAY, 8), (http2.GOAWAY, 30), (10, 4), (200, 0),
                             (5, 8), (2, 4)))
    return http2.frame(kind, rng.randrange(256), 0 if kind == http2.GOAWAY else stream,
                       rng.randbytes(size))


def mutate_head(rng, data):
    """The length, kind, flags or stream of the first frame."""
    data = bytearray(data)
    at = rng.randrange(9)
    data[at] = rng.choice((0, 1, 4, 9, 0x40, 0x80, 0xff, data[at] ^ 1))
    return bytes(data)


def http2_bytes(rng):
    """Calls, interleaved with each other and with what goes between them."""
    calls = [call(rng, 2 * i + 1) for i in range(rng.choice((1, 2, 4, 16)))]
    out, opened = [], 0
    while any(calls):
        at = rng.choice([i for i, frames in enumerate(calls) if frames and i <= opened])
        out.append(calls[at].pop(0))
        opened = max(opened, at + 1)
        if rng.random() < 0.1:
            out.append(control(rng, 2 * rng.randrange(opened) + 1))
    if rng.random() < 0.25:
        at = rng.randrange(len(out))
        out[at] = mutate_head(rng, out[at])
    if rng.random() < 0.15:
        at = rng.randrange(len(out))
        out[at:at] = [control(rng, rng.choice((0, 2, 99, 2**31 - 1)))]
    data = b"".join(out)
    if rng.random() < 0.15:
        data = mutate(rng, data)
    settings = http2.frame(http2.SETTINGS, 0, 0, rng.choice((b"", b"\0\4\0\0\0\1", b"\0\1\0\0\0\0")))
    data = http2.PREFACE + settings + data
    return mutate(rng, data) if rng.random() < 0.05 else data


# --- TLS ---

def client_hello(alpn):
    """Not the same twice: its keys are OpenSSL's."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    out = ssl.MemoryBIO()
    shaking = context.wrap_bio(ssl.MemoryBIO(), out)
    try:
        shaking.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def tls(rng):
    hello = client_hello(rng.choice(("h2", "http/1.1")))
    more = rng.choice((b"", rng.randbytes(40), b"\x14\x03\x03\x00\x01\x01", b"\x15\x03\x03\x00\x02\x01\x00",
                       b"\x17\x03\x03\x40\x00" + b"x" * 300, b"GET / HTTP/1.1\r\n\r\n"))
    return mutate(rng, hello) + more if rng.random() < 0.8 else hello + more


# --- sessions ---

def make(rng):
    kind = rng.choice(("http",) * 5 + ("http2",) * 5 + ("tls", "either"))
    data = {"http": http, "http2": http2_bytes, "tls": tls,
            "either": rng.choice((http, http2_bytes, lambda r: r.randbytes(50)))}[kind](rng)
    inside = kind in ("http", "http2") and rng.random() < 0.3
    return {"to": kind, "inside_tls": inside, "single_port": kind == "either" or rng.random() < 0.25,
            "end": rng.choice(ENDS), "listen_ms": rng.choice((0, 0, 20, 100)),
            "say": pieces(rng, data)}


def to_text(session):
    return json.dumps({**session, "say": [base64.b64encode(p).decode() for p in session["say"]]},
                      indent=1) + "\n"


def from_text(text):
    session = json.loads(text)
    return {**session, "say": [base64.b64decode(p) for p in session["say"]]}
