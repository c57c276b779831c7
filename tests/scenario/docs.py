"""The docs page in a real browser (S2): it lists the flows, tries them out, shows streamed words as
they come and errors where they belong, under its own policy and without a complaint in the console.

WEIR_SCREENSHOTS names a folder for pictures of it."""
import os
import sys
import time
import unittest

from browser import CHROMIUM, DRIVER, Browser
from harness import SANITIZER, Scenario, main, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
AXE = os.path.join(ROOT, "build/tools/graders/node_modules/axe-core/axe.min.js")
SHOTS = os.environ.get("WEIR_SCREENSHOTS")
KEY = "k-0123456789"


class Files(Scenario):
    debug = True

    def test_the_page_is_under_a_tight_policy(self):
        policy = self.weir.curl("/docs").headers["content-security-policy"]
        for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'",
                     "connect-src 'self'", "base-uri 'none'", "form-action 'none'",
                     "frame-ancestors 'none'"):
            self.assertIn(part, policy)
        for word in ("unsafe", "http:", "https:", "*", "data:"):
            self.assertNotIn(word, policy)

    def test_nothing_of_it_comes_from_elsewhere(self):
        for path, kind in (("/docs", "text/html"), ("/docs/docs.css", "text/css"),
                           ("/docs/docs.js", "text/javascript"), ("/docs/icon.svg", "image/svg+xml")):
            reply = self.weir.curl(path)
            self.assertEqual(reply.status, 200)
            self.assertTrue(reply.headers["content-type"].startswith(kind))
            self.assertEqual(reply.headers["x-content-type-options"], "nosniff")
            text = reply.body.decode().replace("http://www.w3.org/2000/svg", "")
            self.assertNotIn("http://", text)
            self.assertNotIn("https://", text)
        self.assertNotIn("unsafe", self.weir.curl("/docs/docs.js").headers["content-security-policy"])


