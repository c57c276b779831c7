"""Chat completions and their models under the same rules as every flow, over both protocols, with
OpenAI's errors over REST: identity, scopes, limits, breaker, load, time, drain."""
import threading
import time

import grpc

from chat import ASK, CHAT, PATH, STREAM, events_of, turns
from harness import FakeUpstream, Scenario, Weir, both, main, slow, wait_until
from tokens import SECRET, api_key, claims, hs256

MODELS = "/v1/models"
LIST, GET = "/weir.v1.ChatService/ListModels", "/weir.v1.ChatService/GetModel"
RPC_ASK = {"messages": turns("Say hello.")}
KEY, LINE = api_key(1)
CHATS, CHATS_LINE = api_key(2, scopes="flow:chat_completions", tenant="chats")
NARROW, NARROW_LINE = api_key(3, scopes="flow:tell_joke", tenant="small")
FEW, FEW_LINE = api_key(4, limit="4/minute", tenant="few")
WORDS = "one two three four five six"


class Caller:
    """Every way to ask: (kind, call), each call giving ("OK" or the gRPC code, the REST reply)."""

    def __init__(self, test, weir, credential=None):
        self.test, self.weir = test, weir
        self.rpc = both(weir)[1]
        self.headers = [f"Authorization: Bearer {credential}"] if credential else []
        self.metadata = [("authorization", f"Bearer {credential}")] if credential else []

    def rest(self, path, body=None):
        reply = self.weir.curl(path, body, headers=self.headers)
        if reply.status == 200:
            return "OK", reply
        self.test.assertEqual(reply.headers["content-type"], "application/json")
        error = reply.json["error"]
        self.test.assertEqual(sorted(error), ["code", "message", "param", "type"])
        return error["code"], reply

    def grpc(self, rpc, request):
        call = self.rpc.start(rpc, request, metadata=self.metadata)
        try:
            list(call) if rpc == STREAM else call.result()
        except grpc.RpcError:
            pass
        return call.code().name, None

    def ways(self):
        return (("unary", lambda: self.rest(PATH, ASK)),
                ("stream", lambda: self.rest(PATH, {**ASK, "stream": True})),
                ("models", lambda: self.rest(MODELS)),
                ("model", lambda: self.rest(f"{MODELS}/gpt-test")),
                ("rpc unary", lambda: self.grpc(CHAT, RPC_ASK)),
                ("rpc stream", lambda: self.grpc(STREAM, RPC_ASK)),
                ("rpc models", lambda: self.grpc(LIST, {})),
                ("rpc model", lambda: self.grpc(GET, {"model": "gpt-test"})))


class Governed(Scenario):
    upstream = True
    settings = {"LLM_MODEL": "gpt-test", "LLM_RETRIES": "0", "RATE_LIMIT_DEFAULT": "1000/minute"}

    def check(self, caller, status, code, grpc_code, kind="invalid_request_error", only=""):
        """All ways end alike, and none of them reaches the model."""
        before = self.model.requests
        for way, ask in caller.ways():
            if only not in way:
                continue
            with self.subTest(way=way):
                got, reply = ask()
                if reply is None:
                    self.assertEqual(got, grpc_code)
                    continue
                self.assertEqual((reply.status, got), (status, code), reply.body[:300])
                self.assertEqual(reply.json["error"]["type"], kind)
        self.assertEqual(self.model.requests, before)


