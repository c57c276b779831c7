"""Raw HTTP/2 frames, for what no gRPC client would send. HPACK: literals without Huffman only."""
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _text(value):
    data = value if isinstance(value, bytes) else value.encode()
    if len(data) < 127:
        return bytes([len(data)]) + data
    rest, more = len(data) - 127, b""
    while rest >= 128:
        more += bytes([rest % 128 + 128])
        rest //= 128
    return bytes([127]) + more + bytes([rest]) + data


def header_block(headers):
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in headers)


def grpc_headers(path, *more):
    return header_block([(":method", "POST"), (":scheme", "http"), (":path", path),
                         (":authority", "weir"), ("content-type", "application/grpc"),
                         ("te", "trailers"), *more])


def grpc_message(payload, compressed=0, length=None):
    return struct.pack(">BI", compressed, len(payload) if length is None else length) + payload


def opening():
    return PREFACE + frame(SETTINGS)


def frames(data):
    """The whole frames in `data`: (type, flags, stream, payload)."""
    found, at = [], 0
    while at + 9 <= len(data):
        length = int.from_bytes(data[at:at + 3], "big")
        kind, flags, stream = data[at + 3], data[at + 4], int.from_bytes(data[at + 5:at + 9], "big")
        if at + 9 + length > len(data):
            break
        found.append((kind, flags, stream, data[at + 9:at + 9 + length]))
        at += 9 + length
    return found
