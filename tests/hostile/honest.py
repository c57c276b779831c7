"""An honest caller in a process of its own: calls each weir over REST and over gRPC, one call after
another, until standard input ends; then prints how long each took, and what went wrong, as JSON.
Its words are how many seconds it waits before each round, then pairs of ports, REST's and gRPC's.
In each round the order is drawn anew, so that
whatever else the machine does meets all of them alike."""
import gc
import json
import random
import select
import socket
import statistics
import sys
import time

import http2

REST = (b"POST /tell-joke HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\n\r\n{}")
BLOCK = http2.grpc_headers("/weir.v1.FlowService/TellJoke")


class Rest:
    def __init__(self, port):
        self.port = port
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
        self.port = port
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
    gap_s, ports = float(sys.argv[1]), [int(word) for word in sys.argv[2:]]
    times, callers, errors = [], [], []
    for rest, grpc in zip(ports[::2], ports[1::2]):
        times.append({"rest": [], "grpc": []})
        callers += [(Rest(rest), times[-1]["rest"]), (Grpc(grpc), times[-1]["grpc"])]
    rounds = []
    gc.disable()
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], gap_s)[0] and not errors:
        rounds.append(time.monotonic())
        random.shuffle(callers)
        for caller, took in callers:
            begin = time.monotonic()
            try:
                caller.call()
            except (OSError, ValueError) as error:
                errors.append(f"{type(caller).__name__} of {caller.port}: {error}")
            took.append(time.monotonic() - begin)
    apart = [later - earlier for earlier, later in zip(rounds, rounds[1:])]
    print(json.dumps({"times": times, "errors": errors,
                      "round": statistics.median(apart) if apart else gap_s}))


if __name__ == "__main__":
    main()
