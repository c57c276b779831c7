"""The official clients of Connect and gRPC-Web call flows: in Node, and from a page of another
origin in Chromium. What is not installed is skipped, loudly (scripts/setup.sh test installs it)."""
import http.server
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import unittest

from harness import FakeUpstream, Weir, main, slow, wait_until
from waiting import with_parent

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLIENTS = os.path.join(ROOT, "tests/clients")
PACKAGES = os.path.join(ROOT, "build/tools/node/node_modules")
ESBUILD = os.path.join(PACKAGES, "esbuild/bin/esbuild")
NODE, CHROMIUM = shutil.which("node"), shutil.which("chromium")
WORDS = "Once upon a time there was a weir."
# It calls nobody but the page's server and weir; --no-sandbox because tests may run as root, where
# Chromium has no other way to start.
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--no-proxy-server"]


def bundle(script, platform, directory):
    """One file of the script and the packages it uses."""
    target = os.path.join(directory, f"bundle-{platform}.mjs")
    subprocess.run([NODE, ESBUILD, os.path.join(CLIENTS, script), "--bundle", "--format=esm",
                    f"--platform={platform}", f"--outfile={target}", "--log-level=warning",
                    "--banner:js=import{createRequire}from'module';const require=createRequire("
                    "import.meta.url);" if platform == "node" else "--target=chrome110"],
                   check=True, env={**os.environ, "NODE_PATH": PACKAGES}, timeout=slow(60))
    return target


class Page(http.server.ThreadingHTTPServer):
    """Serves the page and takes its results."""

    def __init__(self, script):
        self.results = queue.Queue()
        with open(os.environ["WEIR_PROTOSET"], "rb") as file, open(script, "rb") as code:
            self.files = {
                "/": ("text/html", b"<!doctype html><title>weir</title>"
                                   b"<script type=module src=/script></script>"),
                "/script": ("text/javascript", code.read()),
                "/descriptors": ("application/octet-stream", file.read())}
        super().__init__(("127.0.0.1", 0), PageHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class PageHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, body = self.server.files.get(self.path.split("?")[0], ("text/plain", b""))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.server.results.put(json.loads(
            self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@unittest.skipUnless(NODE and os.path.exists(ESBUILD),
                     "SKIPPED: build/tools/node has no clients; scripts/setup.sh test installs them")
class Clients(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="weir-test-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.model = FakeUpstream().start()
        self.addCleanup(self.model.stop)
        self.model.behave("slow_stream", gap_s=slow(0.03), text=WORDS)

    def assert_served(self, results, clients):
        self.assertNotIn("failed", results, results.get("failed"))
        self.assertEqual(sorted(results), sorted(clients))
        for client, result in results.items():
            with self.subTest(client=client):
                self.assertEqual(result["joke"], WORDS)
                self.assertEqual(result["refused"]["code"], "InvalidArgument")
                self.assertEqual(result["refused"]["field"], "name")
                if client == "grpc-web binary":
                    continue  # has no streams in this form
                self.assertEqual("".join(result["pieces"]), WORDS)
                self.assertGreater(len(result["pieces"]), 3)
                self.assertEqual(result["left"].lower(), "canceled")
                if not client.startswith("grpc-web"):
                    self.assertEqual(result["streamRefused"], "InvalidArgument")

    def assert_left(self, count):
        """Whoever left took its call at the model along."""
        wait_until(lambda: self.model.aborted == count and self.model.running == 0, 5,
                   f"{count} aborts at the model ({self.model.aborted})")

    def test_node(self):
        script = bundle("node.mjs", "node", self.directory)
        with Weir({"LLM_BASE_URL": self.model.base_url}) as weir:
            done = subprocess.run(
                with_parent([NODE, script, weir.url, os.environ["WEIR_PROTOSET"]]),
                capture_output=True, text=True, check=False, timeout=slow(60))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assert_served(json.loads(done.stdout), [
                "connect-node connect json", "connect-node connect proto", "connect-node grpc-web",
                "connect-web connect json", "connect-web connect proto", "connect-web grpc-web",
                "grpc-web text", "grpc-web binary"])
            # Not that of grpc-web: xhr2 shows a text only when all of it is there.
            self.assert_left(6)

    @unittest.skipUnless(CHROMIUM, "SKIPPED: there is no chromium; scripts/setup.sh test "
                                   "installs it")
    def test_chromium(self):
        page = Page(bundle("browser.mjs", "browser", self.directory))
        self.addCleanup(page.server_close)
        self.addCleanup(page.shutdown)
        with Weir({"LLM_BASE_URL": self.model.base_url,
                   "CORS_ALLOWED_ORIGINS": page.origin}) as weir:
            browser = subprocess.Popen(
                with_parent([CHROMIUM, *FLAGS, f"--user-data-dir={self.directory}/profile",
                             f"{page.origin}/?weir={weir.url}"]),
                env={**os.environ, "HOME": self.directory}, start_new_session=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                results = page.results.get(timeout=slow(60))
            finally:
                browser.terminate()
                browser.wait(slow(20))
            self.assert_served(results, [
                "connect-web connect json", "connect-web connect proto", "connect-web grpc-web",
                "grpc-web text", "grpc-web binary"])
            self.assert_left(4)


if __name__ == "__main__":
    main()
