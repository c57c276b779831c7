"""The README tells the truth: its commands are run and their output compared, its tables are held
against the contract, the settings and the tree, its example of a flow is compiled; and what
scripts/run.sh tells one to try works.

In an output, a line `...` stands for any lines. grpcurl is build/tools/grpcurl or one on the path;
where there is none, grpcio makes the same calls, and the test says so."""
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from harness import BINARY, GrpcCaller, SANITIZER, Scenario, main, run_once, slow
from waiting import with_parent

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = os.path.join(ROOT, "build/tools")
GRPCURL = shutil.which("grpcurl", path=f"{TOOLS}:{os.environ['PATH']}")
with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as readme_file:
    README = readme_file.read()
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```\n", re.S | re.M)


def section(title):
    """The text under a heading, up to the next of the same depth or a higher one."""
    depth = len(title) - len(title.lstrip("#"))
    found = re.search(rf"^{re.escape(title)}\n(.*?)(?=^#{{1,{depth}}} |\Z)",
                      BLOCK.sub(lambda m: m.group().replace("\n#", "\n\0"), README), re.S | re.M)
    if found is None:
        raise AssertionError(f"the README has no {title}")
    return found.group(1).replace("\0", "#")


def commands():
    """(command, output) of each sh block that a block with its output follows at once."""
    blocks = list(BLOCK.finditer(README))
    return [(a.group(3).strip(), b.group(3).strip()) for a, b in zip(blocks, blocks[1:])
            if a.group(2) == "sh" and b.group(2) != "sh" and a.end() == b.start()]


def rows(text):
    """The cells of the rows of a Markdown table."""
    lines = [line for line in text.split("\n") if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def ticked(cell):
    return re.findall(r"`([^`]+)`", cell)


def environment(**more):
    return {"PATH": f"{TOOLS}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/"),
            "NO_PROXY": "*", "no_proxy": "*", **more}


def run(command, **more):
    """What a shell in the tree prints for it, standard output and error."""
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, env=environment(**more), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=slow(30),
                          stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout.strip()


def decoded(text):
    """As JSON without the id of the request, or None."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if "request_id" in value:
        value["request_id"] = "an id"
    return value


def is_like(got, expected):
    if decoded(expected) is not None:
        return decoded(got) == decoded(expected)
    lines = [".*" if line.strip() == "..." else re.escape(line.rstrip())
             for line in expected.split("\n")]
    got = "\n".join(line.rstrip() for line in got.split("\n"))
    return re.fullmatch("\n".join(lines), got, re.S) is not None


def without_grpcurl(weir, command):
    """The call of a grpcurl command made by grpcio, printed as grpcurl does."""
    words = shlex.split(command.replace("\\\n", " "))
    call, (_, rpc) = GrpcCaller(weir), words[-1].split("/")
    outcome = call(rpc, json.loads(words[words.index("-d") + 1]))
    if not outcome.ok:
        name = outcome.code.title().replace("_", "")
        violations = [{"field": k, "description": v} for k, v in outcome.violations.items()]
        detail = json.dumps({"@type": "type.googleapis.com/google.rpc.BadRequest",
                             "fieldViolations": violations}, indent=2).replace("\n", "\n    \t")
        return f"ERROR:\n  Code: {name}\n  Message: {outcome.detail}\n  Details:\n  1)\t{detail}"
    if call.streams(rpc):
        return "\n".join(json.dumps({"text": chunk}, indent=2) for chunk in outcome.chunks)
    return json.dumps({name: value for name, value in outcome.answer.items() if value})


class Commands(Scenario):
    debug = True

    def live(self, command):
        for port, mine in ((8080, self.weir.port), (50051, self.weir.grpc_port)):
            command = command.replace(f"127.0.0.1:{port}", f"127.0.0.1:{mine}")
        return command.replace("build/debug/weir.protoset", os.environ["WEIR_PROTOSET"])

    def test_they_print_what_the_readme_shows(self):
        found = commands()
        self.assertGreaterEqual(len([c for c, _ in found if c.startswith("curl ")]), 3)
        self.assertGreaterEqual(len([c for c, _ in found if c.startswith("grpcurl ")]), 3)
        if not GRPCURL:
            print("grpcurl is not here (scripts/setup.sh test builds it where there is Go); "
                  "grpcio makes its calls", file=sys.stderr)
        for command, expected in found:
            with self.subTest(command=command):
                if command.startswith("grpcurl ") and not GRPCURL:
                    if " -d " not in command:
                        self.skipTest("only grpcurl prints what reflection tells")
                    got = without_grpcurl(self.weir, command)
                else:
                    _, got = run(self.live(command))
                self.assertTrue(is_like(got, expected), f"{got}\nis not like\n{expected}")

    def test_the_comparison_can_fail(self):
        for got, expected in (('{"a":1}', '{"a":2}'), ("a\nb\nc", "a\n...\nd"), ("ab", "a"),
                              ("", '{"a":1}'), ('{"request_id":"x"}', '{"request_id":"x","b":1}')):
            self.assertFalse(is_like(got, expected))
        self.assertTrue(is_like("a\nb\nc\nd", "a\n...\nd"))


class Routes(Scenario):
    def setUp(self):
        super().setUp()
        self.rows = rows(section("## Routes"))

    def routes(self, cell):
        names = ticked(cell)
        verb, first = names[0].split(" ")
        return {(verb, path) for path in [first, *names[1:]]}

    def bindings(self, full):
        pool = self.weir.messages.pool
        options = self.weir.messages.type("google.protobuf.MethodOptions").FromString(
            self.weir.messages.methods[full].options.SerializeToString())
        rule = options.Extensions[pool.FindExtensionByName("google.api.http")]
        return {(each.WhichOneof("pattern").upper(), getattr(each, each.WhichOneof("pattern")))
                for each in [rule, *rule.additional_bindings] if each.WhichOneof("pattern")}

    def fields(self, name):
        return {field.json_name for field in
                self.weir.messages.type(name).DESCRIPTOR.fields}

    def test_the_contract_is_in_the_table(self):
        by_rpc = {name: row for row in self.rows for name in ticked(row[1])}
        for full, method in self.weir.messages.methods.items():
            if not full.startswith("/weir.v1.FlowService/"):
                continue
            with self.subTest(rpc=method.name):
                self.assertIn(method.name, by_rpc)
                row = by_rpc[method.name]
                self.assertEqual(self.routes(row[0]), self.bindings(full))
                if row[3] != "the same":
                    self.assertEqual(set(ticked(row[3])), self.fields(method.input_type))
                if not method.server_streaming:
                    self.assertEqual(set(ticked(row[4])), self.fields(method.output_type))

    def test_chat_has_a_section(self):
        words = ticked(BLOCK.sub("", section("## OpenAI-compatible routes")))
        rpcs = [full for full in self.weir.messages.methods if "/weir.v1.ChatService/" in full]
        self.assertEqual(len(rpcs), 4)
        for full in rpcs:
            service, name = full[1:].split("/")
            self.assertIn(service, words)
            self.assertIn(name, words)
            for verb, path in self.bindings(full):
                self.assertIn(f"{verb} {path.replace('=**', '')}", words)

    def test_the_table_is_served(self):
        for row in self.rows:
            for verb, path in self.routes(row[0]):
                with self.subTest(path=path):
                    reply = self.weir.curl(path.replace("{model}", "offline"),
                                           {} if verb == "POST" else None)
                    self.assertIn(reply.status, (200, 204))
                    if row[4].startswith("a stream"):
                        last = [line for line in reply.body.decode().split("\n") if line][-1]
                        end = json.loads(last.removeprefix("data: "))
                        self.assertEqual(set(end) - {"done"}, set(ticked(row[4])))
                    elif verb == "GET" and row[4]:
                        self.assertEqual(set(reply.json), set(ticked(row[4])))


class Tables(unittest.TestCase):
    def test_settings(self):
        said = re.search(r"<!-- settings: .*? -->\n(.*?)<!-- end of settings -->", README, re.S)
        self.assertEqual(said.group(1), run_once("--settings-markdown").stdout,
                         "put the output of weir --settings-markdown into the README")

    def test_the_settings_that_the_text_names_exist(self):
        known = {ticked(row[0])[0] for row in rows(section("### Settings"))}
        known |= {f"{name}_FILE" for name in known} | {"WEIR_TEST_KIND"}
        for block in BLOCK.finditer(README):
            if block.group(2) == "sh":
                for name in re.findall(r"\b([A-Z][A-Z_]{2,})=", block.group(3)):
                    self.assertIn(name, known)

    def test_the_flags_that_the_text_names_exist(self):
        helped = run_once("--help").stdout
        for flag in set(re.findall(r"`weir (--[a-z-]+)", README)) - {"--settings-markdown"}:
            self.assertIn(flag, helped)

    def test_the_tree(self):
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True,
                                check=True).stdout.split()
        there = {name.split("/")[0] + "/" for name in listed if "/" in name and name[0] != "."}
        table = rows(section("## How it is built"))
        self.assertEqual({name for row in table for name in ticked(row[0])}, there)
        scripts = next(row for row in table if row[0] == "`scripts/`")
        self.assertEqual(set(ticked(scripts[1])), set(os.listdir(os.path.join(ROOT, "scripts"))))

    def test_links_within_it_lead_somewhere(self):
        titles = re.findall(r"^#+ (.*)$", BLOCK.sub("", README), re.M)
        known = {re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-") for title in titles}
        found = set(re.findall(r"\]\(#([^)]*)\)", README))
        self.assertGreater(len(found), 10)
        self.assertEqual(found - known, set())

    def test_files_that_the_text_names_exist(self):
        names = re.findall(r"\]\((?!https?:|#)([^)]+)\)", README)
        names += re.findall(r"\b(?:scripts|proto)/[\w./-]+", BLOCK.sub("", README))
        self.assertGreater(len(names), 3)
        for name in names:
            if not name.endswith("name_boat.prompt"):
                self.assertTrue(os.path.exists(os.path.join(ROOT, name.rstrip("."))), name)


class AddingAFlow(unittest.TestCase):
    def test_the_example_compiles(self):
        blocks = [re.sub(r"^   ", "", block.group(3), flags=re.M)
                  for block in BLOCK.finditer(section("## Adding a flow"))]
        rpc, types = blocks[0].split("\n\n", 1)
        with open(os.path.join(ROOT, "proto/weir/v1/flows.proto"), encoding="utf-8") as file:
            flows = file.read().replace("service FlowService {", "service FlowService {\n" + rpc)
        with tempfile.TemporaryDirectory(prefix="weir-test-") as work:
            os.makedirs(f"{work}/weir/v1")
            shutil.copytree(os.path.join(ROOT, "proto/prompts"), f"{work}/prompts")
            with open(f"{work}/weir/v1/flows.proto", "w", encoding="utf-8") as file:
                file.write(flows + types)
            with open(f"{work}/prompts/name_boat.prompt", "w", encoding="utf-8") as file:
                file.write(blocks[1])
            plugin = os.path.join(os.path.dirname(BINARY), "proto/protoc-gen-weir")
            done = subprocess.run(
                ["protoc", f"--plugin=protoc-gen-weir={plugin}", f"-I{work}",
                 f"-I{ROOT}/proto", f"-I{ROOT}/build/deps/googleapis", "-I/usr/include",
                 f"--weir_out=prompts={work}/prompts:{work}", "weir/v1/flows.proto"],
                env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}, capture_output=True,
                text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(f"{work}/weir_contract.c", encoding="utf-8") as file:
                self.assertIn('"/name-boat"', file.read())


@unittest.skipIf(SANITIZER, "scripts/run.sh builds and runs a plain debug weir")
class RunScript(unittest.TestCase):
    def start(self, *flags):
        """Starts scripts/run.sh; returns (the hint, the ready line) once it serves."""
        log = tempfile.TemporaryFile("w+")
        said = tempfile.TemporaryFile("w+")
        process = subprocess.Popen(
            with_parent(["scripts/run.sh", *flags]), cwd=ROOT, stdin=subprocess.DEVNULL,
            stdout=log, stderr=said,
            env=environment(LLM_PROVIDER="offline", HOST="127.0.0.1", LOG_FORMAT="console",
                            ADMIN_PORT="0"))
        self.addCleanup(said.close)
        self.addCleanup(log.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)  # before the wait: the last is run first
        end = time.monotonic() + slow(60)
        while True:
            log.seek(0)
            ready = [line for line in log if " ready " in line]
            if ready:
                break
            said.seek(0)
            self.assertIsNone(process.poll(), said.read())
            self.assertLess(time.monotonic(), end, "scripts/run.sh did not become ready")
            time.sleep(0.05)
        said.seek(0)
        return said.read(), ready[0]

    def assert_hint_works(self, hint, **ports):
        tries = re.findall(r"^  (\w+ (?:.*\\\n)*.*)$", hint, re.M)
        self.assertEqual([words.split()[0] for words in tries], ["curl"] * 3 + ["grpcurl"] * 2)
        for words in tries:
            if words.startswith("grpcurl") and not GRPCURL:
                continue
            with self.subTest(command=words):
                code, got = run(words, **ports)
                self.assertEqual(code, 0, got)
                self.assertRegex(got, r'offline|"status":"ok"')

    def test_with_ports_that_the_kernel_picks(self):
        hint, ready = self.start("--port", "0", "--grpc-port", "0")
        self.assert_hint_works(hint, PORT=re.search(r" port=(\d+)", ready).group(1),
                               GRPC_PORT=re.search(r"grpc_port=(\d+)", ready).group(1))

    def test_with_ports_that_are_given(self):
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            two.bind(("127.0.0.1", 0))
            port, grpc_port = one.getsockname()[1], two.getsockname()[1]
        hint, _ = self.start("--port", str(port), "--grpc-port", str(grpc_port))
        self.assertNotIn("$", hint)
        self.assert_hint_works(hint)


if __name__ == "__main__":
    main()