class Who(Governed):
    settings = {**Governed.settings, "AUTH_MODE": "required", "API_KEYS_FILE": "api_keys",
                "JWT_SECRET": SECRET, "JWT_ALGORITHMS": "HS256"}
    files = {"api_keys": LINE + CHATS_LINE + NARROW_LINE + FEW_LINE}

    def test_nobody(self):
        self.check(Caller(self, self.weir), 401, "invalid_api_key", "UNAUTHENTICATED")
        reply = self.weir.curl(MODELS)
        self.assertEqual(reply.headers["www-authenticate"], 'Bearer realm="weir"')

    def test_somebody_else(self):
        expired = hs256(SECRET, claims(exp=int(time.time()) - 3600))
        for bad in ("weir_nobody", "a.b.c", hs256("x" * 40), expired, api_key(9)[0]):
            with self.subTest(credential=bad[:12]):
                self.check(Caller(self, self.weir, bad), 401, "invalid_api_key", "UNAUTHENTICATED")
        reply = self.weir.curl(PATH, ASK, headers=[f"Authorization: Bearer {expired}"])
        self.assertIn('error="invalid_token"', reply.headers["www-authenticate"])

    def test_who_may(self):
        for good in (KEY, CHATS, hs256(SECRET, claims(scope="flow:chat_completions"))):
            for way, ask in Caller(self, self.weir, good).ways():
                with self.subTest(credential=good[:12], way=way):
                    self.assertEqual(ask()[0], "OK")
        self.assertEqual(self.weir.curl(MODELS, headers=[f"X-API-Key: {KEY}"]).status, 200)

    def test_who_may_not(self):
        for narrow in (NARROW, hs256(SECRET, claims(scope="flow:list_models"))):
            self.check(Caller(self, self.weir, narrow), 403, "forbidden_scope",
                       "PERMISSION_DENIED")
        reply = self.weir.curl(MODELS, headers=[f"Authorization: Bearer {NARROW}"])
        self.assertIn('scope="flow:chat_completions"', reply.headers["www-authenticate"])

    def test_tenants_keep_their_answers_apart(self):
        before = self.model.requests
        for key in (KEY, CHATS, KEY, CHATS):
            caller = Caller(self, self.weir, key)
            self.assertEqual(caller.rest(PATH, {**ASK, "temperature": 0})[0], "OK")
            self.assertEqual(caller.grpc(CHAT, {**RPC_ASK, "model": "gpt-test",
                                                "temperature": 0})[0], "OK")
        self.assertEqual(self.model.requests, before + 2)

    def test_one_bucket_for_all_ways(self):
        caller = Caller(self, self.weir, FEW)
        ways = dict(caller.ways())
        for way in ("unary", "rpc stream", "models", "rpc model"):
            self.assertEqual(ways[way]()[0], "OK", way)
        self.check(caller, 429, "rate_limit_exceeded", "RESOURCE_EXHAUSTED", "rate_limit_error")
        reply = caller.rest(MODELS)[1]
        self.assertGreater(int(reply.headers["retry-after"]), 0)
        self.assertIn("ratelimit", reply.headers)


class Models(Governed):
    settings = {**Governed.settings,
                "CHAT_MODELS": "meta/llama 3=openai:x@http://127.0.0.1:1/v1".replace(" ", "-")}

    def test_the_list(self):
        reply = self.weir.curl(MODELS)
        self.assertEqual(reply.headers["content-type"], "application/json")
        self.assertEqual(reply.json["object"], "list")
        for model in reply.json["data"]:
            self.assertLess(abs(model.pop("created") - time.time()), 600)
        self.assertEqual(reply.json["data"] and [
            {**m, "created": 0} for m in reply.json["data"]], [
            {"id": name, "object": "model", "created": 0, "owned_by": "weir"}
            for name in ("gpt-test", "meta/llama-3")])
        outcome = self.assert_ok(self.rpc(LIST, {}))
        self.assertEqual([m["id"] for m in outcome.answer["models"]], ["gpt-test", "meta/llama-3"])
        self.assertEqual({m["owned_by"] for m in outcome.answer["models"]}, {"weir"})

    def test_one_of_them(self):
        for name in ("gpt-test", "gpt%2Dtest", "meta%2fllama-3", "meta/llama-3"):
            reply = self.weir.curl(f"{MODELS}/{name}", headers=["X-Request-ID: m-1"])
            self.assertEqual(reply.status, 200, name)
            self.assertIn(reply.json["id"], ("gpt-test", "meta/llama-3"))
            self.assertEqual(reply.json["object"], "model")
        self.assertEqual(self.assert_ok(self.rpc(GET, {"model": "meta/llama-3"})).answer["model"]["id"],
                         "meta/llama-3")
        line = self.weir.access("m-1")[0]
        self.assertEqual((line["flow"], "provider" in line), ("get_model", False))

    def test_none_of_them(self):
        for name, status, code in (("gpt-none", 404, "model_not_found"),
                                   ("gpt-tes", 404, "model_not_found"),
                                   ("x" * 201, 400, "invalid_value"),
                                   ("%ff", 400, "invalid_value"), ("a%00", 400, "invalid_value")):
            with self.subTest(name=name):
                got, reply = Caller(self, self.weir).rest(f"{MODELS}/{name}")
                self.assertEqual((reply.status, got), (status, code))
                self.assertEqual(reply.json["error"]["param"], "model")
        self.assert_ends(self.rpc(GET, {"model": "gpt-none"}), None, "NOT_FOUND")
        self.assert_ends(self.rpc(GET, {}), None, "INVALID_ARGUMENT", "model")

    def test_what_else_is_not_there(self):
        for path in ("/v1/", "/v1/embeddings", "/v1/chat/completions/", "/v1/chat/completion",
                     "/v1/chat/completions/chatcmpl-1", "/v1/models/", "/v1/responses"):
            for body in (None, {}):
                with self.subTest(path=path, body=body):
                    got, reply = Caller(self, self.weir).rest(path, body)
                    self.assertEqual((reply.status, got), (404, "unknown_url"))
                    self.assertIn("x-request-id", reply.headers)
        for path, verb, allow in ((MODELS, "POST", "GET, HEAD, OPTIONS"),
                                  (f"{MODELS}/gpt-test", "DELETE", "GET, HEAD, OPTIONS"),
                                  (PATH, "GET", "POST, OPTIONS")):
            reply = self.weir.curl(path, verb=verb)
            self.assertEqual((reply.status, reply.json["error"]["code"], reply.headers["allow"]),
                             (405, "method_not_supported", allow))
        self.assertEqual(self.weir.curl("/v2/models").headers["content-type"],
                         "application/problem+json")

    def test_head(self):
        reply = self.weir.curl(MODELS, arguments=["--head"])
        self.assertEqual((reply.status, reply.body), (200, b""))


