"""A flow is data (F2): a ninth flow of tests/contract, made of a proto and two prompts, is served by
the same code over both protocols, unary and streamed, with every kind of field (V1, V3)."""
import json
import os

from harness import Scenario, main, over_both

TAKE = "/weir_test.v1.EverythingService/TakeStock"
PRAISE = "/weir_test.v1.EverythingService/PraiseStock"

FULL = {
    "shop": "Dröge & Söhne",
    "items": [{"name": "lamp", "quality": "QUALITY_FINE", "box": {"width": 3, "labels": ["a", ""]}},
              {"name": "", "quality": "QUALITY_POOR"}],
    "counts": {"lamp": 2, "": 0, "é": -7},
    "shelf": {"top": {"name": "vase", "box": {"width": 100}}},
    "quality": "QUALITY_POOR",
    "big": "-9223372036854775808", "bigger": "18446744073709551615",
    "small": -2147483648, "fixed": "9007199254740993", "signedFixed": 2147483647,
    "picture": "AP/+gA==", "weight": 0.5, "price": -1.25e-7, "open": True,
    "numbers": [0, -1, 2147483647], "mail": "",
    "names": {"-1": "minus one", "0": "zero"},
    "natural": 4294967295, "prices": [0.1, 1e300], "qualities": ["QUALITY_FINE", 1],
    "pictures": ["", "/w=="],
}

ANSWER = {
    "items": [{"name": "lamp", "quality": "QUALITY_FINE", "box": {"width": 3, "labels": ["x"]}}],
    "counts": {"lamp": 2, "é": -7}, "quality": "QUALITY_POOR", "big": -9007199254740993,
    "bigger": 18446744073709551615, "picture": "AP/+gA==", "weight": 0.5, "price": -1.25e-7,
    "open": True, "phone": 5,
}

# Request, path.
BROKEN = (
    ({"items": [{"name": "n" * 21}]}, "items[0].name"),
    ({"items": [{"name": "x"}, {"box": {"width": 0}}]}, "items[1].box.width"),
    ({"items": [{"box": {"width": 101}}]}, "items[0].box.width"),
    ({"items": [{}, {}, {}, {}]}, "items"),
    ({"weight": -0.1}, "weight"),
    ({"gift": {"name": "n" * 21}}, "gift.name"),
)

# JSON body, path, rule.
MALFORMED = (
    ('{"small": 2147483648}', "small", "range"), ('{"natural": -1}', "natural", "range"),
    ('{"big": "9223372036854775808"}', "big", "range"), ('{"big": 1.5}', "big", None),
    ('{"bigger": "-1"}', "bigger", "range"), ('{"big": "1x"}', "big", None),
    ('{"quality": "QUALITY_SHINY"}', "quality", "enum"), ('{"quality": true}', "quality", "type"),
    ('{"picture": "***"}', "picture", "base64"), ('{"picture": 5}', "picture", "type"),
    ('{"weight": 1e300}', "weight", "range"), ('{"open": "yes"}', "open", "type"),
    ('{"numbers": 5}', "numbers", "type"), ('{"numbers": [1, "x"]}', "numbers[1]", None),
    ('{"numbers": [null]}', "numbers[0]", None), ('{"counts": {"a": "x"}}', None, None),
    ('{"counts": []}', "counts", "type"), ('{"names": {"x": "y"}}', None, None),
    ('{"mail": "a", "phone": 1}', None, "oneof"), ('{"items": [{"nmae": 1}]}', "items[0].nmae",
                                                   "unknown_field"),
    ('{"items": {"name": "x"}}', "items", "type"),
    ('{"shelf": {"top": {"box": {"width": "wide"}}}}', None, None),
)


