"""testssl.sh against both TLS listeners (H12): nothing of medium severity or worse."""
import json
import os
import subprocess
import tempfile
import unittest

from authority import Authority
from harness import SANITIZER, Weir, main, slow

# Protocols, groups of ciphers, what the server offers, renegotiation and compression. What it asks
# besides takes minutes: each cipher alone, simulated clients, and weaknesses that need one of the
# ciphers, or an OpenSSL before 1.1.
SECTIONS = ("--protocols", "--std", "--server-defaults", "--renegotiation", "--crime")
ALLOWED = {
    "cert_revocation",  # the tests' authority publishes no revocation list
}
FINE = {"OK", "INFO", "LOW", "DEBUG", "WARN"}  # WARN: what it could not look at


class Scan(unittest.TestCase):
    def start(self, folder, name, port):
        report = os.path.join(folder, name + ".json")
        return report, subprocess.Popen(
            ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--ip",
             "127.0.0.1", "--add-ca", self.authority.cert, "--jsonfile", report, *SECTIONS,
             f"localhost:{port}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)

    def setUp(self):
        self.authority = Authority()
        self.addCleanup(self.authority.remove)

    def findings(self, report, process):
        try:
            said, _ = process.communicate(timeout=slow(250))
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        with open(report, encoding="utf-8") as file:
            found = {each["id"]: each for each in json.load(file)}
        # It has come to its last sections, and has seen TLS there.
        for name in ("TLS1_2", "TLS1_3", "secure_client_renego", "CRIME_TLS"):
            self.assertIn(name, found, said[-2000:])
        self.assertIn("offered", found["TLS1_3"]["finding"])
        # To it these are of low severity.
        weak = ["TLS1", "TLS1_1", *(name for name in found if name.startswith("cipherlist_") and
                                    "STRONG" not in name)]
        self.assertGreater(len(weak), 7)
        for name in weak:
            self.assertEqual(found[name]["finding"], "not offered", name)
        return found

    @unittest.skipIf(SANITIZER, "looks at OpenSSL's answers, once is enough")
    def test_both_listeners(self):
        cert, key = self.authority.issue(days=90)
        with tempfile.TemporaryDirectory(prefix="weir-testssl-") as folder, \
                Weir({"TLS_CERT_FILE": cert, "TLS_KEY_FILE": key}) as weir:
            running = {name: self.start(folder, name, port)
                       for name, port in (("rest", weir.port), ("grpc", weir.grpc_port))}
            for name, (report, process) in running.items():
                with self.subTest(listener=name):
                    found = self.findings(report, process)
                    bad = {each["id"]: (each["severity"], each["finding"])
                           for each in found.values()
                           if each["severity"] not in FINE and each["id"] not in ALLOWED}
                    print(f"    {name}: {len(found)} findings, {len(bad)} of note")
                    self.assertEqual(bad, {})
            self.assertTrue(weir.alive())


if __name__ == "__main__":
    main()
