"""Prompts from a folder: which files count, SIGHUP with good and with broken ones, and requests that
are under way meanwhile. Over both protocols."""
import os
import signal
import unittest

from harness import FakeUpstream, Scenario, Weir, both, main, over_both, wait_until
from upstream_faults import ALONE


class Reload(Scenario):
    upstream = True
    settings = {**ALONE, "PROMPTS_DIR": "prompts"}

    def setUp(self):
        super().setUp()
        self.folder = os.path.join(self.weir.directory, "prompts")
        os.makedirs(self.folder, exist_ok=True)
        self.begin()

    def begin(self):
        self.model.behave("ok")
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        self.reload("prompts_reloaded")

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def reload(self, event):
        before = len(self.weir.events(event))
        self.weir.signal(signal.SIGHUP)
        wait_until(lambda: len(self.weir.events(event)) > before, 5, event)
        return self.weir.events(event)[-1]

    def said(self):
        return str(self.model.last.body["messages"])

    @over_both
    def test_a_file_replaces_the_one_that_is_built_in(self, call):
        self.begin()
        self.write("pirate_chat.prompt", "---\nmodel: other\n---\nArr {{question}}")
        self.assertEqual(self.reload("prompts_reloaded")["flows"], 1)
        self.assert_ok(call("PirateChat", {"question": "Where?"}))
        self.assertIn("Arr Where?", self.said())
        self.assertEqual(self.model.last.body["model"], "other")
        self.assert_ok(call("TellJoke", {}))
        self.assertIn("comedian", self.said())
        os.unlink(os.path.join(self.folder, "pirate_chat.prompt"))
        self.reload("prompts_reloaded")
        self.assert_ok(call("PirateChat", {"question": "Where?"}))
        self.assertNotIn("Arr", self.said())

    @over_both
    def test_a_broken_file_changes_nothing_and_is_named(self, call):
        self.begin()
        self.write("pirate_chat.prompt", "First {{question}}")
        self.reload("prompts_reloaded")
        self.write("pirate_chat.prompt", "Second\n{{#if question}}\n")
        self.write("tell_joke.prompt", "Another {{name}}")
        line = self.reload("prompts_kept")
        self.assertEqual((line["file"], line["line"]), ("prompts/pirate_chat.prompt", 2))
        self.assertIn("never closed", line["reason"])
        self.assert_ok(call("PirateChat", {"question": "Where?"}))
        self.assertIn("First Where?", self.said())
        self.assert_ok(call("TellJoke", {}))
        self.assertIn("comedian", self.said())  # all or none

    def test_a_misspelt_file_is_named(self):
        self.write("pirate_chatt.prompt", "")
        before = len(self.weir.events("prompt_of_no_flow"))
        self.reload("prompts_reloaded")
        self.assertEqual(self.weir.events("prompt_of_no_flow")[before]["file"],
                         "pirate_chatt.prompt")

    @over_both
    def test_a_kept_answer_is_of_its_prompt(self, call):
        request = {"text": f"Good day {call.protocol}"}
        self.assert_ok(call("TranslateText", request))
        before = self.model.requests
        self.assert_ok(call("TranslateText", request))
        self.assertEqual(self.model.requests, before)
        self.write("translate_text.prompt", "Translate {{text}}")
        self.reload("prompts_reloaded")
        self.assert_ok(call("TranslateText", request))
        self.assertEqual(self.model.requests, before + 1)
        os.unlink(os.path.join(self.folder, "translate_text.prompt"))
        self.reload("prompts_reloaded")
        self.assert_ok(call("TranslateText", request))
        self.assertEqual(self.model.requests, before + 1)

    @over_both
    def test_requests_under_way_go_on(self, call):
        self.begin()
        self.model.behave("slow", delay_s=1.0, text='{"translated_text":"x"}')
        waiting = self.rpc.start("TranslateText", {"text": f"slow {call.protocol}"})
        wait_until(lambda: self.model.running == 1, 5, "the call")
        for i in range(3):
            self.write("translate_text.prompt", f"Number {i}: {{{{text}}}}")
            self.reload("prompts_reloaded")
        # Its answer breaks the rules: the second turn is still of the first prompt.
        self.model.next("ok", text='{"translated_text":"x","confidence":"low"}')
        self.assertEqual(waiting.result().confidence, "low")
        self.assertNotIn("Number", self.said())
        self.assertIn("careful translator", self.said())


class Start(unittest.TestCase):
    def test_a_broken_file_ends_the_start(self):
        weir = Weir({"PROMPTS_DIR": "."}, files={"tell_joke.prompt": "fine\n{{nothing}}"},
                    start=False)
        weir.launch()
        self.assertNotEqual(weir.wait(), 0)
        failed, = weir.events("start_failed")
        self.assertIn("./tell_joke.prompt, line 2: ", failed["reason"])

    def test_a_folder_that_is_not_there_is_empty(self):
        with FakeUpstream() as model, Weir({"PROMPTS_DIR": "nowhere",
                                            "LLM_BASE_URL": model.base_url}) as weir:
            self.assertEqual(weir.events("prompts_from_folder")[0]["flows"], 0)
            self.assertTrue(both(weir)[0]("TellJoke", {}).ok)


if __name__ == "__main__":
    main()
