#!/usr/bin/python3
"""hugepages = true: real traffic, two at once, nothing left behind; and a clear word where there are none.

    client ── router ──┬── lb     dpdk-lb with hugepages
                       └── web1

Pages are reserved by scripts/setup-hugepages where too few are free, and given back.
"""

import fcntl
import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/support"))
from dpdklb import DAEMON, DpdkLb, port, service
from netlab import command, wait_for
from systemtest import SystemTest, main
from topology import Site, web4, web6

MB = 64


def free_mb():
    text = Path("/proc/meminfo").read_text()
    value = {key: int(re.search(rf"{key}:\s+(\d+)", text)[1]) for key in ("HugePages_Free", "Hugepagesize")}
    return value["HugePages_Free"] * value["Hugepagesize"] // 1024


def mounts():
    return [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if line.split()[2] == "hugetlbfs"]


class Hugepages(SystemTest):
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
        cls.site = Site(cls.lab, webs=1, queues=2)

    def parts(self):
        return [port(), service("web", ["10.1.1.1", "2001:db8:1::1"], "nat", [web4(1), web6(1)])]

    def left(self, name):
        """Hugepage files and run-time directories of that instance."""
        files = [str(path) for mount in mounts() for path in Path(mount).glob(f"{name}*")]
        return files + [str(path) for path in Path("/var/run/dpdk").glob(f"{name}*")]

    def test_traffic_on_hugepages_and_none_left(self):
        for cores in ("0", "0-1"):
            with self.subTest(cores=cores):
                before = free_mb()
                daemon = DpdkLb(self.site.lb, self.parts(), cores=cores, hugepages=True, memory_mb=MB)
                self.addCleanup(daemon.stop)
                daemon.start()
                self.assertLess(free_mb(), before, "no hugepage is in use")
                for url in ("http://10.1.1.1/", "http://[2001:db8:1::1]/"):
                    wait_for(lambda: self.site.curl(url, timeout=1, check=False), 10, f"a first answer from {url}")
                    self.assertEqual(self.site.answers(url, 20), {"web1": 20})
                self.assertEqual(daemon.stop(), 0)
                self.assertEqual(free_mb(), before)
                self.assertEqual(self.left(daemon.name), [])

    def test_kill_9_and_a_new_start_take_no_more_pages(self):
        before = free_mb()
        daemon = DpdkLb(self.site.lb, self.parts(), hugepages=True, memory_mb=MB)
        self.addCleanup(daemon.stop)
        for _ in range(3):
            daemon.start()
            daemon.process.kill()
        daemon.start()
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(free_mb(), before)
        self.assertEqual(self.left(daemon.name), [])

    def test_a_killed_ones_pages_are_not_missing(self):
        most = free_mb()  # so that there are none beside its own
        daemon = DpdkLb(self.site.lb, self.parts(), hugepages=True, memory_mb=most)
        self.addCleanup(daemon.stop)
        daemon.start()
        daemon.process.kill()
        self.assertEqual(free_mb(), 0, "nothing was left: the test tests nothing")
        checked = self.site.lb.run([DAEMON, "-c", daemon.file, "--check"], check=False)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        daemon.start()
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(free_mb(), most)

    def test_more_than_there_are(self):
        daemon = DpdkLb(self.site.lb, self.parts(), hugepages=True, memory_mb=free_mb() + 1024)
        for options in ([], ["--check"]):
            with self.subTest(options=options):
                done = self.site.lb.run([DAEMON, "-c", daemon.file, *options], check=False)
                said = done.stdout + done.stderr
                self.assertIn(done.returncode, (1, 2), said)
                self.assertRegex(said, r"setup-hugepages|nr_hugepages")
                self.assertRegex(said, r"hugepages *= *false")
                self.assertNotIn("uplink0", self.site.lb.interfaces())
                self.assertFalse(daemon.socket.exists())
                self.assertEqual(self.left(daemon.name), [])

    def test_no_hugetlbfs_needs_to_be_mounted(self):
        umount = " && ".join(f"umount {mount}" for mount in mounts())
        daemon = DpdkLb(self.site.lb, self.parts(), hugepages=True, memory_mb=MB)
        daemon.start(wrapper=["unshare", "--mount", "sh", "-c", f"{umount} && exec \"$@\"", "sh"])
        self.addCleanup(daemon.stop)
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    main()
