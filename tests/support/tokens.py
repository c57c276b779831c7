"""Keys and tokens for scenarios: openssl signs, so that what is signed may be anything at all."""
import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import tempfile
import time

# Settings of a weir that takes the tokens of claims().
REQUIRED = {"AUTH_MODE": "required", "JWT_ISSUER": "https://issuer.test", "JWT_AUDIENCE": "weir",
            "LOG_LEVEL": "debug"}
SECRET = "a shared secret of the tests, 32 bytes or more"


def b64(data):
    if isinstance(data, dict):
        data = json.dumps(data)
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(**more):
    """Claims that pass by default; None takes one out."""
    now = int(time.time())
    given = {"sub": "ada", "iss": "https://issuer.test", "aud": "weir", "scope": "flow:*",
             "iat": now, "exp": now + 300, **more}
    return {name: value for name, value in given.items() if value is not None}


class Key:
    """A private key in a file of its own: kind "RSA", "EC" or "ED25519"."""

    OPTIONS = {"RSA": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
               "EC": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
               "ED25519": ("-algorithm", "ED25519")}

    def __init__(self, kind="RSA", kid=None):
        self.kind, self.kid = kind, kid
        self.directory = tempfile.mkdtemp(prefix="weir-key-")
        self.path = os.path.join(self.directory, "private.pem")
        self._openssl("genpkey", *self.OPTIONS[kind], "-out", self.path)
        self.public_pem = self._openssl("pkey", "-in", self.path, "-pubout").decode()

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    @staticmethod
    def _openssl(*words, data=None):
        return subprocess.run(("openssl", *words), input=data, capture_output=True,
                              check=True).stdout

    @property
    def jwk(self):
        der = self._openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")
        if self.kind == "EC":
            key = {"kty": "EC", "crv": "P-256", "x": b64(der[-64:-32]), "y": b64(der[-32:])}
        elif self.kind == "ED25519":
            key = {"kty": "OKP", "crv": "Ed25519", "x": b64(der[-32:])}
        else:
            text = self._openssl("rsa", "-in", self.path, "-noout", "-modulus").decode()
            key = {"kty": "RSA", "e": "AQAB", "n": b64(bytes.fromhex(text.strip().split("=")[1]))}
        return {**key, "kid": self.kid, "use": "sig"} if self.kid else key

    def sign(self, data, algorithm):
        if algorithm == "EdDSA":
            path = os.path.join(self.directory, "data")
            with open(path, "wb") as file:
                file.write(data)
            return self._openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", path)
        options = ()
        if algorithm == "PS256":
            options = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
        signature = self._openssl("dgst", "-sha256", *options, "-sign", self.path, data=data)
        return flat(signature) if algorithm == "ES256" else signature

    @property
    def algorithm(self):
        return {"RSA": "RS256", "EC": "ES256", "ED25519": "EdDSA"}[self.kind]

    def token(self, payload=None, header=None, algorithm=None):
        """payload and header: dicts, or the very text. A header that is given is all of it."""
        algorithm = algorithm or self.algorithm
        if header is None:
            header = {"alg": algorithm, "typ": "JWT", **({"kid": self.kid} if self.kid else {})}
        text = f"{b64(header)}.{b64(claims() if payload is None else payload)}"
        return f"{text}.{b64(self.sign(text.encode(), algorithm))}"


def flat(der):
    """An ECDSA signature: DER -> r || s."""
    numbers, at = [], 2
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(32, "big"))
        at += 2 + length
    return b"".join(numbers)


def hs256(secret, payload=None, header=None):
    text = f"{b64(header or {'alg': 'HS256', 'typ': 'JWT'})}.{b64(payload or claims())}"
    return f"{text}.{b64(hmac.digest(secret.encode(), text.encode(), 'sha256'))}"


def api_key(number, **more):
    """A key and its line for API_KEYS_FILE."""
    name = f"testkey{number:03}"
    key = f"weir_{name}_{hashlib.sha256(name.encode()).hexdigest()[:43]}"
    words = {"key": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), "tenant": "acme",
             "scopes": "flow:*", **more}
    return key, " ".join(f"{name}={value}" for name, value in words.items()) + "\n"
