"""The jail (D4): on every thread from the first request on, and serving works inside it."""
import os
import unittest

from harness import SANITIZER, Weir, both, main

SANITIZED = bool(SANITIZER)


def status_of_threads(pid):
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
            yield dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


class Jail(unittest.TestCase):
    def test_every_thread_is_in_it(self):
        with Weir() as weir:
            for call in both(weir):
                self.assertTrue(call("TellJoke", {}).ok, call.protocol)
            found = list(status_of_threads(weir.process.pid))
            self.assertGreater(len(found), 4)
            for status in found:
                self.assertEqual(status["NoNewPrivs"], "1", status["Name"])
                self.assertEqual(status["Seccomp"], "0" if SANITIZED else "2", status["Name"])
            self.assertEqual(bool(weir.events("jail_open")), SANITIZED)

    def test_no_core_file_outside_of_debug(self):
        with Weir() as weir:
            with open(f"/proc/{weir.process.pid}/limits", encoding="ascii") as file:
                core = [line for line in file if line.startswith("Max core file size")]
            self.assertEqual(core[0].split()[4:6], ["0", "0"])

    def test_switched_off_it_says_so(self):
        with Weir(settings={"JAIL": "false"}) as weir:
            self.assertEqual(weir.events("jail_open")[0]["setting"], "JAIL")
            for status in status_of_threads(weir.process.pid):
                self.assertEqual(status["Seccomp"], "0")


if __name__ == "__main__":
    main()
