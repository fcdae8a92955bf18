#!/usr/bin/python3
"""DPDK's own tools, as Debian packages them, on a running dpdk-lb: dpdk-dumpcap and dpdk-telemetry.py.

    client ── router ──┬── lb     dpdk-lb with hugepages
                       └── web1

Pages are reserved by scripts/setup-hugepages where too few are free, and given back.
"""

import fcntl
import json
import signal
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/support"))
from dpdklb import DpdkLb, port, service
from hugepages_test import MB, free_mb, mounts
from netlab import command, wait_for
from systemtest import SystemTest, main
from topology import Site, web4, web6

URL4 = "http://10.1.1.1/"


class Tools(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The machine has one pool: two runs at once take turns.
        turn = open("/run/dpdk-lb-hugepages-test.lock", "w")
        cls.addClassCleanup(turn.close)
        fcntl.flock(turn, fcntl.LOCK_EX)
        if free_mb() < 4 * MB or not mounts():
            command(TOP / "scripts/setup-hugepages", str(4 * MB))
            cls.addClassCleanup(command, TOP / "scripts/setup-hugepages", "--restore")
        cls.site = Site(cls.lab, webs=1)

    def daemon(self, **keys):
        parts = [port(), service("web", ["10.1.1.1", "2001:db8:1::1"], "nat", [web4(1), web6(1)])]
        daemon = DpdkLb(self.site.lb, parts, **{"hugepages": True, "memory_mb": 2 * MB, **keys})
        self.addCleanup(daemon.stop)
        daemon.start()
        wait_for(lambda: self.site.curl(URL4, timeout=1, check=False), 10, "a first answer")
        return daemon

    def telemetry(self, daemon, question):
        done = self.site.lb.run(["dpdk-telemetry.py", "-f", daemon.name], input=f"{question}\nquit\n")
        answers = [line for line in done.stdout.splitlines() if line.startswith("{")]
        return [json.loads(line) for line in answers], done.stdout + done.stderr

    def test_dumpcap_attaches_and_leaves_and_comes_again(self):
        daemon = self.daemon()
        before = free_mb()
        for again in range(2):
            file = self.lab.dir / f"dumpcap{again}.pcapng"
            dumpcap = self.site.lb.start(["dpdk-dumpcap", f"--file-prefix={daemon.name}", "-i", "0", "-w", file,
                                          "-f", "tcp port 80"])
            wait_for(lambda: "Packets captured" in dumpcap.output() or not dumpcap.running(), 20, "dpdk-dumpcap captures")
            self.assertTrue(dumpcap.running(), dumpcap.output())
            wait_for(lambda: self.site.curl(URL4) == "web1" and file.exists() and file.stat().st_size > 4096, 10,
                     "packets in its file")
            dumpcap.signal(signal.SIGINT)
            self.assertEqual(dumpcap.wait(), 0, dumpcap.output())
            lines = command("tcpdump", "-nn", "-r", str(file)).stdout
            self.assertIn("10.1.1.1.80", lines)
            self.assertIn(f"{web4(1)}.80", lines)
            self.assertEqual(self.site.answers(URL4, 5), {"web1": 5})
        # Both at once: each has callbacks of its own.
        ours = self.lab.dir / "ours.pcap"
        both = self.lab.dir / "both.pcapng"
        dumpcap = self.site.lb.start(["dpdk-dumpcap", f"--file-prefix={daemon.name}", "-i", "0", "-w", both])
        wait_for(lambda: "Packets captured" in dumpcap.output(), 20, "dpdk-dumpcap captures")
        capture = self.site.lb.start([*daemon.ctl_argv(), "capture", "uplink", ours, "count", "20"])
        wait_for(lambda: self.site.curl(URL4) and not capture.running(), 10, "twenty packets")
        wait_for(lambda: both.stat().st_size > 4096, 10, "packets in dpdk-dumpcap's file")
        dumpcap.signal(signal.SIGINT)
        self.assertEqual((dumpcap.wait(), capture.wait()), (0, 0), dumpcap.output() + capture.output())
        self.assertLessEqual(before - free_mb(), 2 * MB)
        self.assertEqual(daemon.stop(), 0)

    def test_telemetry_answers(self):
        for hugepages in (True, False):
            with self.subTest(hugepages=hugepages):
                daemon = self.daemon(hugepages=hugepages)
                answers, said = self.telemetry(daemon, "/ethdev/list")
                self.assertIn({"/ethdev/list": [0]}, answers, said)
                answers, said = self.telemetry(daemon, "/eal/params")
                self.assertIn(daemon.name, said)
                self.assertEqual(daemon.stop(), 0)
                self.assertFalse(Path("/var/run/dpdk", daemon.name).exists())

    def test_without_hugepages_dumpcap_says_that_there_is_nothing_to_attach_to(self):
        daemon = self.daemon(hugepages=False)
        done = self.site.lb.run(["dpdk-dumpcap", f"--file-prefix={daemon.name}", "-D"], check=False)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertEqual(self.site.answers(URL4, 5), {"web1": 5})


if __name__ == "__main__":
    main()
