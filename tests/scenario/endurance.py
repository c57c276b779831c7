"""Thousands of requests, good and bad, over both protocols: memory, descriptors and upstream
connections stay where they were."""
import http.client
import json
import random
import threading

from harness import SANITIZER, GrpcCaller, Scenario, main, slow, wait_until

REQUESTS = 2000
THREADS = 4
PATHS = {"TellJoke": "/tell-joke", "TellStory": "/tell-story/stream", "ReviewCode": "/review-code"}


class Endurance(Scenario):
    debug = True  # its descriptors may then be counted
    upstream = True

    def over_rest(self, count, seed, failures):
        draw = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", self.weir.port, timeout=slow(20))
        for _ in range(count):
            rpc = draw.choice(list(PATHS))
            bad = draw.random() < 0.1
            body = b'{"nmae": 1}' if bad else json.dumps({}).encode()
            connection.request("POST", PATHS[rpc], body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            data = reply.read()
            if reply.status != (400 if bad else 200):
                failures.append((rpc, reply.status, data[:200]))
        connection.close()

    def over_grpc(self, count, seed, failures):
        draw = random.Random(seed)
        channel = self.weir.new_channel()
        call = GrpcCaller(self.weir, channel)
        for _ in range(count):
            rpc = draw.choice(list(PATHS))
            bad = draw.random() < 0.1
            outcome = call(rpc, b"\x0a\x10a" if bad else {})
            if outcome.code != ("INVALID_ARGUMENT" if bad else "OK"):
                failures.append((rpc, outcome))
        channel.close()

    def run_requests(self, count):
        failures = []
        threads = [threading.Thread(target=work, args=(count // THREADS, seed, failures))
                   for seed in range(THREADS // 2) for work in (self.over_rest, self.over_grpc)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures[:3], [])

    def test_memory_and_descriptors_stay(self):
        self.run_requests(500)
        wait_until(lambda: self.model.running == 0, 5)
        memory, files = self.weir.rss_kb(), self.weir.open_files()
        self.run_requests(REQUESTS)
        if not SANITIZER:  # they keep freed memory on purpose
            self.assertLess(self.weir.rss_kb() - memory, 6_000, "KB of growth")
        wait_until(lambda: self.weir.open_files() <= files + 8, 5, "the end of the connections")
        self.assertEqual(self.model.surprises, [])
        self.assertEqual(len(self.weir.events("log_dropped")), 0)

    def test_upstream_connections_are_bounded_and_given_back(self):
        self.model.behave("silent")
        for _ in range(3):
            calls = [self.rpc.start("TellJokeStream") for _ in range(30)]
            wait_until(lambda: self.model.running == 30, 5, "30 calls at the model")
            for call in calls:
                call.cancel()
            wait_until(lambda: self.model.running == 0, 5, "30 aborts")
        self.model.behave("slow", delay_s=0.2)
        calls = [self.rpc.start("TellJoke") for _ in range(60)]
        for call in calls:
            call.result()
        self.model.behave("ok")
        self.assert_ok(self.rpc("TellJoke", {}))
        wait_until(lambda: self.model.connections <= 44, 5,
                   "20 idle upstream connections a worker at most")


class Pool(Scenario):
    upstream = True
    settings = {"LLM_POOL_MAX": "4", "LLM_POOL_MAX_KEEPALIVE": "2"}

    def test_no_more_upstream_connections_than_allowed(self):
        self.model.behave("slow", delay_s=0.1)
        calls = [self.rpc.start("TellJoke") for _ in range(40)]
        for call in calls:
            call.result()
        self.assertLessEqual(self.model.most_running, 8)
        wait_until(lambda: self.model.connections <= 8, 5, "the idle connections")


if __name__ == "__main__":
    main()
