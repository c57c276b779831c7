"""slowhttptest's four modes, 200 connections each, against the REST port (N1): each connection is
ended in its time, and an honest caller's p99 stays under twice that of a weir that is let alone.

All modes run beside each other, each against a weir of its own."""
import concurrent.futures
import contextlib
import subprocess
import time

from cost import PROTOCOLS, SANITIZER, Hostile, HonestCallers, Usage, felt, main, slow, stalled
from harness import Weir

CONNECTIONS = 200
LONGEST_S = 300     # slowhttptest's own end, which is not waited for
SPARE_S = 4         # connecting takes a second, and looks are taken once a second
LOOKS = 4           # others use this machine, too: what weir does it does each time
GAP_S = 0.008       # between the rounds of an honest caller: there are four
MOST_RSS_KB = 20 * 1024

# mode: (words, path, the setting that ends it, after how many seconds, and the CPU it may take).
# On loopback the kernel takes the whole of a slow reader's answer from weir.
MODES = {
    "slow head": (("-H", "-i", "1", "-x", "24"), "/health", "HEAD_TIMEOUT", 2, 0.4),
    "slow body": (("-B", "-i", "1", "-s", "8192", "-x", "24", "-f", "application/json"),
                  "/tell-joke", "BODY_TIMEOUT", 2, 0.4),
    "slow read": (("-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32"),
                  "/openapi.json", "KEEP_ALIVE_TIMEOUT", 3, 1),
    "range": (("-R",), "/openapi.json", "KEEP_ALIVE_TIMEOUT", 3, 1),
}


class Attack:
    """slowhttptest in one mode, until `weir` has no connection of it any more. (What the tool
    itself counts are sockets that it has not read to their end, which takes it minutes.)"""

    def __init__(self, weir, mode):
        words, path, _, self.bound_s, self.most_cpu_s = MODES[mode]
        self.weir, self.mode = weir, mode
        self.most, self.lasted, self.usage = 0, None, Usage(weir)
        self.begin = time.monotonic()
        self.tool = subprocess.Popen(
            ["slowhttptest", "-c", str(CONNECTIONS), "-r", str(CONNECTIONS), "-l", str(LONGEST_S),
             "-v", "0", "-p", "2", "-u", weir.url + path, *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tool.kill()
        self.tool.wait()

    def look(self):
        """Whether it is over."""
        if self.lasted is None:
            ended = self.tool.poll() is not None
            now = self.weir.metric("weir_connections") - 2  # the honest caller's
            self.most = max(self.most, now)
            if now <= 1 and (self.most > CONNECTIONS / 2 or ended):
                self.lasted = time.monotonic() - self.begin
        return self.lasted is not None


class SlowHttp(Hostile):
    settings = {name: "60s" for name in ("HEAD_TIMEOUT", "BODY_TIMEOUT", "READ_TIMEOUT",
                                         "KEEP_ALIVE_TIMEOUT")}

    def run_all(self, attacked):
        """One run of each mode. `attacked`: mode -> weir. Returns (mode, protocol) for all that
        honest callers felt."""
        with contextlib.ExitStack() as stack:
            honest = [stack.enter_context(HonestCallers([weir, self.control], GAP_S))
                      for weir in attacked.values()]
            attacks = [stack.enter_context(Attack(weir, mode)) for mode, weir in attacked.items()]
            longest_s = slow(SPARE_S + max(attack.bound_s for attack in attacks))
            beside, end = Usage(self.control), time.monotonic() + longest_s
            while not all([attack.look() for attack in attacks]) and time.monotonic() < end:
                time.sleep(0.1)
            control_cpu_s, control_rss_kb = beside.since()
            costs = [attack.usage.since() for attack in attacks]
            times = [callers.end(moments=True) for callers in honest]
            waits = [attack.usage.waited() for attack in attacks]
        for attack, both, (cpu_s, rss_kb) in zip(attacks, times, costs):
            with self.subTest(mode=attack.mode):
                self.assertTrue(attack.weir.alive())
                self.assertIsNotNone(attack.lasted, f"some of {attack.most} are never ended")
                self.assert_cost(f"{attack.mode}: up to {attack.most}, gone after "
                                 f"{attack.lasted:.1f} s", both,
                                 cpu_s - control_cpu_s / len(attacks), rss_kb - control_rss_kb,
                                 attack.most_cpu_s, MOST_RSS_KB)
                self.assertGreater(attack.most, 0 if attack.mode == "range" else CONNECTIONS * 0.9)
                self.assertLess(attack.lasted, slow(attack.bound_s + SPARE_S))
        return {(attack.mode, protocol) for attack, both, waited_s in zip(attacks, times, waits)
                for protocol in PROTOCOLS
                if felt(*(one[protocol] for one in both)) or
                stalled(*(one[protocol] for one in both), waited_s)}

    def test_four_modes(self):
        with contextlib.ExitStack() as stack:
            attacked = {mode: stack.enter_context(Weir(
                {"WORKERS": "1", **self.settings, setting: f"{seconds}s"}, debug=True))
                for mode, (_, _, setting, seconds, _) in MODES.items()}
            suspects = {(mode, protocol) for mode in MODES for protocol in PROTOCOLS}
            for _ in range(LOOKS):
                suspects &= self.run_all(attacked)
                if not suspects:
                    break
            with concurrent.futures.ThreadPoolExecutor() as pool:
                list(pool.map(Weir.stop, attacked.values()))
            if not SANITIZER:
                self.assertEqual(suspects, set(), "honest callers felt it each time")


if __name__ == "__main__":
    main()