class Breaker(Governed):
    settings = {**Governed.settings, "CB_FAILURE_THRESHOLD": "4", "CB_RECOVERY_TIMEOUT": "60s"}

    def test_it_opens_for_all_ways(self):
        self.model.behave("status", status=500)
        caller = Caller(self, self.weir)
        ways = dict(caller.ways())
        self.assertEqual([ways[w]()[0] for w in ("unary", "stream", "rpc unary", "rpc stream")],
                         ["upstream_failed", "upstream_failed", "UNAVAILABLE", "UNAVAILABLE"])
        self.model.behave("ok")
        for only in ("unary", "stream"):
            self.check(caller, 503, "breaker_open", "UNAVAILABLE", "server_error", only)
        self.assertGreater(int(ways["unary"]()[1].headers["retry-after"]), 0)
        for way in ("models", "model", "rpc models", "rpc model"):  # these need no model
            self.assertEqual(ways[way]()[0], "OK", way)


class Time(Governed):
    settings = {**Governed.settings, "REQUEST_TIMEOUT": "1s"}

    def test_there_is_no_more(self):
        self.model.behave("silent")
        caller = Caller(self, self.weir)
        ways = dict(caller.ways())
        for way in ("unary", "stream"):
            got, reply = ways[way]()
            self.assertEqual((reply.status, got, reply.json["error"]["type"]),
                             (504, "upstream_timed_out", "server_error"))
        for way in ("rpc unary", "rpc stream"):
            self.assertEqual(ways[way]()[0], "DEADLINE_EXCEEDED")
        wait_until(lambda: self.model.running == 0, 3, "the model is left alone")


class Load(Governed):
    settings = {**Governed.settings, "MAX_CONCURRENT_FLOWS": "1"}

    def test_there_is_no_room(self):
        self.model.behave("silent")
        caller = Caller(self, self.weir)
        call = caller.rpc.start(CHAT, RPC_ASK)
        wait_until(lambda: self.model.running == 1, 3, "the call at the model")
        self.check(caller, 503, "overloaded", "UNAVAILABLE", "server_error")
        self.assertGreater(int(caller.rest(MODELS)[1].headers["retry-after"]), 0)
        call.cancel()
        wait_until(lambda: self.model.running == 0, 3, "the end of the call")


class Drain(Governed):
    def setUp(self):
        pass

    def test_streams_end_whole(self):
        """What has begun goes on to its end, and then weir is gone, with 0."""
        with FakeUpstream() as model, Weir({**self.settings, "LLM_BASE_URL": model.base_url,
                                            "SHUTDOWN_GRACE": f"{int(slow(10))}s"}) as weir:
            model.behave("slow_stream", gap_s=slow(0.1), text=WORDS)
            rest, pieces = [], []

            def read_rest():
                rest.extend(events_of(weir.curl(PATH, {**ASK, "stream": True})))

            def read_rpc():
                pieces.extend(both(weir)[1].start(STREAM, RPC_ASK))

            weir.channel  # noqa: B018 - made once, before two threads want it
            threads = [threading.Thread(target=read) for read in (read_rest, read_rpc)]
            for thread in threads:
                thread.start()
            wait_until(lambda: model.running == 2, 5, "both streams")
            weir.signal()
            for thread in threads:
                thread.join(slow(10))
            self.assertEqual(rest[-1], "[DONE]")
            choices = [chunk["choices"][0] for chunk in rest[:-1]]
            self.assertEqual("".join(c["delta"].get("content", "") for c in choices), WORDS)
            self.assertEqual(choices[-1]["finish_reason"], "stop")
            self.assertEqual("".join(piece.content for piece in pieces), WORDS)
            self.assertEqual(pieces[-1].finish_reason, "stop")
            self.assertEqual(weir.wait(5), 0)


if __name__ == "__main__":
    main()
