"""A model server that speaks the wires of OpenAI, Gemini and Anthropic (the path says which) and
misbehaves on demand.

`FakeUpstream` runs it in a thread of the test's process, on loopback, on a port that the kernel
picks; the test tells it how to behave and reads what it saw. `python3 fake_upstream.py` runs it on
its own; the request's `model` then names the behaviour.
"""
import asyncio
import collections
import dataclasses
import json
import sys
import threading
import time

from fake_answers import MODES, Behaviour, answer as answer_to, behaviour
from wires import wire_of


@dataclasses.dataclass
class Seen:
    """One request as it came in, and how it ended."""
    path: str
    headers: dict
    body: object
    started: float
    ended: float | None = None
    outcome: str = "open"           # then: answered, aborted (the client closed), broken (by us)

    @property
    def stream(self):
        return ":streamGenerateContent" in self.path or \
            bool(isinstance(self.body, dict) and self.body.get("stream"))

    @property
    def wire(self):
        return wire_of(self.path)


class _Reader(asyncio.StreamReader):
    """Tells at once when the client has closed, also while nobody reads."""

    def __init__(self, loop):
        super().__init__(limit=64 * 1024 * 1024, loop=loop)
        self.gone = asyncio.Event()

    def feed_eof(self):
        super().feed_eof()
        self.gone.set()

    def set_exception(self, error):
        super().set_exception(error)
        self.gone.set()


class FakeUpstream:
    """The server and its control panel. Any thread may use the public members."""

    def __init__(self):
        self._lock = threading.Lock()
        self._default = Behaviour()
        self._queued = collections.deque()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fake-upstream", daemon=True)
        self._listening = threading.Event()
        self._tasks = set()
        self.port = 0
        self.seen = collections.deque(maxlen=200)
        self.requests = 0
        self.aborted = 0
        self.running = 0
        self.most_running = 0
        self.connections = 0
        self.all_connections = 0
        self.surprises = []         # breaches of the wire by the client

    # --- The control panel ---

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def behave(self, mode="ok", **how):
        """Sets how requests are answered from now on, and forgets what was queued."""
        with self._lock:
            self._default = behaviour(mode, how)
            self._queued.clear()

    def next(self, mode="ok", **how):
        """Queues how one coming request is answered."""
        with self._lock:
            self._queued.append(behaviour(mode, how))

    @property
    def last(self):
        return self.seen[-1]

    def __enter__(self):
        self._thread.start()
        if not self._listening.wait(10):
            raise RuntimeError("the fake upstream did not start")
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    start = __enter__

    def stop(self):
        self.__exit__()

    # --- The server ---

    def _run(self):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(self._protocol, "127.0.0.1", self.port, backlog=1024))
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        self._loop.run_forever()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    def _protocol(self):
        return asyncio.StreamReaderProtocol(_Reader(self._loop), self._serve, loop=self._loop)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        with self._lock:
            self.connections += 1
            self.all_connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            with self._lock:
                self.connections -= 1
            self._tasks.discard(task)
            writer.transport.abort()

    async def _one(self, reader, writer):
        """One request and its answer. False: the connection is over."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        lines = head.decode("latin-1").split("\r\n")
        _, path, _ = lines[0].split(" ", 2)
        headers = {}
        for line in lines[1:]:
            if ":" in line:
                name, value = line.split(":", 1)
                headers[name.strip().lower()] = value.strip()
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
            self.surprises.append(f"a body that is not JSON: {raw[:80]!r}")
        seen = Seen(path, headers, body, time.monotonic())
        with self._lock:
            self.requests += 1
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            self.seen.append(seen)
            how = self._queued.popleft() if self._queued else self._default
        model = body.get("model") if isinstance(body, dict) else None
        if model in MODES and model != "ok":
            how = behaviour(model, {})
        try:
            return await self._answer_or_leave(reader, writer, seen, how)
        finally:
            with self._lock:
                seen.ended = time.monotonic()
                if seen.outcome == "open":
                    seen.outcome = "aborted"
                if seen.outcome == "aborted":
                    self.aborted += 1
                self.running -= 1  # last: who waits for it may look at the rest

    async def _answer_or_leave(self, reader, writer, seen, how):
        answer = asyncio.ensure_future(answer_to(writer, seen, how))
        leaving = asyncio.ensure_future(reader.gone.wait())
        try:
            await asyncio.wait({answer, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return answer.done() and answer.result()
        except ConnectionError:
            return False
        finally:
            for task in (answer, leaving):
                task.cancel()
            await asyncio.gather(answer, leaving, return_exceptions=True)


if __name__ == "__main__":
    with FakeUpstream() as upstream:
        print(upstream.port, flush=True)
        try:
            sys.stdin.read()
        except KeyboardInterrupt:
            pass
