"""Contracts that make no sense: the compiler refuses each with a message that names the place.

Usage: refusals.py <protoc> <protoc-gen-weir> <import folder>...
"""
import os
import subprocess
import sys
import tempfile
import unittest

PROTOC, PLUGIN, *IMPORTS = sys.argv[1:]

HEAD = """syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
import "weir/v1/options.proto";
"""
RULE = 'option (google.api.http) = {post: "/go" body: "*"};'
ASK = "string q = 1;"
ANSWER = "string a = 1 [(weir.v1.field) = {source: {text: true}}];"
UNARY = "rpc Go(GoRequest) returns (GoResponse)"
STREAM = "rpc Go(GoRequest) returns (stream GoResponse)"
FLOW = 'option (weir.v1.flow) = {stream_result: "all"};'


def field(kind, annotation, number=1, name="f"):
    return f"{kind} {name} = {number} [(weir.v1.field) = {{{annotation}}}];"


def contract(ask=ASK, answer=ANSWER, rpc=UNARY, options=RULE, more_rpcs="", more="", head=HEAD):
    return (f"{head}service S {{ {rpc} {{ {options} }} {more_rpcs} }}\n"
            f"message GoRequest {{ {ask} }}\nmessage GoResponse {{ {answer} }}\n{more}\n")