@unittest.skipUnless(CHROMIUM and DRIVER, "SKIPPED: no chromium; scripts/setup.sh test installs it")
class Page(Scenario):
    debug = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        super().setUp()
        self.browser.go(self.weir.url + "/docs")
        self.browser.wait_for("#TellStory h3", "story", 20)

    def complaints(self):
        # That the server answered 4xx is what was asked for.
        return [each for each in self.browser.complaints() if "the server responded with" not in each]

    def tearDown(self):
        self.assertEqual(self.complaints(), [])

    def shoot(self, name, **how):
        if SHOTS:
            self.browser.screenshot(os.path.join(SHOTS, f"{name}.png"), **how)

    def show(self, id_):
        self.browser.run("document.getElementById(arguments[0]).scrollIntoView()", id_)

    def test_it_lists_what_is_served(self):
        shown = self.browser.run(
            "return [...document.querySelectorAll('article .path')].map((each) => each.innerText)")
        self.assertEqual(set(shown), set(self.weir.curl("/openapi.json").json["paths"]))
        self.assertIn("Mittens", self.browser.run(
            "return document.querySelector('#TellJoke-name').placeholder"))
        self.shoot("open-light")
        self.shoot("open-dark", scheme="dark")
        self.shoot("open-narrow", width=390, height=844)

    def test_a_unary_call(self):
        self.browser.type("#TellJoke-name", "Ada <b>\"O'Hara\"</b>")
        self.browser.click("#TellJoke .send")
        self.browser.wait_for("#TellJoke .status", "200 OK")
        self.assertIn("about Ada <b>", self.browser.text("#TellJoke pre"))
        self.show("TellJoke")
        self.shoot("unary-light")

    def test_a_field_of_the_path(self):
        for name, status in (("offline", "200 OK"), ("a/b?", "404 model_not_found")):
            self.browser.run("document.getElementById('GetModel-model').value = ''")
            self.browser.type("#GetModel-model", name)
            self.browser.click("#GetModel .send")
            self.browser.wait_for("#GetModel .status", status)
        self.assertIn("there is no such model here", self.browser.text("#GetModel pre"))

    def test_words_of_a_stream_arrive_one_after_another(self):
        self.browser.click("#TellStory .send")
        seen = set()
        end = time.monotonic() + 20
        while "done" not in self.browser.text("#TellStory .status") and time.monotonic() < end:
            seen.add(self.browser.run("return document.querySelectorAll('#TellStory .words span').length"))
            if len(seen) == 5:
                self.show("TellStory")
                self.shoot("stream-dark", scheme="dark")
                self.shoot("stream-narrow-dark", scheme="dark", width=390, height=844)
        self.assertIn("200 done", self.browser.text("#TellStory .status"))
        self.assertGreater(len(seen), 4)
        self.assertIn("offline model", self.browser.text("#TellStory .words"))

    def test_a_stream_can_be_stopped(self):
        self.browser.type("#TellJokeStream-name", "and " * 40)  # said back, word by word
        self.browser.run("""
            const [what, send] = ["[role=status]", ".send"].map((part) =>
              document.querySelector("#TellJokeStream " + part));
            new MutationObserver((_, observer) => {
              if (what.textContent !== "Streaming" || send.textContent !== "Stop") return;
              observer.disconnect();
              send.click(); // a click from outside may come when the stream is over
            }).observe(what, { childList: true, characterData: true, subtree: true });""")
        self.browser.click("#TellJokeStream .send")
        self.browser.wait_for("#TellJokeStream .status", "Stopped")
        self.browser.wait_for("#TellJokeStream .send", "Send")

    def test_errors_stand_at_their_fields(self):
        self.browser.type("#GenerateCode-language", "C++11")
        self.browser.click("#GenerateCode .send")
        self.browser.wait_for("#GenerateCode .status", "422 INVALID_ARGUMENT")
        self.assertIn("must match", self.browser.text("#GenerateCode .problem"))
        self.assertIn("must match", self.browser.text("#GenerateCode-language-wrong"))
        self.assertEqual(self.browser.run("return document.activeElement.id"),
                         "GenerateCode-language")
        self.show("GenerateCode")
        self.shoot("error-light")
        self.shoot("error-dark", scheme="dark")

    def test_by_keyboard_alone(self):
        for field in ("TellJoke-name", "TranslateText-text"):
            self.browser.run("document.getElementById(arguments[0]).focus()", field)
            self.browser.press("Control", "Enter")
            self.browser.wait_for(f"#{field.split('-')[0]} .status", "200 OK")
        self.browser.run("document.querySelector('#PirateChat-question').focus()")
        self.browser.press("Tab")
        self.assertEqual(self.browser.run("return document.activeElement.innerText"), "Send")
        self.browser.press("Enter")
        self.browser.wait_for("#PirateChat .status", "200 OK")

    def test_a_running_count_is_not_announced(self):
        self.browser.run("""window.said = [];
            const status = document.querySelector("#TellStory [role=status]");
            new MutationObserver(() => said.push(status.innerText)).observe(
                status, {childList: true, characterData: true, subtree: true});""")
        self.browser.click("#TellStory .send")
        self.browser.wait_for("#TellStory .status", "200 done", 20)
        self.assertEqual(self.browser.run("return said"), ["Waiting …", "Streaming", "200 done"])
        self.assertRegex(self.browser.text("#TellStory .numbers"), r"(?s)pieces.*first after.*calls left")

    @unittest.skipIf(SANITIZER, "looks at the page, once is enough")
    @unittest.skipUnless(os.path.exists(AXE), "SKIPPED: no axe-core; scripts/setup.sh test "
                                              "installs it where there is npm")
    def test_axe_finds_nothing(self):
        """WCAG 2.2 A and AA, with an answer, a stream and an error on the page and all of it unfolded."""
        for id_ in ("TellJoke", "TellJokeStream"):
            self.browser.click(f"#{id_} .send")
            self.browser.wait_for(f"#{id_} .status", "200", 20)
        self.browser.type("#GenerateCode-language", "C++11")
        self.browser.click("#GenerateCode .send")
        self.browser.wait_for("#GenerateCode .status", "422")
        self.browser.run("document.querySelectorAll('details').forEach((each) => each.open = true)")
        with open(AXE, encoding="utf-8") as file:
            self.browser.run(file.read() + "; window.axe = axe")
        for scheme, width in (("dark", 1280), ("light", 320)):
            with self.subTest(scheme=scheme, width=width), \
                    self.browser.emulated(width, 844, scheme):
                found = self.browser.run("""const tags = ["wcag2a", "wcag2aa", "wcag21a",
                        "wcag21aa", "wcag22aa", "best-practice"];
                    const {passes, violations} = await axe.run(document, {runOnly: tags});
                    return {passes: passes.length, violations: violations.flatMap(({id, nodes}) =>
                        nodes.map(({html}) => `${id}: ${html}`))};""")
                self.assertEqual(found["violations"], [])
                self.assertGreater(found["passes"], 30)
                self.assertLessEqual(self.browser.run(
                    "return document.documentElement.scrollWidth"), width)

    def test_the_key_is_sent_and_not_copied(self):
        self.browser.run("""window.sent = []; window.copied = [];
            const real = window.fetch;
            window.fetch = (path, how) => { sent.push(how.headers); return real(path, how); };
            navigator.clipboard.writeText = async (text) => { copied.push(text); };""")
        self.browser.click(".settings summary")
        self.browser.type("#key", KEY)
        self.browser.type("#TellJoke-name", "O'Hara")
        self.browser.click("#TellJoke .send")
        self.browser.wait_for("#TellJoke .status", "200 OK")
        self.assertEqual(self.browser.run("return sent[0]['X-API-Key']"), KEY)
        for button in (2, 3):
            self.browser.click(f"#TellJoke .actions button:nth-child({button})")
        wait_until(lambda: len(self.browser.run("return copied")) == 2, 5, "the commands")
        curl, grpcurl = self.browser.run("return copied")
        self.assertNotIn(KEY, curl + grpcurl)
        self.assertIn('-H "X-API-Key: $API_KEY"', curl)
        self.assertIn("O'\\''Hara", curl)
        self.assertIn("weir.v1.FlowService/TellJoke", grpcurl)

    def test_the_policy_is_at_work(self):
        self.browser.run("""const script = document.createElement("script");
            try { script.textContent = "window.broken = true"; document.body.append(script); }
            catch {}""")
        self.assertIsNone(self.browser.run("return window.broken ?? null"))
        self.assertTrue(self.complaints())


if __name__ == "__main__":
    if not (CHROMIUM and DRIVER):
        print("SKIPPED: the docs page in a browser: there is no chromium (scripts/setup.sh test "
              "installs it)", file=sys.stderr)
    main()
