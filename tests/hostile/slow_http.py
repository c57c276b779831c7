"""slowhttptest's four modes, 200 connections each, against the REST port (N1): each connection is
ended in its time, and an honest caller does not wait twice as long as without them."""
import statistics
import subprocess
import time

from cost import SANITIZER, Hostile, main, p99, slow

CONNECTIONS = 200
LONGEST_S = 20      # slowhttptest's own end; nothing may live so long
SPARE_S = 4         # connecting takes a second, and looks are taken once a second
WINDOW = 100        # calls
# What a busy machine's scheduler adds to one call in a hundred, attack or not: two of its slices.
FLOOR_S = 0.02

# mode: (words, the bound of a connection in seconds)
MODES = {
    "slow head": (("-H", "-i", "1", "-x", "24"), 2),
    "slow body": (("-B", "-i", "1", "-s", "8192", "-x", "24", "-f", "application/json"), 3),
    "slow read": (("-X", "-k", "10", "-w", "512", "-y", "1024", "-n", "1", "-z", "32"), 2),
    "range": (("-R",), 3),
}
PATHS = {"slow body": "/tell-joke", "slow read": "/openapi.json", "range": "/openapi.json"}


def typical_p99(times):
    """The median of what the 99th percentiles of short spans are: one bad moment is not the rule."""
    spans = [times[i:i + WINDOW] for i in range(0, len(times) - WINDOW + 1, WINDOW)] or [times]
    return statistics.median(p99(span) for span in spans)


class SlowHttp(Hostile):
    settings = {"HEAD_TIMEOUT": "2s", "BODY_TIMEOUT": "3s", "READ_TIMEOUT": "2s",
                "KEEP_ALIVE_TIMEOUT": "3s"}

    def connections(self):
        return self.weir.metric("weir_connections") - 2  # the honest caller's

    def run_tool(self, words, path):
        """Runs it until weir has no connection of it any more. Returns how many it had at most, and
        when the last was gone. (What the tool itself counts are sockets that it has not read to
        their end, which takes it minutes.)"""
        tool = subprocess.Popen(
            ["slowhttptest", "-c", str(CONNECTIONS), "-r", str(CONNECTIONS), "-l", str(LONGEST_S),
             "-v", "0", "-p", "2", "-u", self.weir.url + path, *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        begin, most = time.monotonic(), 0
        try:
            while time.monotonic() < begin + LONGEST_S:
                now = self.connections()
                most = max(most, now)
                if now <= 1 and (most > CONNECTIONS / 2 or tool.poll() is not None):
                    break
                time.sleep(0.05)
            return most, time.monotonic() - begin
        finally:
            tool.kill()
            tool.wait()

    def baseline(self):
        process = self.honest()
        time.sleep(1.5)
        self.end_honest(process)
        return typical_p99(self.honest_times)

    def look_at(self, mode):
        """One run of a mode; returns the honest callers' p99 during it, and the most it may be."""
        words, bound = MODES[mode]
        before = self.baseline()
        with self.attack(mode, cpu_s=3):
            most, seconds = self.run_tool(words, PATHS.get(mode, "/health"))
        during = typical_p99(self.honest_times)
        without = max(before, self.baseline())
        print(f"    {mode}: up to {most} at a time, all gone after {seconds:.1f} s, "
              f"honest p99 {during * 1000:.1f} ms, {without * 1000:.1f} ms without")
        self.assertGreater(most, 0 if mode == "range" else CONNECTIONS * 0.9)
        self.assertLess(seconds, slow(bound + SPARE_S))
        return during, max(2 * without, slow(FLOOR_S))

    def test_four_modes(self):
        for mode in MODES:
            with self.subTest(mode=mode):
                during, most = self.look_at(mode)
                if during >= most:  # others use this machine, too: what weir does it does twice
                    during, most = self.look_at(mode)
                if not SANITIZER:
                    self.assertLess(during, most)


if __name__ == "__main__":
    main()
