"""HTTP/1.1 whose framing another server may read differently (N2, RFC 9112): refused and closed, or
read as the RFC says. Over a raw socket, each with a request behind it that must not be smuggled.

tests/scenario/bad_input.py has the lengths and encodings; here is the rest of what h2o lets pass."""
import time

from cost import Hostile, main, slow
from harness import exchange

JSON = b"Content-Type: application/json\r\n"
CHUNKS = b"2\r\n{}\r\n0\r\n\r\n"
SMUGGLED = b"GET /version HTTP/1.1\r\nHost: weir\r\n\r\n"


def request(line=b"POST /tell-joke HTTP/1.1", host=b"Host: weir\r\n", more=b"", body=b"{}",
            length=True):
    size = b"Content-Length: %d\r\n" % len(body) if length else b""
    return line + b"\r\n" + host + JSON + size + more + b"\r\n" + body


def chunked(body):
    return request(more=b"Transfer-Encoding: chunked\r\n", body=body, length=False)


REFUSED = {
    "length twice, of use to a smuggler": request(more=b"Content-Length: 39\r\n"),
    "encoding in other letters, with a length": request(more=b"tRANSFER-eNCODING: chunked\r\n",
                                                        body=CHUNKS),
    "encoding behind a tab, with a length": request(more=b"Transfer-Encoding:\tchunked\r\n",
                                                    body=CHUNKS),
    "encoding that is none": request(length=False, more=b"Transfer-Encoding: identity\r\n",
                                     body=b""),
    "chunked twice": chunked(CHUNKS).replace(b": chunked", b": chunked, chunked"),
    "encoding in quotes": chunked(CHUNKS).replace(b"chunked", b'"chunked"'),
    "encoding with a vertical tab": chunked(CHUNKS).replace(
        b": chunked", b": \x0bchunked"),
    "length of 20 digits": request(length=False, more=b"Content-Length: 18446744073709551618\r\n"),
    "length with a space inside": request(length=False, more=b"Content-Length: 1 2\r\n"),
    "empty length": request(length=False, more=b"Content-Length:\r\n"),
    "header without a colon": request(more=b"Nonsense\r\n"),
    "header without a name": request(more=b": value\r\n"),
    "name with a space": request(more=b"X Y: value\r\n"),
    "tab before the colon": request(more=b"Content-Length\t: 0\r\n"),
    "folded length": request(length=False, more=b"Content-Length:\r\n 2\r\n"),
    "folded length that hides": request(more=b"X-A: b\r\n Content-Length: 40\r\n"),
    "bare CR": request(more=b"X-A: b\rContent-Length: 0\r\n"),
    "NUL": request(more=b"X-A: b\0\r\n"),
    "Host twice": request(host=b"Host: weir\r\nHost: other\r\n"),
    "empty Host": request(host=b"Host: \r\n"),
    "target of another server": request(b"POST http://other/tell-joke HTTP/1.1"),
    "target without a slash": request(b"POST tell-joke HTTP/1.1"),
    "no target": request(b"POST  HTTP/1.1"),
    "two spaces": request(b"POST /tell-joke  HTTP/1.1"),
    "a line before": b"\r\n" + request(),
    "a line of LF before": b"\n" + request(),
    "version in small letters": request(b"POST /tell-joke http/1.1"),
    "version 1.10": request(b"POST /tell-joke HTTP/1.10"),
    "chunk length of nothing": chunked(b"\r\n{}\r\n0\r\n\r\n"),
    "chunk length of letters": chunked(b"xyz\r\n{}\r\n0\r\n\r\n"),
    "negative chunk length": chunked(b"-2\r\n{}\r\n0\r\n\r\n"),
    "endless chunk length": chunked(b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}
# What is read one way or refused, but never two ways.
ONE_WAY = {
    "chunk extension": chunked(b"2;a=b\r\n{}\r\n0\r\n\r\n"),
    "trailers": chunked(b"2\r\n{}\r\n0\r\nX-Trailer: y\r\n\r\n"),
    "leading zeros": chunked(b"0000002\r\n{}\r\n0\r\n\r\n"),
    "CONNECT": request(b"CONNECT weir:80 HTTP/1.1"),
    "TRACE": request(b"TRACE / HTTP/1.1"),
    "method in small letters": request(b"post /tell-joke HTTP/1.1"),
    "path with dots": request(b"POST /x/../tell-joke HTTP/1.1"),
    "path in escapes": request(b"POST /%74ell-joke HTTP/1.1"),
    "path with a NUL": request(b"POST /tell-joke%00 HTTP/1.1"),
    "two slashes": request(b"POST //tell-joke HTTP/1.1"),
    "Upgrade to h2c": request(more=b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                                   b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"),
}


class Framing(Hostile):
    def test_refused_and_closed(self):
        for name, data in REFUSED.items():
            with self.subTest(case=name), self.weir.connect(seconds=3) as connection:
                begin = time.monotonic()
                got = exchange(connection, data + SMUGGLED)
                self.assertLess(time.monotonic() - begin, slow(2.5), "it was not closed")
                if got:
                    self.assertRegex(got.split(b"\r\n")[0], rb"^HTTP/1\.[01] (400|431|501|505)")
                self.assertNotIn(b'"build_type"', got)

    def test_read_in_one_way(self):
        """The request behind it is answered as it is, or not at all."""
        for name, data in ONE_WAY.items():
            with self.subTest(case=name), self.weir.connect(seconds=1) as connection:
                got = exchange(connection, data + SMUGGLED.replace(
                    b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                self.assertNotIn(b"101 Switching", got)
                answers = got.count(b"HTTP/1.1 ")
                self.assertLessEqual(answers, 2)
                if b"escapes" in name.encode() or b"dots" in name.encode():
                    self.assertRegex(got.split(b"\r\n")[0], rb" 40[04] ")

    def test_pipelines_stay_in_order(self):
        with self.weir.connect(seconds=5) as connection:
            pipeline = b"".join(request(body=b'{"name": "n%d"}' % i) for i in range(20))
            got = exchange(connection, pipeline + SMUGGLED.replace(
                b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            self.assertEqual(got.count(b"HTTP/1.1 200"), 21)
            places = [got.find(b"n%d" % i) for i in range(20)]
            self.assertEqual(places, sorted(places))


if __name__ == "__main__":
    main()
