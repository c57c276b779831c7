"""The eight flows from the offline model, over both protocols: shapes, defaults, field rules (F1,
V1, V2), usernames, both JSON spellings."""
import json

from harness import Scenario, main, over_both

UNARY = {
    "TellJoke": {"joke": str, "username": str},
    "TranslateText": {"original_text": str, "translated_text": str, "target_language": str,
                      "confidence": str},
    "DescribeImage": {"description": str, "image_url": str},
    "GenerateCharacter": {"name": str, "backStory": str, "abilities": list, "skills": dict},
    "PirateChat": {"answer": str, "persona": str},
    "GenerateCode": {"code": str, "language": str, "explanation": str, "filename": str},
    "ReviewCode": {"summary": str, "issues": list, "score": int, "language": str},
}
STREAMS = ("TellJokeStream", "TellStory")
SAMPLE_IMAGE = ("https://upload.wikimedia.org/wikipedia/commons/4/47/"
                "PNG_transparency_demonstration_1.png")

# rpc, field, most characters, one character that fits the field's other rules.
LONGEST = (
    ("TellJoke", "name", 200, "é"), ("TellJoke", "username", 200, "é"),
    ("TellJokeStream", "name", 200, "é"), ("TellJokeStream", "username", 200, "é"),
    ("TellStory", "topic", 1000, "é"),
    ("TranslateText", "text", 10000, "é"), ("TranslateText", "target_language", 100, "é"),
    ("GenerateCharacter", "name", 200, "😀"),
    ("PirateChat", "question", 5000, "é"),
    ("GenerateCode", "description", 10000, "é"), ("GenerateCode", "language", 50, "x"),
    ("ReviewCode", "code", 50000, "é"), ("ReviewCode", "language", 50, "é"),
)


