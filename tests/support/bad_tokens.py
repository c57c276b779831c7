"""Tokens whose signature is good and whose content is not."""
import functools
import json
import time

from tokens import claims


@functools.cache  # both protocols are shown the same ones: openssl takes its time
def bad_contents(key, other):
    """name -> a token of `key`, most of them, that is none all the same; `other` is nobody's key."""
    now = int(time.time())

    def with_claims(text):
        return key.token(json.dumps(claims(exp=None))[:-1] + f",{text}}}")
    ends = f'"exp":{now + 300}'
    return {
        "expiry of a huge exponent": with_claims('"exp":1e400'),
        "expiry of 2^63": with_claims('"exp":9223372036854775808'),
        "expiry of 2^64 and a bit": with_claims(f'"exp":{2 ** 64 + now + 300}'),
        "negative expiry": with_claims('"exp":-1'),
        "expiry of nothing": with_claims('"exp":null'),
        "expiry in a list": with_claims(f'"exp":[{now + 300}]'),
        "not before 2^63 - 1": with_claims(f'{ends},"nbf":9223372036854775807'),
        "not before a fraction": with_claims(f'{ends},"nbf":0.5'),
        "not before -2^63": with_claims(f'{ends},"nbf":-9223372036854775808'),
        "issued in the future": key.token(claims(iat=now + 90)),
        "deep": with_claims(f'{ends},"x":' + "[" * 2500 + "]" * 2500),
        "deep, without an end": key.token("[" * 5000),
        "duplicate far inside": with_claims(f'{ends},"x":{{"a":{{"b":1,"b":2}}}}'),
        "not UTF-8": key.token(json.dumps(claims(x="?")).encode().replace(b"?", b"\xff")),
        "overlong UTF-8": key.token(json.dumps(claims(x="?")).encode()
                                    .replace(b"?", b"\xc0\xaf")),
        "half a surrogate": with_claims(ends + r',"x":"\ud800"'),
        "NUL in the subject": key.token(json.dumps(claims(sub="ada?eve"))
                                        .replace("?", r"\u0000")),
        "a line in the subject": key.token(claims(sub="ada\neve")),
        "a long subject": key.token(claims(sub="x" * 1000)),
        "a list of subjects": key.token(claims(sub=["ada"])),
        "tenant as a number": key.token(claims(tenant=1)),
        "audience as an object": key.token(claims(aud={"weir": "weir"})),
        "audience in a list in a list": key.token(claims(aud=[["weir"]])),
        "scopes with control characters": key.token(claims(scope="flow:*\nflow:x")),
        "text behind the claims": key.token(json.dumps(claims()) + "{}"),
        "mark before the claims": key.token(b"\xef\xbb\xbf" + json.dumps(claims()).encode()),
        "a token in a token": key.token(key.token()),
        "a path as key id": other.token(header={"alg": "RS256", "kid": "../../dev/null"}),
        "a query as key id": other.token(header={"alg": "RS256", "kid": "x' OR '1'='1"}),
        "a long key id": key.token(header={"alg": "RS256", "kid": "x" * 2000}),
        "an empty key id": key.token(header={"alg": "RS256", "kid": ""}),
        "key id as a number": key.token(header={"alg": "RS256", "kid": 1}),
        "NUL in the key id": key.token(header=r'{"alg":"RS256","kid":"a\u0000b"}'),
        "a list of algorithms": key.token(header={"alg": ["RS256"]}),
        "no algorithm": key.token(header={"typ": "JWT"}),
        "algorithm of nothing": key.token(header={"alg": None}),
        "algorithm and a NUL": key.token(header=r'{"alg":"RS256\u0000"}'),
        "header as a list": key.token(header='["RS256"]'),
        "deep header": key.token(header='{"alg":"RS256","x":' + "[" * 2500 + "]" * 2500 + "}"),
        "another payload encoding": key.token(header={"alg": "RS256", "b64": False}),
        "encrypted": "a.b.c.d.e",
        "dots": "." * 8000,
    }
