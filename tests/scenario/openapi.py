"""/openapi.json: what it says is what is served (S2), and a linter with OWASP's rules finds nothing."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from harness import BINARY, SANITIZER, Scenario, main, slow

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = os.path.join(ROOT, "build/tools/openapi")
LINTER = os.path.join(TOOLS, "node_modules/.bin/spectral")
RULES = os.path.join(ROOT, "tests/scenario/openapi/spectral.yaml")


def fits(schema, value, document):
    """Does the value fit, as far as the schemas of the document go?"""
    if "$ref" in schema:
        target = document
        for key in schema["$ref"][2:].split("/"):
            target = target[key]
        return fits(target, value, document)
    if "oneOf" in schema:
        return sum(fits(each, value, document) for each in schema["oneOf"]) == 1
    if "const" in schema and value != schema["const"] or value not in schema.get("enum", [value]):
        return False
    kind = schema["type"]
    if isinstance(kind, list):  # "null" is the other one
        kind = kind[0]
        if value is None:
            return True
    if kind == "object":
        known = schema.get("properties", {})
        return (isinstance(value, dict) and set(value) <= set(known)
                and set(schema.get("required", ())) <= set(value)
                and all(fits(known[name], each, document) for name, each in value.items()))
    if kind == "array":
        return (isinstance(value, list)
                and schema.get("minItems", 0) <= len(value) <= schema["maxItems"]
                and all(fits(schema["items"], each, document) for each in value))
    if kind == "integer":
        return isinstance(value, int) and schema["minimum"] <= value <= schema["maximum"]
    if kind == "boolean":
        return isinstance(value, bool)
    return (isinstance(value, str)
            and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
            and re.search(schema.get("pattern", ""), value) is not None)


class Document(Scenario):
    debug = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reply = cls.weir.curl("/openapi.json")
        cls.document = cls.reply.json

    def operations(self):
        for path, verbs in self.document["paths"].items():
            for verb, operation in verbs.items():
                yield path, verb.upper(), operation

    def schema(self, operation, status="200"):
        return next(iter(operation["responses"][status]["content"].values()))["schema"]

    def assert_fits(self, schema, value):
        self.assertTrue(fits(schema, value, self.document), f"{value} does not fit {schema}")

    def test_it_is_served_as_json(self):
        self.assertEqual(self.reply.status, 200)
        self.assertEqual(self.reply.headers["content-type"], "application/json")
        self.assertEqual(self.document["openapi"], "3.1.0")
        self.assertEqual(self.weir.curl("/openapi.json", verb="POST").status, 405)
        self.assertEqual(self.document["info"]["version"], self.weir.curl("/version").json["version"])

    def test_every_rpc_is_in_it(self):
        named = {operation.get("x-grpc-method") for _, _, operation in self.operations()}
        for full in self.weir.messages.methods:
            if full.startswith("/weir.v1.ChatService/Chat"):  # its JSON is OpenAI's, described there
                self.assertNotIn(full[1:], named)
            elif full.startswith("/weir."):
                self.assertIn(full[1:], named)

    def test_every_route_of_the_readme_is_in_it_and_no_other(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            table = file.read().split("## Routes")[1].split("\nAn absent")[0]
        said = set(re.findall(r"[` ](/[\w/{}-]+)`", re.sub(r"(?m)^(\| [^|]*)\|.*$", r"\1", table)))
        self.assertEqual(set(self.document["paths"]), said)

    def test_answers_fit_their_schemas(self):
        for path, verb, operation in self.operations():
            with self.subTest(path=path):
                path, body = path.replace("{model}", "offline"), None
                if verb == "POST":
                    body = operation["requestBody"]["content"]["application/json"]["example"]
                if "204" in operation["responses"]:
                    self.assertEqual(self.weir.curl(path).status, 204)
                elif "text/event-stream" in operation["responses"]["200"]["content"]:
                    with self.weir.sse(path, json.dumps(body).encode()) as stream:
                        events = [event.data for event in stream]
                    self.assertGreater(len(events), 3)
                    for event in events:
                        self.assert_fits(self.schema(operation), event)
                else:
                    reply = self.weir.curl(path, body)
                    self.assertEqual(reply.status, 200)
                    self.assert_fits(self.schema(operation), reply.json)

    def test_errors_fit_the_problem(self):
        problem = {"$ref": "#/components/schemas/Problem"}
        for reply in (self.weir.curl("/generate-code", {"language": "C++11"}),
                      self.weir.curl("/tell-joke", b"{"), self.weir.curl("/tell-joke"),
                      self.weir.curl("/tell-joke", b"x", json_type=False),
                      self.weir.curl("/tell-joke", b" " * 1048577), self.weir.curl("/nowhere")):
            with self.subTest(status=reply.status):
                self.assert_problem(reply, reply.status)
                self.assert_fits(problem, reply.json)
        self.assertFalse(fits(problem, {"title": "x"}, self.document))

    def test_errors_of_models_fit_openai_s(self):
        error = {"$ref": "#/components/schemas/OpenAIError"}
        for path, verb, status in (("/v1/models/none", "GET", 404), ("/v1/models", "POST", 405),
                                   ("/v1/models/" + "x" * 201, "GET", 400)):
            reply = self.weir.curl(path, verb=verb)
            self.assertEqual(reply.status, status)
            self.assert_fits(error, reply.json)

    def test_the_rules_of_the_fields_are_in_it(self):
        schemas = self.document["components"]["schemas"]
        language = schemas["GenerateCodeRequest"]["properties"]["language"]
        self.assertEqual(language["pattern"], "^[a-zA-Z#+]+$")
        self.assertEqual((language["maxLength"], language["default"]), (50, "python"))
        self.assertEqual(schemas["DescribeImageRequest"]["properties"]["image_url"]["format"], "uri")
        self.assertEqual(schemas["TranslateTextResponse"]["properties"]["confidence"]["enum"],
                         ["high", "medium", "low"])
        strength = schemas["Skills"]["properties"]["strength"]
        self.assertEqual((strength["minimum"], strength["maximum"]), (0, 100))
        issues = schemas["ReviewCodeResponse"]["properties"]["issues"]
        self.assertEqual(issues["maxItems"], 100)
        self.assertNotIn("review", schemas["ReviewCodeResponse"]["properties"])
        self.assertIn("backStory", schemas["GenerateCharacterResponse"]["properties"])

    def test_flows_say_how_they_can_fail(self):
        for path, verb, operation in self.operations():
            if verb == "POST":
                for status in ("400 401 403 405 413 415 422 429 500 502 503 504 default").split():
                    self.assertIn(status, operation["responses"], path)


@unittest.skipIf(SANITIZER, "looks at files, once is enough")
@unittest.skipUnless(os.path.exists(LINTER),
                     "SKIPPED: no Spectral; scripts/setup.sh test installs it where there is npm")
class Linter(unittest.TestCase):
    """One run of the linter, which takes its time to start, over three documents."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="weir-test-")
        cls.addClassCleanup(folder.cleanup)
        documents = {name: cls.made(name) for name in ("weir_contract", "weir_test_contract")}
        documents["broken"] = documents["weir_contract"].replace('"maxLength":200,', "", 1)
        for name, text in documents.items():
            with open(os.path.join(folder.name, f"{name}.json"), "w", encoding="utf-8") as file:
                file.write(text)
        # The linter looks for the rules that a file names beside that file.
        rules = os.path.join(TOOLS, "spectral.yaml")
        shutil.copyfile(RULES, rules)
        done = subprocess.run(
            [LINTER, "lint", "--ruleset", rules, "--format", "json", "--quiet",
             *(os.path.join(folder.name, f"{name}.json") for name in documents)],
            capture_output=True, text=True, timeout=slow(100), check=False)
        cls.found = {name: [] for name in documents}
        for each in json.loads(done.stdout):
            name = os.path.basename(each["source"]).removesuffix(".json")
            cls.found[name].append(f"{each['code']} {'/'.join(each['path'])}: {each['message']}")

    @staticmethod
    def made(name):
        path = os.path.join(os.path.dirname(BINARY), f"proto/{name}_gen/openapi.json")
        with open(path, encoding="utf-8") as file:
            return file.read()

    def test_the_sample_flows(self):
        self.assertEqual(self.found["weir_contract"], [])

    def test_every_kind_of_field(self):
        self.assertEqual(self.found["weir_test_contract"], [])

    def test_it_can_fail(self):
        self.assertRegex(" ".join(self.found["broken"]), "string-limit")


if __name__ == "__main__":
    if not os.path.exists(LINTER):
        print("SKIPPED: OpenAPI linter: there is no Spectral (scripts/setup.sh test installs it "
              "where there is npm)", file=sys.stderr)
    main()
