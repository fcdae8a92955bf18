#!/usr/bin/python3
"""dpdk-lbctl top on a terminal, fed by a daemon with canned counters."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fakedaemon import FakeDaemon
from terminal import Terminal

LBCTL = os.environ["DPDK_LBCTL"]


class Load:
    """Answers of a daemon whose counters grow by the second: service n gets 1000 n packets of 100 bytes.

    The counters of one answer are of one moment, and have grown for long: what the tests expect of rates, their order
    and counters that go back does not hang on how fast the machine is.
    """

    def __init__(self, services=3, backends=2):
        self.services, self.backends = services, backends
        self.zero = time.monotonic() - 3600
        self.moment = threading.local()
        self.answers = {"show version": lambda _: {"name": "lb1", "version": "0.1.0", "dpdk": "22.11", "uptime_s": 93784.5},
                        "show port stats": self.ports, "show drops": self.drops, "show workers": self.workers,
                        "show services": self.show_services}
        for n in range(services):
            self.answers[f"show backends {self.name(n)}"] = self.show_backends(n)
        self.answers = {command: self.at_one_moment(answer) for command, answer in self.answers.items()}

    def at_one_moment(self, answer):
        def answered(as_json):
            self.moment.seconds = time.monotonic() - self.zero
            return answer(as_json)
        return answered

    def clear(self):
        self.zero = time.monotonic()

    @staticmethod
    def name(n):
        return f"svc{n:03}"

    def count(self, per_second):
        return int(per_second * self.moment.seconds)

    def ports(self, _):
        return [{"name": "uplink", "rx_packets": self.count(2e6), "rx_bytes": self.count(2e8),
                 "tx_packets": self.count(1e6), "tx_bytes": self.count(1e8)}]

    def drops(self, _):
        return {"no_service": self.count(500), "too_big": self.count(1500), "bad_header": 7}

    def workers(self, _):
        return [{"id": n, "core": n + 1, "running": n != 2, "queues": [], "packets": self.count(1e5 * (n + 1)),
                 "cycles_per_packet": 212.3, "busy": 0.5, "flows": 1000, "rcu_lag": 0} for n in range(3)]

    def show_services(self, _):
        return [{"name": self.name(n), "vip": [f"10.1.{n // 250}.{n % 250}", "2001:db8:1::1"], "mode": "nat",
                 "backends_up": n % (self.backends + 1), "backends": self.backends, "packets": self.count(1000 * n),
                 "bytes": self.count(100000 * n), "new_flows": self.count(10 * n)} for n in range(self.services)]

    def show_backends(self, n):
        return lambda _: [{"address": f"172.16.{n % 250}.{b}", "port": 80, "weight": 1,
                           "state": ("active", "draining", "down")[b % 3], "health": "up",
                           "active_connections": 5, "packets": self.count(100 * b), "bytes": self.count(10000 * b)}
                          for b in range(self.backends)]


class Top(unittest.TestCase):
    def start(self, load, *words, columns=80, rows=24, env=None):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = FakeDaemon(Path(directory.name) / "lb.sock", load.answers)
        self.addCleanup(self.daemon.stop)
        terminal = Terminal([LBCTL, "-s", self.daemon.path, "top", *words], columns=columns, rows=rows,
                            env={"TERM": "linux", **(env or {})})  # all that pyte knows
        self.addCleanup(terminal.close)
        return terminal

    def rows(self, terminal, first):
        """The table whose heading starts so, as lists of words, up to an empty line or the next heading."""
        lines = terminal.lines()
        start = next((i for i, line in enumerate(lines) if line.startswith(first)), len(lines))
        end = next((i for i in range(start + 1, len(lines)) if not lines[i] or lines[i].isupper()
                    or lines[i].startswith(("BACKEND", "WORKER", "q quit"))), len(lines))
        return [line.split() for line in lines[start + 1:end]] or [[""]]

    def test_what_a_person_sees(self):
        for columns, rows in ((80, 24), (200, 50)):
            with self.subTest(columns=columns):
                terminal = self.start(Load(), "-d", "0.5", columns=columns, rows=rows)
                # A frame may come in pieces: all of it is waited for.
                words = ("172.16.2.0:80", "active", "draining", "stopped", "212.3", "50.0%", "q quit")
                terminal.wait(lambda: all(word in terminal.text() for word in words) and
                              re.search(r"^new flows \S+/s   drops \S+ k/s \(most: too_big \S+ k/s\)$",
                                        terminal.text(), re.M) and
                              re.search(r"^RX \S+ Mpps  \S+ [GM]bps   TX \S+ [Mk]pps  \S+ [MG]bps$", terminal.text(), re.M))
                self.assertRegex(terminal.lines()[0], r"^dpdk-lb lb1  0\.1\.0  up 1d 2h +every 0\.5s  \d\d:\d\d:\d\d$")
                self.assertEqual([row[0] for row in self.rows(terminal, "SERVICE")], ["svc002", "svc001", "svc000"])
                terminal.type("q")
                self.assertEqual(terminal.status(), 0)

    def test_rates_are_differences(self):
        load = Load()
        terminal = self.start(load, "-d", "1")
        terminal.wait(lambda: terminal.lines()[1].startswith("RX -"))  # nothing to compare with
        terminal.wait(lambda: "Mpps" in terminal.lines()[1])
        # A round that the machine delays is one of several.
        terminal.wait(lambda: 1.8 < float((re.match(r"RX (\S+) Mpps", terminal.lines()[1]) or "00")[1]) < 2.2)
        load.clear()  # the counters go back: no absurd rate
        terminal.wait(lambda: terminal.lines()[1].startswith("RX 0 pps"))
        terminal.wait(lambda: "Mpps" in terminal.lines()[1])

    def test_asks_for_the_backends_of_the_selected_service_only(self):
        terminal = self.start(Load(services=50), "-d", "0.2")
        terminal.wait("BACKEND OF svc049")
        terminal.wait("172.16.49.0:80")  # what was asked for before has been answered
        self.daemon.asked()
        terminal.type("\x1b[B\x1b[B")
        terminal.wait("BACKEND OF svc047")
        terminal.wait("172.16.47.0:80")
        asked = {command for command in self.daemon.asked() if command.startswith("show backends")}
        self.assertLessEqual(asked, {"show backends svc049", "show backends svc048", "show backends svc047"})

    def test_keys(self):
        terminal = self.start(Load(services=50), "-d", "0.2")
        terminal.wait("svc049")
        terminal.wait(lambda: self.rows(terminal, "SERVICE")[0][0] == "svc049")
        terminal.type("r")
        terminal.wait(lambda: self.rows(terminal, "SERVICE")[0][0] != "svc049")
        terminal.type("r/svc00")
        terminal.wait("filter: svc00_")
        terminal.wait(lambda: len(self.rows(terminal, "SERVICE")) <= 10 and "svc049" not in terminal.text())
        terminal.type("\r")
        terminal.wait("SERVICE /svc00")
        terminal.type("ssss")  # by name
        terminal.wait(lambda: self.rows(terminal, "SERVICE")[0][0] == "svc000")
        terminal.type("\x1b")
        terminal.wait(lambda: "/svc00" not in terminal.text())
        terminal.type("\x1b[4~")  # End
        terminal.wait("BACKEND OF svc049")
        terminal.type("\t")
        terminal.type("\x03")
        self.assertEqual(terminal.status(), 0)

    def test_follows_the_size_of_the_terminal(self):
        terminal = self.start(Load(services=50), "-d", "5")
        terminal.wait("BACKEND OF")
        self.assertNotIn("svc020", terminal.text())
        terminal.resize(120, 70)
        terminal.wait("svc020", timeout=4)
        terminal.resize(30, 5)
        terminal.wait("top needs 40 x 8", timeout=4)

    def test_says_so_without_the_daemon_and_comes_back(self):
        load = Load()
        terminal = self.start(load, "-d", "0.2")
        terminal.wait("Mpps")
        self.daemon.stop()
        terminal.wait("(trying again)")
        self.daemon.start()
        terminal.wait(lambda: "trying again" not in terminal.text() and "Mpps" in terminal.lines()[1])

    def test_a_thousand_services_of_a_hundred_backends(self):
        terminal = self.start(Load(services=1000, backends=100), "-d", "1")
        terminal.wait("BACKEND OF svc999")
        terminal.wait("SERVICE (1000)")
        for _ in range(20):
            terminal.type("\x1b[B")
        start = time.monotonic()
        terminal.wait("BACKEND OF svc979")
        self.assertLess(time.monotonic() - start, 10)
        terminal.type("q")
        self.assertEqual(terminal.status(), 0)

    def test_does_not_wait_for_a_silent_daemon(self):
        terminal = self.start(Load())
        terminal.wait("svc002")
        self.daemon.deaf.set()
        terminal.type("/xyz")
        terminal.wait("filter: xyz_")
        terminal.type("\x03")
        self.assertEqual(terminal.status(), 0)

    def test_needs_a_terminal_and_a_daemon(self):
        self.start(Load()).wait("svc002")
        done = subprocess.run([LBCTL, "-s", self.daemon.path, "top"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=20)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("top needs a terminal", done.stderr)
        terminal = Terminal([LBCTL, "-s", "/nonexistent/lb.sock", "top"])
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.status(), 1)
        self.assertIn("no dpdk-lb answers", terminal.text())


if __name__ == "__main__":
    unittest.main(verbosity=1)
