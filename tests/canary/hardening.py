"""The weir binary is built hardened, as readelf sees it; and the check refuses a soft program.

Environment: WEIR_BINARY, WEIR_BUILD_TYPE, WEIR_SOFT_PROGRAM (built without hardening), and
WEIR_RELEASE_BINARY where a release build is at hand."""
import os
import re
import subprocess
import unittest


def readelf(option, path):
    return subprocess.run(["readelf", "-W", option, path], capture_output=True, text=True,
                          check=True).stdout


def missing(path, fortified):
    """Which protections the program lacks."""
    lacks = []
    header, segments = readelf("--file-header", path), readelf("--program-headers", path)
    dynamic, symbols = readelf("--dynamic", path), readelf("--dyn-syms", path)
    flags = " ".join(line for line in dynamic.splitlines() if "FLAGS" in line)
    if not re.search(r"Type:\s+DYN", header) or "INTERP" not in segments or "PIE" not in flags:
        lacks.append("PIE")
    if "GNU_RELRO" not in segments:
        lacks.append("RELRO")
    if not re.search(r"BIND_NOW|\bNOW\b", flags):
        lacks.append("BIND_NOW")
    stack = re.search(r"GNU_STACK.*", segments)
    if stack is None or "RWE" in stack.group():
        lacks.append("NX")
    if re.search(r"LOAD.*\bRWE\b", segments):
        lacks.append("W^X")
    if "__stack_chk_fail" not in symbols:
        lacks.append("stack protector")
    if fortified and not re.search(r"\b__\w+_chk\b", symbols):
        lacks.append("FORTIFY")
    if re.search(r"\((RPATH|RUNPATH)\)", dynamic):
        lacks.append("no RPATH")
    return lacks


class Hardening(unittest.TestCase):
    def test_weir(self):
        release = os.environ.get("WEIR_BUILD_TYPE") == "Release"
        self.assertEqual(missing(os.environ["WEIR_BINARY"], fortified=release), [])

    def test_release(self):
        path = os.environ.get("WEIR_RELEASE_BINARY")
        if not path:
            self.skipTest("no release build at hand (WEIR_RELEASE_BINARY)")
        self.assertEqual(missing(path, fortified=True), [])

    def test_the_check_refuses_a_soft_program(self):
        self.assertEqual(missing(os.environ["WEIR_SOFT_PROGRAM"], fortified=True),
                         ["PIE", "RELRO", "BIND_NOW", "NX", "stack protector", "FORTIFY"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
