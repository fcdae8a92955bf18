#!/usr/bin/python3
"""capture PORT FILE: files that tcpdump reads, with the frames that tcpdump saw on the wire, bounded, and errors before a file.

    client ── router ──┬── lb     dpdk-lb, two workers
                       └── web1
"""

import json
import signal
import stat
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import DpdkLb, port, service
from netlab import command, wait_for
from systemtest import SystemTest, main
from topology import CLIENT4, Site, web4, web6

URL4, URL6 = "http://10.1.1.1/", "http://[2001:db8:1::1]/"


def frames(path):
    """[(nanoseconds since 1970, bytes, length)] of a pcap file, read here; its magic says nanoseconds."""
    data = Path(path).read_bytes()
    magic, major, minor, _, _, snap, link = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, snap, link) == (0xA1B23C4D, 2, 4, 262144, 1), path
    found, at = [], 24
    while at < len(data):
        seconds, nanoseconds, captured, length = struct.unpack_from("<IIII", data, at)
        found.append((seconds * 10**9 + nanoseconds, data[at + 16:at + 16 + captured], length))
        at += 16 + captured
    assert at == len(data), f"{path} ends within a packet"
    return found


class Capture(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, webs=1, queues=2)
        cls.parts = [port(), service("web", ["10.1.1.1", "2001:db8:1::1"], "nat", [web4(1), web6(1)])]
        cls.lbd = DpdkLb(cls.site.lb, cls.parts, cores="0-1").start()
        for url in (URL4, URL6):
            wait_for(lambda: cls.site.curl(url, timeout=1, check=False), 10, f"a first answer from {url}")

    def setUp(self):
        self.file = self.lab.dir / f"{self._testMethodName}.pcap"

    def capturing(self, file, *words, lbd=None):
        """A `capture` under way: the file is there, so the workers pass by it."""
        lbd = lbd or self.lbd
        process = lbd.namespace.start([*lbd.ctl_argv(), "--json", "capture", "uplink", file, *words])
        wait_for(lambda: file.exists() or not process.running(), 10, f"{file} is there")
        self.assertTrue(process.running() or file.exists(), process.output())
        return process

    def report(self, process, timeout=20):
        self.assertEqual(process.wait(timeout), 0, process.output())
        return json.loads(process.output())

    def tcpdump(self, file, *words):
        done = command("tcpdump", "-nn", "-e", "-r", str(file), *words)
        return [line for line in done.stdout.splitlines() if line.strip()]

    def idle(self):
        """No capture of the port is under way."""
        def refused():
            done = self.lbd.ctl("capture", "uplink", "/proc/none/x", check=False)
            return "being captured" not in done.stderr
        wait_for(refused, 10, "the capture has ended")

    def assertRefused(self, status, says, *words, left=None):
        done = self.lbd.ctl("capture", *words, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, says)
        if left is not None:
            self.assertFalse(Path(left).exists(), f"{left} was made all the same")

    # What is in it.

    def test_the_frames_on_the_wire_and_none_else(self):
        wire = self.lab.dir / "wire.pcap"
        sniffer = self.site.router.start(["tcpdump", "-i", "lb", "-U", "-w", wire, "tcp port 80"])
        wait_for(lambda: "listening" in sniffer.output(), 10, "tcpdump listens")
        capture = self.capturing(self.file, "count", "100000", "seconds", "6", "filter", "tcp port 80")
        self.assertEqual(self.site.answers(URL4, 10), {"web1": 10})
        self.assertEqual(self.site.answers(URL6, 10), {"web1": 10})
        report = self.report(capture)
        seen = frames(self.file)
        self.assertEqual(report, {"file": str(self.file), "packets": len(seen), "missed": 0,
                                  "bytes": self.file.stat().st_size, "reason": "time"})
        # Each request and each answer passes twice: to the load balancer and from it.
        self.assertGreater(len(seen), 20 * 2 * 8)
        wait_for(lambda: wire.stat().st_size > 24 + 16 * len(seen), 10, "tcpdump has written")
        sniffer.signal(signal.SIGINT)
        sniffer.wait()
        self.assertEqual(sorted(frame for _, frame, _ in seen), sorted(self.classic(wire)))
        self.assertTrue(all(len(frame) == length for _, frame, length in seen))
        times = [time for time, _, _ in seen]
        written = self.file.stat().st_mtime_ns
        self.assertTrue(all(written - 10 * 10**9 < time <= written + 10**7 for time in times), (times[0], written))
        self.assertLess(sum(a > b for a, b in zip(times, times[1:])), len(times) // 10, "out of order")

    def classic(self, path):
        """The frames of a pcap with microseconds, as tcpdump writes it."""
        data = Path(path).read_bytes()
        self.assertEqual(struct.unpack_from("<I", data)[0], 0xA1B2C3D4)
        at = 24
        while at < len(data):
            captured = struct.unpack_from("<IIII", data, at)[2]
            yield data[at + 16:at + 16 + captured]
            at += 16 + captured

    def test_a_filter_and_tcpdump_reads_it(self):
        capture = self.capturing(self.file, "count", "4", "filter", f"tcp dst port 80 and src host {CLIENT4}")
        self.site.answers(URL6, 3)
        self.site.answers(URL4, 3)
        report = self.report(capture)
        self.assertEqual((report["packets"], report["reason"]), (4, "count"))
        lines = self.tcpdump(self.file)
        self.assertEqual(len(lines), 4, lines)
        for line in lines:
            self.assertRegex(line, rf"{CLIENT4}\.\d+ > (10\.1\.1\.1|{web4(1)})\.80: ")
        self.assertEqual(len(self.tcpdump(self.file, "tcp dst port 80")), 4)

    def test_ends_at_the_count_and_the_file_is_its_owners(self):
        capture = self.capturing(self.file, "count", "7")
        wait_for(lambda: self.site.curl(URL4) and not capture.running(), 10, "seven packets")
        report = self.report(capture)
        self.assertEqual((report["packets"], report["reason"], len(frames(self.file))), (7, "count", 7))
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o600)

    def test_the_text(self):
        done = self.lbd.ctl("capture", "uplink", str(self.file), "seconds", "1", "filter", "udp port 9")
        self.assertEqual(done.stdout, f"{self.file}: 0 packets, 0 missed, 24 bytes; ended by time\n")

    def test_a_capture_longer_than_the_consoles_patience(self):
        process = self.capturing(self.file, "seconds", "11", "filter", "udp port 9")
        self.assertEqual(self.report(process)["reason"], "time")

    # Several at a time, and ends before the end.

    def test_one_at_a_time_and_the_client_leaves(self):
        process = self.capturing(self.file, "count", "100000")
        other = self.lab.dir / "other.pcap"
        self.assertRefused(1, rf"being captured into {self.file}", "uplink", str(other), left=other)
        self.site.answers(URL4, 5)
        process.signal(signal.SIGINT)  # as Ctrl-C does
        process.kill()
        self.idle()
        self.assertGreater(len(frames(self.file)), 20)
        self.assertIn("client_gone", self.lbd.log())
        after = self.lab.dir / "after.pcap"
        capture = self.capturing(after, "count", "5")
        wait_for(lambda: self.site.curl(URL4) and not capture.running(), 10, "five packets")
        self.assertEqual(self.report(capture)["packets"], 5)

    def test_stopped_workers_end_it_by_time(self):
        self.lbd.ctl("stop")
        self.addCleanup(self.lbd.ctl, "start")
        done = self.lbd.ctl("--json", "capture", "uplink", str(self.file), "seconds", "1")
        self.assertEqual(json.loads(done.stdout)["reason"], "time")
        self.assertEqual(frames(self.file), [])

    def test_the_daemon_ends(self):
        site_lb = DpdkLb(self.site.lb, [port(device="net_null0", tap="")], name="lb2", memory_mb=128, mbufs=4096)
        self.addCleanup(site_lb.stop)
        site_lb.start()
        process = self.capturing(self.file, "count", "1000000", "seconds", "60", "filter", "udp", lbd=site_lb)
        self.assertEqual(site_lb.stop(), 0)
        self.assertEqual(self.report(process)["reason"], "shutdown")
        self.assertEqual(frames(self.file), [])

    # Errors.

    def test_refused_before_a_file_is_made(self):
        path = str(self.file)
        self.assertRefused(1, r'filter: .*syntax error.*pcap-filter', "uplink", path, "filter", "tcp prot 80", left=path)
        self.assertRefused(1, r'no port "uplonk".*uplink', "uplonk", path, left=path)
        self.assertRefused(2, r"absolute path", "uplink", "here.pcap")
        self.assertRefused(2, r"1 to 1000000", "uplink", path, "count", "0", left=path)
        self.assertRefused(2, r"1 to 3600", "uplink", path, "seconds", "4000", left=path)
        self.assertRefused(1, r"No such file or directory.*directory that is there", "uplink", "/nowhere/x.pcap")
        self.assertRefused(1, r"dpdk-lb may write to|directory that is there", "uplink", "/proc/x.pcap")
        self.file.write_text("precious")
        self.assertRefused(1, r"File exists; give the name of a file that is not there yet", "uplink", path)
        self.assertEqual(self.file.read_text(), "precious")
        link = self.lab.dir / "link.pcap"
        link.symlink_to("/nowhere")
        self.assertRefused(1, r"File exists", "uplink", str(link))

    def test_a_full_disk_ends_it(self):
        disk = self.lab.dir / "disk"
        disk.mkdir()
        command("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk))
        self.addCleanup(command, "umount", str(disk))
        lbd = DpdkLb(self.site.lb, [port(device="net_null0", tap="")], name="lb3", memory_mb=128, mbufs=4096)
        self.addCleanup(lbd.stop)
        lbd.start()  # after the mount, so that it sees it
        done = lbd.ctl("capture", "uplink", str(disk / "x.pcap"), "count", "100000", check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stderr, r"No space left on device; make room there.*after \d+ packets")
        self.assertEqual(self.site.answers(URL4, 5), {"web1": 5})


if __name__ == "__main__":
    main()