class NinthFlow(Scenario):
    upstream = True
    settings = {"CACHE_ENABLED": "false"}
    binary = os.environ.get("WEIR_EVERYTHING_BINARY")
    protoset = "WEIR_EVERYTHING_PROTOSET"

    def setUp(self):
        super().setUp()
        self.model.behave("ok", text=json.dumps(ANSWER))

    def said(self):
        return json.dumps(self.model.last.body["messages"], ensure_ascii=False)

    @over_both
    def test_every_kind_of_field_goes_in_and_out(self, call):
        answer = self.assert_ok(call(TAKE, FULL)).answer
        self.assertEqual(answer, {
            **ANSWER, "shop": "Dröge & Söhne", "big": "-9007199254740993",
            "bigger": "18446744073709551615"})
        said = self.said()
        self.assertIn("Dröge & Söhne, which is open", said)
        self.assertIn("0: lamp", said)
        self.assertIn("3 wide", said)
        self.assertIn("<0><-1><2147483647>", said)
        self.assertIn("big -9223372036854775808", said)

    def test_both_protocols_say_the_same_to_the_model(self):
        said = []
        for call in (self.rest, self.rpc):
            self.assert_ok(call(TAKE, FULL))
            said.append(self.model.last.body)
        self.assertEqual(said[0], said[1])

    @over_both
    def test_empty_request(self, call):
        answer = self.assert_ok(call(TAKE, {})).answer
        self.assertEqual(answer["shop"], "the corner shop")
        self.assertNotIn("which is open", self.said())

    @over_both
    def test_answers_of_the_schema_fit(self, call):
        self.model.behave("ok")
        answer = self.assert_ok(call(TAKE, {})).answer
        self.assertEqual(answer["big"], "50")

    @over_both
    def test_streamed(self, call):
        self.model.behave("ok", text="What a shop this is")
        outcome = self.assert_ok(call(PRAISE, {"shop": "Ada's", "items": [{"name": "lamp"},
                                                                          {"name": "vase"}]}))
        self.assertEqual(outcome.text, "What a shop this is")
        if call.protocol == "rest":
            self.assertEqual(outcome.whole, outcome.text)
        self.assertIn("Praise Ada's and lamp vase", self.said())
        self.model.behave("cut")
        self.assertFalse(call(PRAISE, {}).ok)

    @over_both
    def test_rules_reach_into_nested_messages(self, call):
        for request, path in BROKEN:
            with self.subTest(path=path):
                self.assert_ends(call(TAKE, request), 422, "INVALID_ARGUMENT", path)

    def test_malformed_json_of_every_kind(self):
        for body, path, rule in MALFORMED:
            with self.subTest(body=body):
                reply = self.weir.curl("/take-stock", body.encode())
                problem = self.assert_problem(reply, 400, "INVALID_ARGUMENT")
                violation = problem["violations"][0]
                if path:
                    self.assertEqual(violation["path"], path)
                if rule:
                    self.assertEqual(violation["rule"], rule)

    def test_forms_that_the_mapping_allows(self):
        for body in ('{"big": 5}', '{"big": "5"}', '{"small": "-5"}', '{"small": 5.0}',
                     '{"small": 1e2}', '{"quality": 2}', '{"picture": "__-A"}',
                     '{"picture": "AA"}', '{"weight": "NaN"}', '{"price": "Infinity"}',
                     '{"price": "-1.5"}', '{"signed_fixed": 1}', '{"items": null}',
                     '{"mail": null, "phone": 1}', '{"counts": {}}', '{"price": 5}'):
            with self.subTest(body=body):
                reply = self.weir.curl("/take-stock", body.encode())
                if body == '{"weight": "NaN"}':  # allowed as a value, refused by the rule
                    self.assertIn(reply.status, (200, 422), reply.body)
                else:
                    self.assertEqual(reply.status, 200, reply.body)

    @over_both
    def test_answers_that_break_nested_rules_or_the_oneof(self, call):
        for change in ({"items": []}, {"items": [{"name": "n" * 21}]}, {"quality": "SHINY"},
                       {"big": "x"}, {"mail": "a", "phone": 5}, {"picture": "***"},
                       {"items": [{"name": "a", "box": {"width": 0, "labels": []}}]}):
            with self.subTest(change=str(change)[:60]):
                self.model.behave("ok", text=json.dumps({**ANSWER, **change}))
                self.assert_ends(call(TAKE, {}), 502, "INTERNAL")

    @over_both
    def test_the_sample_flows_are_served_too(self, call):
        self.model.behave("ok", text="Arr")
        self.assertEqual(self.assert_ok(call("PirateChat", {})).answer["answer"], "Arr")


class NinthFlowOffline(Scenario):
    binary = os.environ.get("WEIR_EVERYTHING_BINARY")
    protoset = "WEIR_EVERYTHING_PROTOSET"

    @over_both
    def test_offline(self, call):
        answer = self.assert_ok(call(TAKE, {"shop": "Ada's"})).answer
        self.assertEqual(answer["shop"], "Ada's")
        self.assertTrue(1 <= len(answer["items"]) <= 5)
        self.assertIn("offline", self.assert_ok(call(PRAISE, {})).text.lower())

    def test_the_same_on_both(self):
        self.assertEqual(self.rest(TAKE, {}).answer, self.rpc(TAKE, {}).answer)


if __name__ == "__main__":
    main()
