"""The image (D4), without a container engine: the root file system that Containerfile copies, run as
uid 65534 in a read-only root with every capability dropped, serves both protocols.

scripts/deploy/prove.sh runs it on the image that an engine built of Containerfile: WEIR_IMAGE_ROOT is its
root file system, WEIR_IMAGE_CONFIG what the engine says of it."""
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

from harness import Weir, both, main

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
RUNNER = os.path.join(TOP, "tests", "support", "image_runner.py")
MOST_BYTES = 45 * 1024 * 1024


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = os.environ.get("WEIR_IMAGE_ROOT")
        if cls.root:
            return
        folder = tempfile.mkdtemp(prefix="weir-image-")
        cls.addClassCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        cls.root = os.path.join(folder, "root")
        subprocess.run([os.path.join(TOP, "scripts", "deploy", "rootfs.sh"),
                        os.environ["WEIR_RELEASE_BINARY"], cls.root], check=True)

    def entries(self):
        for folder, folders, files in os.walk(self.root):
            for name in folders + files:
                path = os.path.join(folder, name)
                yield path, os.lstat(path)

    def test_nothing_but_what_serves(self):
        size, programs = 0, []
        for path, status in self.entries():
            size += status.st_size if stat.S_ISREG(status.st_mode) else 0
            self.assertFalse(status.st_mode & (stat.S_ISUID | stat.S_ISGID), path)
            if stat.S_ISREG(status.st_mode):
                self.assertFalse(status.st_mode & 0o022, f"{path} can be written by others")
            if stat.S_ISREG(status.st_mode) and ".so" not in path and status.st_mode & 0o111:
                programs.append(os.path.relpath(path, self.root))
        self.assertEqual(programs, ["usr/bin/weir"])
        print(f"image: {size / 1e6:.1f} MB unpacked", flush=True)
        self.assertLess(size, MOST_BYTES)

    def test_serves_without_any_right(self):
        weir = Weir(binary="/usr/bin/weir", start=False)
        weir.flags = [RUNNER, self.root, weir.binary, *weir.flags]
        weir.binary = sys.executable
        weir.start()
        with weir:
            with open(f"/proc/{weir.process.pid}/status", encoding="ascii") as file:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
            self.assertEqual(status["Uid"].split(), ["65534"] * 4)
            self.assertEqual(status["Gid"].split(), ["65534"] * 4)
            for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                self.assertEqual(int(status[kind], 16), 0, kind)
            self.assertEqual(status["NoNewPrivs"], "1")
            self.assertEqual(status["Seccomp"], "2")
            for call in both(weir):
                self.assertTrue(call("TellJoke", {}).ok, call.protocol)
                self.assertTrue(call("TellStory", {}).ok, call.protocol)

    def test_health_by_the_binary_itself(self):
        """As HEALTHCHECK asks for it: in the container, as its user."""
        health = [sys.executable, RUNNER, self.root, "/usr/bin/weir", "--health", "--host",
                  "127.0.0.1", "--llm-provider", "offline", "--auth-mode", "none", "--port"]
        with Weir() as weir:
            port = str(weir.port)
            alive = subprocess.run([*health, port], capture_output=True, text=True, timeout=20)
            self.assertEqual((alive.returncode, alive.stderr), (0, ""))
        dead = subprocess.run([*health, port], capture_output=True, text=True, timeout=20)
        self.assertEqual(dead.returncode, 1)
        self.assertIn("weir: health: connect: Connection refused", dead.stderr)


def stated():
    """What the engine says of the image that it built."""
    with open(os.environ["WEIR_IMAGE_CONFIG"], encoding="utf-8") as file:
        return json.load(file)["Docker"]["config"]


@unittest.skipUnless("WEIR_IMAGE_CONFIG" in os.environ, "scripts/deploy/prove.sh builds the image")
class Stated(unittest.TestCase):
    def test_it_starts_weir_as_nobody(self):
        image = stated()
        self.assertEqual((image["User"], image["WorkingDir"]), ("65534:65534", "/app"))
        self.assertEqual((image["Entrypoint"], image["Cmd"] or []), (["/usr/bin/weir"], []))
        self.assertEqual(image["Healthcheck"]["Test"], ["CMD", "/usr/bin/weir", "--health"])
        self.assertEqual(set(image["ExposedPorts"]), {"8080/tcp", "50051/tcp"})

    def test_it_tells_nothing_of_the_machine_that_built_it(self):
        image = stated()
        self.assertEqual([each.split("=")[0] for each in image["Env"]], ["PATH"])
        self.assertEqual(image["Labels"]["org.opencontainers.image.licenses"], "MIT")


if __name__ == "__main__":
    main()