class Flows(Scenario):
    def shape(self, rpc, answer):
        for name, kind in UNARY[rpc].items():
            self.assertIsInstance(answer.get(name), kind, f"{rpc}.{name} in {answer}")
        extra = set(answer) - set(UNARY[rpc]) - {"review"}
        self.assertEqual(extra, set())
        return answer

    @over_both
    def test_every_flow_answers_an_empty_request_in_its_shape(self, call):
        for rpc in UNARY:
            with self.subTest(rpc=rpc):
                answer = self.shape(rpc, self.assert_ok(call(rpc, {})).answer)
                self.assertIn("offline", str(answer).lower())
        for rpc in STREAMS:
            with self.subTest(rpc=rpc):
                outcome = self.assert_ok(call(rpc, {}))
                self.assertGreater(len(outcome.chunks), 3)
                self.assertIn("offline", outcome.text.lower())

    def test_both_protocols_give_the_same_answer(self):
        for rpc in UNARY:
            with self.subTest(rpc=rpc):
                rest, rpc_answer = self.rest(rpc, {}).answer, self.rpc(rpc, {}).answer
                rpc_answer.pop("review", None)
                self.assertEqual(rest, rpc_answer)
        for rpc in STREAMS:
            with self.subTest(rpc=rpc):
                self.assertEqual(self.rest(rpc, {}).text, self.rpc(rpc, {}).text)

    def test_an_empty_body_is_an_empty_request(self):
        reply = self.weir.curl("/translate", b"")
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(reply.json, self.rest("TranslateText", {}).answer)
        reply = self.weir.curl("/translate", verb="POST", headers=["Content-Length: 0"])
        self.assertEqual(reply.status, 200, reply.body)
        self.assert_ok(self.rpc("TranslateText", b""))

    @over_both
    def test_defaults_take_the_place_of_absent_and_empty_fields(self, call):
        for request in ({}, {"text": "", "target_language": ""}):
            answer = self.assert_ok(call("TranslateText", request)).answer
            self.assertEqual(answer["target_language"], "French")
            self.assertEqual(answer["original_text"], "Hello, how are you today?")
        for request in ({}, {"image_url": ""}):
            answer = self.assert_ok(call("DescribeImage", request)).answer
            self.assertEqual(answer["image_url"], SAMPLE_IMAGE)
        self.assertIn("Mittens", call("TellJoke", {"name": ""}).answer["joke"])
        self.assertEqual(call("PirateChat", {}).answer["persona"], "pirate captain")

    @over_both
    def test_requests_are_echoed_where_the_contract_says_so(self, call):
        answer = call("TranslateText", {"text": "  Guten Tag \n", "target_language": "日本語"}).answer
        self.assertEqual(answer["original_text"], "  Guten Tag \n")
        self.assertEqual(answer["target_language"], "日本語")
        url = "http://example.com/a.png?b=c#d"
        self.assertEqual(call("DescribeImage", {"image_url": url}).answer["image_url"], url)
        self.assertIn("Ada", call("TellJoke", {"name": "Ada"}).answer["joke"])

    @over_both
    def test_username_is_the_field_else_empty(self, call):
        self.assertEqual(call("TellJoke", {"username": "Grace"}).answer["username"], "Grace")
        self.assertEqual(call("TellJoke", {}).answer["username"], "")
        self.assertEqual(call("TellJoke", {"username": ""}).answer["username"], "")

    @over_both
    def test_structured_answers_keep_their_rules(self, call):
        character = call("GenerateCharacter", {"name": "Nova"}).answer
        self.assertTrue(3 <= len(character["abilities"]) <= 4, character)
        self.assertEqual(set(character["skills"]), {"strength", "charisma", "endurance"})
        for skill in character["skills"].values():
            self.assertTrue(0 <= skill <= 100)
        self.assertIn(call("TranslateText", {}).answer["confidence"], ("high", "medium", "low"))
        review = call("ReviewCode", {}).answer
        self.assertTrue(0 <= review["score"] <= 100)
        for issue in review["issues"]:
            self.assertEqual(set(issue), {"severity", "line", "message", "suggestion"})

    def test_review_is_json_text_on_grpc_only(self):
        answer = self.rpc("ReviewCode", {}).answer
        review = json.loads(answer.pop("review"))
        self.assertEqual(review, answer)
        self.assertNotIn("review", self.rest("ReviewCode", {}).answer)

    @over_both
    def test_longest_texts_pass_and_longer_ones_are_refused(self, call):
        for rpc, field, most, letter in LONGEST:
            with self.subTest(rpc=rpc, field=field):
                self.assert_ok(call(rpc, {field: letter * most}))
                outcome = call(rpc, {field: letter * (most + 1)})
                self.assert_ends(outcome, 422, "INVALID_ARGUMENT", field)
                self.assertIn(str(most), outcome.violations[field])

    @over_both
    def test_image_urls(self, call):
        fits = "https://example.com/" + "a" * (2048 - len("https://example.com/"))
        self.assert_ok(call("DescribeImage", {"image_url": fits}))
        for bad in (fits + "a", "ftp://example.com/a.png", "example.com/a.png", "https://",
                    "javascript:alert(1)", "http:///a.png", "https://exa mple.com/", "/a.png"):
            with self.subTest(url=bad[-30:]):
                self.assert_ends(call("DescribeImage", {"image_url": bad}), 422,
                                 "INVALID_ARGUMENT", "image_url")

    @over_both
    def test_language_pattern(self, call):
        for fine in ("c", "C++", "F#", "python"):
            self.assert_ok(call("GenerateCode", {"language": fine}))
        for bad in ("python3", "c plus", "ru\nst", "го", "-"):
            with self.subTest(language=bad):
                self.assert_ends(call("GenerateCode", {"language": bad}), 422,
                                 "INVALID_ARGUMENT", "language")

    @over_both
    def test_every_broken_field_is_listed(self, call):
        outcome = call("TellJoke", {"name": "n" * 201, "username": "u" * 201})
        self.assert_ends(outcome, 422, "INVALID_ARGUMENT", "name", "username")
        outcome = call("GenerateCode", {"language": "1" * 51})
        self.assert_ends(outcome, 422, "INVALID_ARGUMENT")
        self.assertEqual(set(outcome.violations), {"language"})

    def test_violations_are_the_same_on_both(self):
        request = {"name": "n" * 201, "username": "u" * 201}
        rest, rpc = self.rest("TellJoke", request), self.rpc("TellJoke", request)
        self.assertEqual(rest.violations, rpc.violations)
        self.assertEqual(rest.detail, rpc.detail)

    def test_violations_have_path_rule_and_message(self):
        reply = self.weir.curl("/tell-joke", {"name": "n" * 201})
        body = self.assert_problem(reply, 422, "INVALID_ARGUMENT")
        self.assertEqual([set(v) for v in body["violations"]], [{"path", "rule", "message"}])
        self.assertEqual(body["violations"][0]["rule"], "string.max_len")

    def test_a_broken_stream_request_gets_a_plain_error(self):
        reply = self.weir.curl("/tell-story/stream", {"topic": "t" * 1001})
        self.assert_problem(reply, 422, "INVALID_ARGUMENT")

    def test_both_json_spellings(self):
        for name in ("target_language", "targetLanguage"):
            with self.subTest(name=name):
                reply = self.weir.curl("/translate", {name: "Welsh"})
                self.assertEqual(reply.status, 200, reply.body)
                self.assertEqual(reply.json["target_language"], "Welsh")
        for name in ("image_url", "imageUrl"):
            reply = self.weir.curl("/describe-image", {name: "https://example.com/x.png"})
            self.assertEqual(reply.json.get("image_url"), "https://example.com/x.png", reply.body)

    def test_null_is_absence(self):
        self.assertEqual(self.weir.curl("/translate", {"target_language": None}).json,
                         self.weir.curl("/translate", {}).json)

    def test_health_rpc(self):
        self.assertEqual(self.rpc("Health").answer, {"status": "ok"})


if __name__ == "__main__":
    main()
