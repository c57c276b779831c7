"""Certificates for tests, made by openssl in a folder that goes with the test."""
import os
import shutil
import subprocess
import tempfile
import unittest


class Authority:
    """A certificate authority. `issue` gives the paths of a certificate and its key."""

    def __init__(self, name="test authority"):
        self.folder = tempfile.mkdtemp(prefix="weir-ca-")
        self.serial = 0
        self.cert = self._path("ca.pem")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout",
                      self._path("ca.key"), "-out", self.cert)

    def issue(self, subject="/CN=localhost", names="DNS:localhost,IP:127.0.0.1", days=2):
        self.serial += 1
        key, request = self._path(f"{self.serial}.key"), self._path(f"{self.serial}.csr")
        cert, extra = self._path(f"{self.serial}.pem"), self._path(f"{self.serial}.ext")
        with open(extra, "w", encoding="ascii") as file:
            file.write("extendedKeyUsage=serverAuth,clientAuth\n" +
                       (f"subjectAltName={names}\n" if names else ""))
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-subj", subject, "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey",
                      self._path("ca.key"), "-set_serial", str(self.serial + 100), "-days",
                      str(days), "-extfile", extra, "-out", cert)
        os.chmod(key, 0o600)
        return cert, key

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def _openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True)


class AuthorityCase(unittest.TestCase):
    """A test case with an authority of its own, and a certificate for localhost."""

    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.addClassCleanup(cls.authority.remove)
        cls.cert, cls.key = cls.authority.issue()
