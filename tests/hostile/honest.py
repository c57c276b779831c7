"""An honest caller in a process of its own: calls over REST and over gRPC, one after another, until
standard input ends; then prints how long each took, and what went wrong, as JSON."""
import json
import select
import socket
import sys
import time

import http2

GAP_S = 0.005
REST = (b"POST /tell-joke HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\n\r\n{}")
BLOCK = http2.grpc_headers("/weir.v1.FlowService/TellJoke")


class Rest:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self):
        self.socket.sendall(REST)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._more()
        head, body = got.split(b"\r\n\r\n", 1)
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += self._more()
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise ValueError(head.split(b"\r\n")[0].decode())

    def _more(self):
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("REST connection closed")
        return part


class Grpc:
    """Raw frames on one connection, as few as a client can do with."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(http2.opening() + http2.frame(http2.SETTINGS, http2.ACK) +
                            http2.frame(8, 0, 0, (1 << 30).to_bytes(4, "big")))
        self.stream, self.rest = -1, b""

    def call(self):
        self.stream += 2
        self.socket.sendall(
            http2.frame(http2.HEADERS, http2.END_HEADERS, self.stream, BLOCK) +
            http2.frame(http2.DATA, http2.END_STREAM, self.stream, http2.grpc_message(b"")))
        data = False
        while True:
            for kind, flags, stream, payload in self._frames():
                if kind == http2.GOAWAY:
                    raise ConnectionError(f"GOAWAY {payload[8:]!r}")
                if kind == http2.PING and not flags & http2.ACK:
                    self.socket.sendall(http2.frame(http2.PING, http2.ACK, 0, payload))
                data |= kind == http2.DATA and stream == self.stream
                if stream == self.stream and kind == http2.HEADERS and flags & http2.END_STREAM:
                    if not data:
                        raise ValueError("no answer")
                    return

    def _frames(self):
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("gRPC connection closed")
        self.rest += part
        found = http2.frames(self.rest)
        self.rest = self.rest[sum(9 + len(f[3]) for f in found):]
        return found


def main():
    callers = {"rest": Rest(int(sys.argv[1])), "grpc": Grpc(int(sys.argv[2]))}
    times, errors = {name: [] for name in callers}, []
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], GAP_S)[0] and not errors:
        for name, caller in callers.items():
            begin = time.monotonic()
            try:
                caller.call()
            except (OSError, ValueError) as error:
                errors.append(f"{name}: {error}")
            times[name].append(time.monotonic() - begin)
    print(json.dumps({"times": times, "errors": errors}))


if __name__ == "__main__":
    main()
