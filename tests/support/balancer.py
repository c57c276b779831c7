"""A load balancer that passes bytes on and says by the PROXY protocol for whom
(haproxy's doc/proxy-protocol.txt), and one by which weir's usual clients can be sent."""
import contextlib
import copy
import ipaddress
import selectors
import socket
import struct
import threading

from waiting import slow
from weir_process import Weir

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"
UNKNOWN = b"PROXY UNKNOWN\r\n"


def line(client, port=56324, server=None):
    """A header of version 1."""
    address = ipaddress.ip_address(client)
    server = server or ("192.0.2.9" if address.version == 4 else "2001:db8::9")
    return f"PROXY TCP{address.version} {client} {server} {port} 443\r\n".encode()


def binary(client, port=56324, fields=b"", transport=1):
    """A header of version 2; `fields` are TLVs behind the addresses."""
    address = ipaddress.ip_address(client)
    family = 1 if address.version == 4 else 2
    body = address.packed + bytes(len(address.packed)) + struct.pack(">HH", port, 443) + fields
    return SIGNATURE + struct.pack(">BBH", 0x21, family << 4 | transport, len(body)) + body


class Balancer:
    """Listens on a port of its own and passes each connection on to `target`, `header` first.
    source: the address that it connects from."""

    def __init__(self, target, header=b"", source="127.0.0.1"):
        self.target, self.header, self.source = target, header, source
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), slow(5),
                                                  source_address=(self.source, 0))
                server.settimeout(None)
                server.sendall(self.header)
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()

    @staticmethod
    def _pass(client, server):
        """Until either has ended and the other has got what was on its way."""
        with client, server, selectors.DefaultSelector() as selector, \
                contextlib.suppress(OSError):
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while selector.get_map():
                for key, _ in selector.select():
                    part = key.fileobj.recv(65536)
                    if part:
                        key.data.sendall(part)
                    else:
                        selector.unregister(key.fileobj)
                        key.data.shutdown(socket.SHUT_WR)

    def stop(self):
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join(slow(5))


class Behind(Weir):
    """The same weir as its clients see it from behind a balancer: a context manager, that ends with
    the balancers and not with weir."""

    def __init__(self, weir, header, source="127.0.0.1"):
        self.__dict__.update(copy.copy(weir.__dict__))
        self.channel_ = None
        self.balancers = [Balancer(weir.port, header, source)]
        self.port = self.balancers[0].port
        if weir.grpc_port not in (0, weir.port):
            self.balancers.append(Balancer(weir.grpc_port, header, source))
        self.grpc_port = self.balancers[-1].port

    def __exit__(self, *_):
        if self.channel_ is not None:
            self.channel_.close()
        for balancer in self.balancers:
            balancer.stop()
