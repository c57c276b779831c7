"""A server of keys on loopback: answers every GET with what it is told to."""
import http.server
import json
import threading
import time


class FakeKeys:
    def __init__(self):
        self.document = {"keys": []}   # a dict, or bytes as they are
        self.status = 200
        self.delay = 0
        self.headers = {}
        self.asked = 0
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                fake.asked += 1
                time.sleep(fake.delay)
                body = fake.document
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(fake.status)
                for name, value in {"Content-Length": str(len(body)), **fake.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/keys"

    def hold(self, *keys):
        self.document = {"keys": [key.jwk for key in keys]}

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)
