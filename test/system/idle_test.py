#!/usr/bin/python3
"""idle = "adaptive": next to no CPU without traffic, and awake at once for the first packet. "busy" polls.

    client ── router ──┬── lb     dpdk-lb, two workers
                       └── web1
"""

import os
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import DpdkLb, port, service
from netlab import wait_for
from systemtest import SystemTest, main
from topology import Site, web4, web6

VIP4, VIP6 = "10.1.1.1", "2001:db8:1::1"


def cpu_seconds(pid):
    """User and system time of the process, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Idle(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, webs=1, queues=2)

    def lbd(self, **keys):
        daemon = DpdkLb(self.site.lb, [port(), service("web", [VIP4, VIP6], "nat", [web4(1), web6(1)])], **keys)
        self.addCleanup(daemon.stop)
        daemon.start()
        for url in (f"http://{VIP4}/", f"http://[{VIP6}]/"):
            wait_for(lambda: self.site.curl(url, timeout=1, check=False), 10, f"a first answer from {url}")
        return daemon

    def share(self, daemon, seconds):
        """The share of one core over that time; the time itself is what is measured."""
        before, start = cpu_seconds(daemon.process.pid), time.monotonic()
        time.sleep(seconds)
        return (cpu_seconds(daemon.process.pid) - before) / (time.monotonic() - start)

    def wanted(self, daemon, seconds):
        """The share of that time in which the busiest thread ran or waited for a CPU: other load does not change it."""
        def times():
            tasks = Path(f"/proc/{daemon.process.pid}/task")
            return {t.name: sum(map(int, (t / "schedstat").read_text().split()[:2])) for t in tasks.iterdir()}

        before, start = times(), time.monotonic()
        time.sleep(seconds)
        passed, after = time.monotonic() - start, times()
        return max(after[t] - before.get(t, 0) for t in after) / 1e9 / passed

    def round_trips(self, target, pause):
        out = self.site.router.run(["ping", "-c10", "-i", pause, "-W1", target]).stdout
        times = sorted(float(t) for t in re.findall(r"time=([\d.]+) ms", out))
        self.assertEqual(len(times), 10, out)
        return times

    def test_adaptive_sleeps_and_wakes(self):
        daemon = self.lbd(cores="0-1", idle="adaptive")
        share = self.share(daemon, 5)
        print(f"adaptive, no traffic: {share:.1%} of a core", flush=True)
        self.assertLess(share, 0.05)
        busy = [worker["busy"] for worker in daemon.show("show", "workers")]
        self.assertLess(max(busy), 0.05)
        # Long pauses: each request finds everything asleep. The VIP answers from the worker itself.
        asleep = self.round_trips(VIP4, 0.3)
        print(f"first packet after 0.3 s of silence: {asleep[0]:.2f} … {asleep[5]:.2f} … {asleep[-1]:.2f} ms", flush=True)
        self.assertLess(asleep[5], 1.5, "median: a wake-up takes under a millisecond, the rest is the round trip")
        self.assertLess(self.round_trips(VIP6, 0.3)[5], 1.5)

    def test_busy_polls_and_answers(self):
        daemon = self.lbd(cores="1", idle="busy")
        share = self.wanted(daemon, 1)
        print(f"busy, no traffic: a worker wants {share:.0%} of a core", flush=True)
        self.assertGreater(share, 0.95)
        self.assertEqual(self.site.curl(f"http://{VIP4}/"), "web1")


if __name__ == "__main__":
    main()