class Refusals(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.mkdir(os.path.join(self.folder, "out"))
        self.write("go.prompt", b"Say {{q}}.\n")

    def write(self, name, content):
        with open(os.path.join(self.folder, name), "wb") as file:
            file.write(content)

    def run_protoc(self, text, parameter=None):
        self.write("t.proto", text.encode())
        parameter = f"prompts={self.folder}" if parameter is None else parameter
        return subprocess.run(
            [PROTOC, f"--plugin=protoc-gen-weir={PLUGIN}", f"-I{self.folder}",
             *(f"-I{folder}" for folder in IMPORTS),
             f"--weir_out={parameter}:{self.folder}/out", "t.proto"],
            capture_output=True, text=True, timeout=60, check=False)

    def refused(self, text, place, why, parameter=None):
        """One line of the plugin with both texts, exit status 1, and no file."""
        run = self.run_protoc(text, parameter)
        self.assertEqual(run.returncode, 1, run.stderr)
        lines = [line for line in run.stderr.splitlines() if line.startswith("protoc-gen-weir: ")]
        self.assertEqual(len(lines), 1, run.stderr)
        self.assertIn(place, lines[0])
        self.assertIn(why, lines[0])
        self.assertEqual(os.listdir(os.path.join(self.folder, "out")), [])

    def accepted(self, text, *members, parameter=None):
        run = self.run_protoc(text, parameter)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        with open(os.path.join(self.folder, "out", "weir_contract.c"), encoding="utf-8") as file:
            tables = file.read()
        for member in members:
            self.assertIn(member, tables)

    # What is fine, so that the refusals are not for another reason.

    def test_unary(self):
        self.accepted(contract(), '"/t.v1.S/Go"', ".kind = CONTRACT_TEXT", ".n_routes = 1")

    def test_stream(self):
        self.accepted(contract(rpc=STREAM, options=RULE + FLOW), ".streams = 1", '"all"')

    def test_structured(self):
        head = HEAD.replace('import "weir/v1/options.proto";\n', "")  # protoc warns of it unused
        self.accepted(contract(answer="string a = 1; repeated int32 b = 2;", head=head),
                      ".kind = CONTRACT_STRUCTURED")

    def test_copy_and_constant(self):
        answer = (ANSWER + field("string", 'source: {request: "q"}', 2)
                  + field("string", 'source: {constant: "c"}', 3, "g"))
        self.accepted(contract(answer=answer), ".source_request = \"q\"")

    def test_message_in_two_places(self):
        self.accepted(contract(ask="Leaf a = 1; repeated Leaf b = 2; map<string, Leaf> c = 3;",
                               more="message Leaf { string s = 1; }"), ".is_map = 1")

    def test_second_prompt_folder(self):
        self.accepted(contract(), parameter=f"prompts={self.folder}/out,prompts={self.folder}")

    def test_largest_prompt(self):
        self.write("go.prompt", b"a" * (256 * 1024))
        self.accepted(contract())

    # Fields.

    def test_copy_of_unknown_field(self):
        answer = ANSWER + field("string", 'source: {request: "nobody"}', 2, "who")
        self.refused(contract(answer=answer), "Go: who copies nobody", "does not have")

    def test_copy_of_number(self):
        answer = ANSWER + field("string", 'source: {request: "n"}', 2, "who")
        self.refused(contract(ask="int32 n = 1;", answer=answer), "Go: who copies n",
                     "only string fields")

    def test_default_on_number(self):
        self.refused(contract(ask=field("int32", 'default_value: "3"')), "t.v1.GoRequest.f",
                     "only a string field can have a default")

    def test_default_on_list(self):
        self.refused(contract(ask=field("repeated string", 'default_value: "3"')),
                     "t.v1.GoRequest.f", "only a string field can have a default")

    def test_subject_on_number(self):
        self.refused(contract(ask=field("int32", "default_subject: true")), "t.v1.GoRequest.f",
                     "only a string field can have a default")

    def test_prompt_input_on_number(self):
        self.refused(contract(ask=field("int32", "prompt: {trim: true}")), "t.v1.GoRequest.f",
                     "prompt is for string fields")

    def test_text_on_number(self):
        self.refused(contract(answer=field("int32", "source: {text: true}")), "t.v1.GoResponse.f",
                     "such a source is for string fields")

    def test_proto3_optional(self):
        self.refused(contract(ask="optional string f = 1;"), "t.v1.GoRequest.f",
                     "proto3 optional is not supported")

    def test_string_rules_on_number(self):
        self.refused(contract(ask=field("int32", "rules: {string: {max_len: 3}}")),
                     "t.v1.GoRequest.f", "string rules on a field that is not a string")

    def test_number_rules_elsewhere(self):
        for kind in ("string", "bytes", "bool", "E", "Leaf"):
            with self.subTest(kind=kind):
                self.refused(contract(ask=field(kind, "rules: {number: {gte: 3}}"),
                                      more="enum E { E_UNSPECIFIED = 0; } message Leaf {}"),
                             "t.v1.GoRequest.f", "number rules on a field that is not a number")

    def test_repeated_rules_on_singular(self):
        self.refused(contract(ask=field("string", "rules: {repeated: {max_items: 3}}")),
                     "t.v1.GoRequest.f", "repeated rules on a field that is not repeated")

    def test_rule_in_nested_message(self):
        leaf = field("int32", "rules: {string: {max_len: 3}}")
        self.refused(contract(ask="Leaf leaf = 1;", more=f"message Leaf {{ {leaf} }}"),
                     "t.v1.Leaf.f", "string rules")

    # Messages.

    def test_message_in_itself(self):
        self.refused(contract(ask="Tree tree = 1;", more="message Tree { repeated Tree t = 1; }"),
                     "t.v1.Tree", "recursive messages are refused")

    def test_messages_in_each_other(self):
        self.refused(contract(ask="A a = 1;",
                              more="message A { B b = 1; } message B { map<string, A> a = 1; }"),
                     "t.v1.A", "recursive messages are refused")

    def test_recursive_response(self):
        self.refused(contract(answer="GoResponse again = 1;"), "t.v1.GoResponse",
                     "recursive messages are refused")

    # What the answer is made of.

    def test_stream_without_text(self):
        self.refused(contract(rpc=STREAM, answer="string a = 1;", options=RULE + FLOW), "Go: ",
                     "exactly one field with source text")

    def test_stream_without_result(self):
        self.refused(contract(rpc=STREAM), "Go: ", "a stream needs stream_result")

    def test_two_texts(self):
        self.refused(contract(answer=ANSWER + field("string", "source: {text: true}", 2)), "Go: ",
                     "more than one field takes the text")

    def test_text_and_model(self):
        self.refused(contract(answer=ANSWER + "string b = 2;"), "Go: ",
                     "a text flow has no field that a structured answer would fill")

    def test_nothing_from_model(self):
        for answer in ("", field("string", 'source: {constant: "c"}')):
            with self.subTest(answer=answer):
                self.refused(contract(answer=answer), "Go: ",
                             "no field of the response comes from the model")

    def test_health_that_asks_a_model(self):
        self.refused(contract(options=RULE + "option (weir.v1.flow) = {builtin: BUILTIN_HEALTH};"),
                     "Go: ", "health does not ask a model")

    def test_builtins_with_other_messages(self):
        for builtin, why in (("BUILTIN_CHAT", "chat has the messages of weir/v1/chat.proto"),
                             ("BUILTIN_MODELS", "models have the messages of weir/v1/chat.proto")):
            with self.subTest(builtin=builtin):
                self.refused(contract(options=RULE + f"option (weir.v1.flow) = {{builtin: {builtin}}};"),
                             "Go: ", why)

    def test_client_streaming(self):
        self.refused(contract(rpc="rpc Go(stream GoRequest) returns (GoResponse)"), "Go: ",
                     "client streaming is not supported")

    # Routes.

    def http(self, rule):
        return f"option (google.api.http) = {{{rule}}};"

    def test_duplicate_route(self):
        second = "rpc Two(TwoRequest) returns (TwoResponse) { " + RULE + ' option (weir.v1.flow) = {prompt: "go"}; }'
        more = f"message TwoRequest {{ {ASK} }} message TwoResponse {{ {ANSWER} }}"
        self.refused(contract(more_rpcs=second, more=more), "Two: /go", "is the route of Go already")

    def test_duplicate_route_of_one_rpc(self):
        rule = self.http('post: "/go" body: "*" additional_bindings {post: "/go" body: "*"}')
        self.refused(contract(options=rule), "Go: /go", "is the route of Go already")

    def test_route_with_variables(self):
        for path in ("/x{q}", "/go{q=**}", "/go/*", "/go?x=1", "go", "/a b"):
            with self.subTest(path=path):
                self.refused(contract(options=self.http(f'post: "{path}" body: "*"')),
                             f"Go: the path {path}", "is not a plain one")

    def test_a_field_in_the_path(self):
        why = "ends the path of a get, and is the request's one field, a string"
        for rule, ask in (('post: "/go/{q=**}" body: "*"', ASK), ('get: "/go/{q}"', ASK),
                          ('get: "/go/{q=**}/x"', ASK), ('get: "/go/{r=**}"', ASK),
                          ('get: "/go/{q=**}"', ""), ('get: "/go/{q=**}"', "int32 q = 1;"),
                          ('get: "/go/{q=**}"', "repeated string q = 1;"),
                          ('get: "/go/{q=**}"', ASK + "string r = 2;")):
            with self.subTest(rule=rule, ask=ask):
                self.refused(contract(ask=ask, options=self.http(rule)), "Go: ", why)

    def test_other_verbs(self):
        for verb in ("put", "delete", "patch"):
            with self.subTest(verb=verb):
                self.refused(contract(options=self.http(f'{verb}: "/go"')), "Go: ",
                             "an HTTP rule is get or post")

    def test_post_without_body(self):
        for body in ("", 'body: "q"'):
            with self.subTest(body=body):
                self.refused(contract(options=self.http(f'post: "/go" {body}')), "Go: ",
                             'a post takes body: "*"')

    def test_get_with_fields(self):
        self.refused(contract(options=self.http('get: "/go"')), "Go: ", "a get has no body")

    def test_get_with_body(self):
        self.refused(contract(ask="", options=self.http('get: "/go" body: "*"')), "Go: ",
                     "a get has no body")

    def test_response_body(self):
        self.refused(contract(options=self.http('post: "/go" body: "*" response_body: "a"')),
                     "Go: ", "response_body is not supported")

    def test_no_http_rule(self):
        self.refused(contract(options=""), "Go: ", "there is no google.api.http rule")

    def test_no_rpc(self):
        self.refused(HEAD + "message M { string s = 1; }", "the contract", "has no rpc")

    # Prompts and the parameter.

    def test_missing_prompt(self):
        self.refused(contract(options=RULE + 'option (weir.v1.flow) = {prompt: "nowhere"};'),
                     "Go: ", "there is no nowhere.prompt")

    def test_prompt_with_nul(self):
        self.write("go.prompt", b"Say\0.\n")
        self.refused(contract(), "go.prompt", "has a NUL byte")

    def test_large_prompt(self):
        self.write("go.prompt", b"a" * (256 * 1024 + 1))
        self.refused(contract(), "go.prompt", "is larger than 262144 bytes")

    def test_unknown_parameter(self):
        self.refused(contract(), "the parameter colour=red", "is unknown",
                     parameter=f"prompts={self.folder},colour=red")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
