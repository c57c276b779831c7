"""A web server with images, on an address of loopback, that counts who connects and remembers what
was asked. It stands for the public Internet, or for a place that must never be reached."""
import contextlib
import socket
import threading

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def page(body=PNG, kind="image/png", status="200 OK", headers=()):
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}",
             "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class ImageServer:
    """A context manager. `pages` maps a path to the bytes of the whole answer; None: none comes."""

    def __init__(self, address="127.0.0.1", port=0):
        self.listener = socket.create_server((address, port))
        self.port = self.listener.getsockname()[1]
        self.address = address
        self.pages = {"/a.png": page()}
        self.requests = []
        self.connections = 0
        self.waiting = self.left = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def url(self, path="/a.png", host=None):
        return f"http://{host or self.address}:{self.port}{path}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(4096)
                if not data:
                    return
                head += data
            text = head.decode("latin-1")
            self.requests.append(text)
            answer = self.pages.get(text.split(" ")[1], page(b"no", "text/plain", "404 Not Found"))
            if answer is None:
                self.waiting += 1
                with contextlib.suppress(OSError):
                    client.recv(1)  # until the other side is tired of it
                self.waiting -= 1
                self.left += 1
            else:
                with contextlib.suppress(OSError):  # the other side may have had enough
                    client.sendall(answer)
