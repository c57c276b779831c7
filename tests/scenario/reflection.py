"""gRPC reflection v1 and v1alpha (S2): a client that has no proto file can list, describe and call."""
import json
import os
import shutil
import subprocess
import sys
import threading
import unittest

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool

from harness import GrpcCaller, Scenario, Weir, main, slow, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GRPCURL = shutil.which("grpcurl", path=f"{ROOT}/build/tools:{os.environ['PATH']}")
VERSIONS = ("v1", "v1alpha")
SERVICES = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection", "weir.v1.ChatService",
            "weir.v1.FlowService"]


# The messages of the protocol, by hand: fields of both are strings, bytes and messages.
def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def chunk(number, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(number << 3 | 2) + varint(len(data)) + data


def parse(data):
    """[(number, int or bytes)] of a message."""
    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value
    at, found = 0, []
    while at < len(data):
        key = number()
        value = number()
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        found.append((key >> 3, value))
    return found


def path_of(version):
    return f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"


class Answer:
    def __init__(self, data):
        self.members = dict(parse(data))
        self.files = [value for _, value in parse(self.members.get(4, b""))]
        self.numbers = self.members.get(5)
        self.services = sorted(dict(parse(value))[1].decode()
                               for _, value in parse(self.members.get(6, b"")))
        self.error = dict(parse(self.members[7])) if 7 in self.members else None

    def names(self):
        return [descriptor_pb2.FileDescriptorProto.FromString(each).name for each in self.files]


class Reflection(Scenario):
    debug = True

    def ask(self, *questions, version="v1"):
        stream = self.weir.channel.stream_stream(path_of(version))
        return [Answer(data) for data in stream(iter(questions), timeout=slow(10))]

    def test_list_services(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                self.assertEqual(self.ask(chunk(7, ""), version=version)[0].services, SERVICES)

    def test_file_of_a_symbol(self):
        for symbol, name in (("weir.v1.FlowService", "weir/v1/flows.proto"),
                             ("weir.v1.FlowService.TellJoke", "weir/v1/flows.proto"),
                             ("weir.v1.Skills.strength", "weir/v1/flows.proto"),
                             ("weir.v1.AnswerSource.source", "weir/v1/options.proto"),
                             ("weir.v1.CACHE_POLICY_STORE", "weir/v1/options.proto"),
                             ("weir.v1.flow", "weir/v1/options.proto"),
                             ("google.rpc.BadRequest.FieldViolation",
                              "google/rpc/error_details.proto")):
            for version in VERSIONS:
                with self.subTest(symbol=symbol, version=version):
                    self.assertEqual(self.ask(chunk(4, symbol), version=version)[0].names()[0], name)

    def test_files_come_with_all_that_they_import(self):
        answer, = self.ask(chunk(3, "weir/v1/flows.proto"))
        pool = descriptor_pool.DescriptorPool()
        self.assertEqual(len(answer.names()), len(set(answer.names())))
        for each in reversed(answer.files):  # imports behind the files that import them
            pool.AddSerializedFile(each)
        self.assertIn("TellJoke", pool.FindServiceByName("weir.v1.FlowService").methods_by_name)

    def test_extensions(self):
        extension = chunk(1, "google.protobuf.MethodOptions") + b"\x10" + varint(50101)
        answer, = self.ask(chunk(5, extension))
        self.assertEqual(answer.names()[0], "weir/v1/options.proto")
        answer, = self.ask(chunk(6, "google.protobuf.MethodOptions"))
        packed = dict(parse(answer.numbers))
        self.assertEqual(packed[1], b"google.protobuf.MethodOptions")
        self.assertIn(varint(50101), packed[2])
        self.assertIn(varint(72295728), packed[2])

    def test_what_is_not_there_is_an_error_in_the_stream(self):
        questions = [chunk(3, "no/such.proto"), chunk(4, "weir.v1.Nothing"), chunk(4, "weir"),
                     chunk(4, ""), chunk(5, chunk(1, "weir.v1.Skills") + b"\x10\x01"),
                     chunk(6, "weir.v1.Nothing")]
        answers = self.ask(*questions, chunk(7, ""))
        self.assertEqual([answer.error[1] for answer in answers[:-1]], [5] * 6)
        self.assertEqual(answers[-1].services, SERVICES)
        self.assertEqual(self.ask(b"")[0].error[1], 3)

    def test_the_question_comes_back(self):
        question = chunk(1, "a host") + chunk(4, "weir.v1.Skills")
        answer, = self.ask(question)
        self.assertEqual(answer.members[1], b"a host")
        self.assertEqual(answer.members[2], question)

    def test_many_questions_on_one_stream(self):
        answers = self.ask(*[chunk(3, "google/protobuf/descriptor.proto")] * 200)
        self.assertEqual(len(answers), 200)
        self.assertEqual(len({answer.files[0] for answer in answers}), 1)

    def test_what_is_no_question_ends_the_stream(self):
        for bad in (b"\xff\xff", chunk(4, "x" * 5000)):
            call = self.weir.channel.stream_stream(path_of("v1"))(iter([bad]), timeout=slow(10))
            self.assertEqual(GrpcCaller.outcome(call).code, "INVALID_ARGUMENT")

    def test_streams_are_bounded_and_given_back(self):
        done = threading.Event()

        def hold():
            done.wait()
            yield from ()
        # The HTTP/2 limit of streams a connection is 100, so there are two.
        channels = [self.weir.new_channel(), self.weir.new_channel()]
        calls = [channel.stream_stream(path_of("v1"))(hold(), timeout=slow(30))
                 for channel in channels for _ in range(60)]
        try:
            wait_until(lambda: sum(call.done() for call in calls) == 20, 10, "20 refusals")
            self.assertEqual({call.code() for call in calls if call.done()},
                             {grpc.StatusCode.RESOURCE_EXHAUSTED})
        finally:
            done.set()
            for call in calls:
                call.cancel()
            for channel in channels:
                channel.close()

        def served():
            try:
                return self.ask(chunk(7, ""))[0].services == SERVICES
            except grpc.RpcError:
                return False
        wait_until(served, 10, "room for a stream")

    def test_an_open_stream_does_not_hold_up_the_end(self):
        done = threading.Event()

        def hold():
            yield chunk(7, "")
            done.wait()
        with Weir({}, debug=True) as weir:
            channel = weir.new_channel()
            call = channel.stream_stream(path_of("v1"))(hold(), timeout=slow(30))
            self.assertEqual(Answer(next(call)).services, SERVICES)
            weir.signal()
            self.assertEqual(weir.wait(8), 0)
            done.set()
            self.assertEqual(call.code(), grpc.StatusCode.UNAVAILABLE)
            channel.close()
            weir.stop()


@unittest.skipUnless(GRPCURL, "SKIPPED: no grpcurl; scripts/setup.sh test builds it where there is Go")
class Grpcurl(Scenario):
    debug = True

    def grpcurl(self, *words, flags=()):
        done = subprocess.run([GRPCURL, "-plaintext", *flags, f"127.0.0.1:{self.weir.grpc_port}",
                               *words], capture_output=True, text=True, timeout=slow(30),
                              check=False, env={"NO_PROXY": "*", "HOME": "/"})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_list(self):
        self.assertEqual(self.grpcurl("list").split(), SERVICES)
        self.assertIn("weir.v1.FlowService.TellStory", self.grpcurl("list", SERVICES[-1]).split())

    def test_describe_with_comments_and_rules(self):
        method = self.grpcurl("describe", "weir.v1.FlowService.TellJoke")
        self.assertIn("// Tells a joke about somebody.", method)
        self.assertIn('post: "/tell-joke"', method)
        self.assertIn("max_len: 200", self.grpcurl("describe", "weir.v1.TellJokeRequest"))

    def test_call(self):
        said = self.grpcurl("weir.v1.FlowService/TellJoke", flags=("-d", '{"name": "Ada"}'))
        self.assertIn("about Ada", json.loads(said)["joke"])
        said = self.grpcurl("weir.v1.FlowService/TellStory", flags=("-d", "{}"))
        self.assertGreater(said.count('"text"'), 5)


if __name__ == "__main__":
    if not GRPCURL:
        print("SKIPPED: grpcurl is not here (scripts/setup.sh test builds it where there is Go)",
              file=sys.stderr)
    main()
