"""SIGTERM under load (D1): 200 live streams and steady unary calls over both protocols. Every request
that weir has accepted gets an end that its protocol knows, and weir is gone within the grace."""
import asyncio
import collections
import json
import time
import unittest

import grpc

from harness import FakeUpstream, Weir, main, slow, wait_until
from messages import full_name

STREAMS = 100           # of each protocol
KEPT_CONNECTIONS = 8    # REST clients that ask again and again
CHANNELS = 4            # and gRPC clients
IDLE_S = 0.9            # for so long weir keeps an idle connection open in a drain, at least
IDENTITY = lambda data: data  # noqa: E731


def post(path, body=b"{}"):
    return (f"POST {path} HTTP/1.1\r\nHost: weir\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


class Load:
    """Clients of both protocols, and how each of their requests ended."""

    def __init__(self, weir):
        self.weir = weir
        self.ends = collections.Counter()   # (kind, end) -> how many
        self.texts = collections.Counter()  # of streams that ended well
        self.live = 0                       # streams whose first piece has come
        self.channels = []

    def end(self, kind, end):
        self.ends[kind, end] += 1

    # --- REST ---

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.weir.port)

    async def sse(self):
        reader, writer = await self.connect()
        text, event, end = "", "message", "silent"
        started = False
        try:
            writer.write(post("/tell-story/stream"))
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ")[1])
            if status != 200:
                problem = json.loads(await reader.readexactly(length_of(head)))
                self.end("sse", f"{status} {problem['code']}")
                return
            async for line in dechunked(reader):
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                if name != "data":
                    continue
                data = json.loads(value)
                if not started:
                    started = True
                    self.live += 1
                if event == "error":
                    end = f"error {data['status']} {data['code']}"
                elif data.get("done"):
                    end = "done"
                else:
                    text += data["chunk"]
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            end = f"broken: {error!r}"
        finally:
            writer.close()
        self.end("sse", end)
        if end == "done":
            self.texts[text] += 1

    async def keep_asking(self):
        """One kept connection, until weir says that an answer is the last, or closes it while it
        is idle. A client that is slower to ask again than weir waits has to look before it asks,
        and may still come too late: HTTP/1.1 has no cure for that (RFC 9112, 9.3.1)."""
        reader, writer = await self.connect()
        answered = time.monotonic()
        try:
            while not reader.at_eof():
                idle = time.monotonic() - answered
                writer.write(post("/chat"))
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(length_of(head))
                answered = time.monotonic()
                status = int(head.split(b" ")[1])
                self.end("rest", "200" if status == 200
                         else f"{status} {json.loads(body)['code']}")
                if b"connection: close" in head.lower():
                    break
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            if idle < IDLE_S:
                self.end("rest", f"silent: {error!r}")
        writer.close()

    # --- gRPC ---

    def channel(self):
        channel = grpc.aio.insecure_channel(
            f"127.0.0.1:{self.weir.grpc_port}",
            options=[("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)])
        self.channels.append(channel)
        return channel

    async def rpc_stream(self, channel):
        path = full_name("TellStory")
        answer = self.weir.messages.type(self.weir.messages.methods[path].output_type)
        call = channel.unary_stream(path, request_serializer=IDENTITY,
                                    response_deserializer=answer.FromString)(b"")
        text = ""
        try:
            async for piece in call:
                if not text:
                    self.live += 1
                text += piece.text
        except grpc.RpcError:
            pass
        code = await call.code()
        self.end("stream", code.name)
        if code == grpc.StatusCode.OK:
            self.texts[text] += 1

    async def keep_calling(self):
        channel = self.channel()
        call = channel.unary_unary(full_name("PirateChat"), request_serializer=IDENTITY,
                                   response_deserializer=IDENTITY)
        while True:
            try:
                await call(b"")
                self.end("unary", "OK")
            except grpc.RpcError as error:
                self.end("unary", error.code().name)
                return

    async def run(self, streams, all_live, at_signal):
        """All of it: unary calls begin when every stream is live, then comes the signal."""
        channels = [self.channel() for _ in range(CHANNELS)]
        tasks = [asyncio.ensure_future(self.sse()) for _ in range(streams)]
        tasks += [asyncio.ensure_future(self.rpc_stream(channels[i % CHANNELS]))
                  for i in range(streams)]
        end = time.monotonic() + slow(30)
        while self.live < 2 * streams:
            if time.monotonic() > end:
                raise AssertionError(f"only {self.live} streams are live; {self.ends}")
            await asyncio.sleep(0.01)
        all_live()
        tasks += [asyncio.ensure_future(self.keep_asking()) for _ in range(KEPT_CONNECTIONS)]
        tasks += [asyncio.ensure_future(self.keep_calling()) for _ in range(CHANNELS)]
        await asyncio.sleep(0.5)
        at_signal()
        await asyncio.wait_for(asyncio.gather(*tasks), slow(30))
        for channel in self.channels:
            await channel.close()


def length_of(head):
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    raise AssertionError(f"a response without a length: {head!r}")


async def dechunked(reader):
    """The lines of a chunked body; an end in the middle raises."""
    data = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).strip(), 16)
        piece = (await reader.readexactly(size + 2))[:-2]
        data += piece
        while b"\n" in data:
            line, _, data = data.partition(b"\n")
            yield line.decode()
        if size == 0:
            return


class Drain(unittest.TestCase):
    def setUp(self):
        self.model = FakeUpstream().start()

    def tearDown(self):
        self.model.stop()

    def drain(self, **settings):
        """Runs the load into a SIGTERM; returns what became of it and how long weir took."""
        with Weir({"LLM_BASE_URL": self.model.base_url, "LLM_POOL_MAX": "1000",
                   "ACCESS_LOG": "true", **settings}) as weir:
            load = Load(weir)
            began = []

            def at_signal():
                began.append(time.monotonic())
                weir.signal()
            asyncio.run(load.run(STREAMS, lambda: self.model.behave("ok"), at_signal))
            code = weir.wait(slow(12))
            took = time.monotonic() - began[0]
            self.assertEqual(code, 0, "\n".join(weir.lines[-20:]))
            self.check_log(weir, load)
            print(f"\n  {took:.2f} s: {dict(load.ends)}")
        return load, took

    def check_log(self, weir, load):
        """The log was flushed: it knows of as many requests as the clients do."""
        lines = collections.Counter((line["protocol"], line["path"].lower().split("/")[-1],
                                     line["end"]) for line in weir.events("request"))
        told = f"{dict(lines)} {dict(load.ends)} {weir.lines[-8:]}"
        ended = sum(n for (_, end), n in load.ends.items() if not end.startswith("silent"))
        turned_away = sum(n for (kind, end), n in load.ends.items()
                          if kind == "unary" and end == "UNAVAILABLE")
        self.assertGreaterEqual(sum(lines.values()), ended - turned_away, told)
        self.assertLessEqual(sum(lines.values()), ended, told)
        self.assertEqual(weir.events("log_dropped"), [])
        self.assertEqual(weir.events()[-1]["event"], "stopped")

    def assert_unary_is_whole(self, load):
        """Unary calls end with an answer, or with a refusal that their protocol knows."""
        self.assertGreater(load.ends["rest", "200"], KEPT_CONNECTIONS)
        self.assertGreater(load.ends["unary", "OK"], CHANNELS)
        for kind, end in load.ends:
            if kind == "rest":
                self.assertIn(end, ("200", "503 UNAVAILABLE"), load.ends)
            if kind == "unary":
                self.assertIn(end, ("OK", "UNAVAILABLE"), load.ends)

    def test_streams_that_end_in_time_end_well(self):
        text = "one two three four five six seven eight nine ten eleven twelve"
        self.model.behave("slow_stream", gap_s=0.25, text=text)
        load, took = self.drain(SHUTDOWN_GRACE=f"{slow(10):.0f}s")
        self.assertEqual(load.ends["sse", "done"], STREAMS, load.ends)
        self.assertEqual(load.ends["stream", "OK"], STREAMS, load.ends)
        self.assertEqual(load.texts, {text: 2 * STREAMS})
        self.assert_unary_is_whole(load)
        self.assertLess(took, slow(8))

    def test_streams_that_do_not_end_are_told(self):
        self.model.behave("stall")
        load, took = self.drain()
        self.assertEqual(load.ends["sse", "error 503 UNAVAILABLE"], STREAMS, load.ends)
        self.assertEqual(load.ends["stream", "UNAVAILABLE"], STREAMS, load.ends)
        self.assert_unary_is_whole(load)
        self.assertGreater(took, 7)
        self.assertLess(took, slow(10))
        wait_until(lambda: self.model.running == 0, 5, "the end of the calls at the model")


class Answers(unittest.TestCase):
    """What the requests that are not done are told, in full."""

    def setUp(self):
        self.model = FakeUpstream().start()
        self.model.behave("silent")

    def tearDown(self):
        self.model.stop()

    def test_unary_requests_that_are_not_done(self):
        with Weir({"LLM_BASE_URL": self.model.base_url, "SHUTDOWN_GRACE": "2s"}) as weir:
            rest = weir.connect(seconds=20)
            rest.sendall(post("/tell-joke"))
            path = full_name("TellJoke")
            call = weir.channel.unary_unary(path, request_serializer=IDENTITY,
                                            response_deserializer=IDENTITY).future(b"")
            wait_until(lambda: self.model.running == 2, 5, "calls at the model")
            weir.signal()
            head, _, body = rest.makefile("rb").read().partition(b"\r\n\r\n")
            rest.close()
            self.assertTrue(head.startswith(b"HTTP/1.1 503 "), head)
            self.assertIn(b"connection: close", head.lower())
            self.assertIn(b"retry-after: 1", head.lower())
            problem = json.loads(body)
            self.assertEqual((problem["status"], problem["code"], problem["title"]),
                             (503, "UNAVAILABLE", "Shutting down"))
            self.assertEqual(call.code(), grpc.StatusCode.UNAVAILABLE)
            self.assertIn("shutting down", call.details())
            self.assertEqual(weir.wait(5), 0)
            self.assertEqual([e["end"] for e in weir.events("request")], ["DRAINING"] * 2)
            self.assertEqual(len(weir.events("drain_cut_short")), 1)

    def test_a_request_on_its_way_is_answered(self):
        """Half of it was sent before the signal, and a kept connection asks right after it."""
        self.model.behave("ok")
        with Weir({"LLM_BASE_URL": self.model.base_url}) as weir:
            half, kept = weir.connect(), weir.connect()
            kept.sendall(post("/tell-joke"))
            wait_until(lambda: b" 200 " in kept.recv(65536), 5, "the first answer")
            half.sendall(post("/tell-joke")[:40])
            time.sleep(0.1)
            weir.signal()
            wait_until(lambda: weir.events("draining"), 5, "the drain")
            time.sleep(0.2)
            half.sendall(post("/tell-joke")[40:])
            kept.sendall(post("/tell-joke"))
            for connection in (half, kept):
                answer = connection.makefile("rb").read()
                self.assertIn(b" 200 ", answer)
                self.assertIn(b"connection: close", answer.lower())
                connection.close()
            self.assertEqual(weir.wait(5), 0)

    def test_ready_says_no_at_once(self):
        with Weir({"LLM_BASE_URL": self.model.base_url, "SHUTDOWN_GRACE": "3s"}) as weir:
            with weir.connect(seconds=20) as busy:
                busy.sendall(post("/tell-joke"))
                wait_until(lambda: self.model.running == 1, 5, "the call at the model")
                weir.signal()
                wait_until(lambda: weir.events("draining"), 5, "the drain")
                with weir.connect(weir.admin_port) as admin:
                    admin.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    head, _, body = admin.makefile("rb").read().partition(b"\r\n\r\n")
                self.assertIn(b" 503 ", head)
                self.assertIn({"class": "warn", "reason": "draining"},
                              json.loads(body)["reasons"])
                with weir.connect(weir.admin_port) as admin:
                    admin.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    metrics = admin.makefile("rb").read().decode()
                for line in ("weir_draining 1", "weir_ready 0", "weir_requests_in_flight 1"):
                    self.assertIn(f"\n{line}\n", metrics)
                busy.makefile("rb").read()
            self.assertEqual(weir.wait(5), 0)


if __name__ == "__main__":
    main()
