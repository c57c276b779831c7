"""Debian's Chromium without a window, driven over the WebDriver protocol (chromedriver)."""
import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request

from waiting import slow, wait_until, with_parent

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
# It calls nobody but the page's server; --no-sandbox because tests may run as root, where Chromium
# has no other way to start.
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--force-prefers-reduced-motion",
         "--hide-scrollbars", "--no-proxy-server"]
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Control": "\ue009"}


class Browser:
    """One window; a context manager. `find` and `all` take CSS selectors."""

    def __init__(self, width=1280, height=900):
        self.directory = tempfile.mkdtemp(prefix="weir-test-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.driver = subprocess.Popen(
            with_parent([DRIVER, f"--port={self.port}"]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.directory}, start_new_session=True)
        self.session = ""
        try:
            wait_until(self._is_up, 20, "chromedriver")
            self.session = f"/session/{self._open(width, height)}"
        except BaseException:
            self.close()
            raise

    def _is_up(self):
        try:
            return self.ask("GET", "/status")["ready"]
        except OSError:
            return False

    def _open(self, width, height):
        options = {"binary": CHROMIUM, "args": [
            *FLAGS, f"--user-data-dir={self.directory}/profile", f"--window-size={width},{height}"]}
        return self.ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}})["sessionId"]

    def ask(self, verb, path, body=None):
        data = json.dumps({} if body is None else body).encode() if verb == "POST" else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=verb,
                                         headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=slow(30)) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None

    def close(self):
        try:
            if self.session:
                self.ask("DELETE", self.session)
        finally:
            os.killpg(self.driver.pid, signal.SIGKILL)  # its own session: the driver and its browser
            self.driver.wait()
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def go(self, url):
        self.ask("POST", f"{self.session}/url", {"url": url})

    def run(self, script, *arguments):
        """The value that a function body of JavaScript returns."""
        return self.ask("POST", f"{self.session}/execute/sync",
                        {"script": script, "args": list(arguments)})

    def devtools(self, command, **parameters):
        return self.ask("POST", f"{self.session}/goog/cdp/execute",
                        {"cmd": command, "params": parameters})

    def find(self, selector):
        return self.ask("POST", f"{self.session}/element",
                        {"using": "css selector", "value": selector})[ELEMENT]

    def text(self, selector):
        """What is shown; empty when there is no such element."""
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def click(self, selector):
        self.ask("POST", f"{self.session}/element/{self.find(selector)}/click")

    def type(self, selector, text):
        self.ask("POST", f"{self.session}/element/{self.find(selector)}/value", {"text": text})

    def press(self, *keys):
        """The keys of KEYS together, to what has the focus."""
        down = [{"type": "keyDown", "value": KEYS[key]} for key in keys]
        up = [{"type": "keyUp", "value": KEYS[key]} for key in reversed(keys)]
        self.ask("POST", f"{self.session}/actions",
                 {"actions": [{"type": "key", "id": "keys", "actions": down + up}]})

    def wait_for(self, selector, text, seconds=10):
        """Waits until the element shows the text."""
        try:
            wait_until(lambda: text in self.text(selector), seconds)
        except AssertionError:
            raise AssertionError(
                f"no {text!r} in {selector}, but {self.text(selector)!r}") from None

    def complaints(self):
        """What stands in the console since the last look: errors, and breaches of the policy."""
        return [entry["message"] for entry in self.ask("POST", f"{self.session}/se/log",
                                                       {"type": "browser"})]

    @contextlib.contextmanager
    def emulated(self, width, height, scheme):
        """The window as wide as that, its user fond of "light" or "dark"."""
        self.devtools("Emulation.setEmulatedMedia",
                      features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=1, mobile=False)
        try:
            yield
        finally:
            self.devtools("Emulation.clearDeviceMetricsOverride")
            self.devtools("Emulation.setEmulatedMedia", features=[])

    def screenshot(self, path, width=1280, height=900, scheme="light"):
        with self.emulated(width, height, scheme), open(path, "wb") as file:
            file.write(base64.b64decode(self.ask("GET", f"{self.session}/screenshot")))
