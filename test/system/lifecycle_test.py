#!/usr/bin/python3
"""Signals, reload, stop and start, the console on a terminal.

    client ── router ──┬── lb     dpdk-lb
                       ├── web1
                       └── web2
"""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import CONSOLE, DAEMON, DpdkLb, port, service
from netlab import wait_for
from systemtest import SystemTest, main
from topology import Site, web4, web6

URLS = ("http://10.1.1.1/", "http://[2001:db8:1::1]/")


class Terminal:
    """A program on a terminal of its own: what it prints is read, what is typed is sent."""

    def __init__(self, namespace, argv):
        primary, secondary = pty.openpty()
        self.fd = primary
        os.set_blocking(primary, False)
        self.popen = subprocess.Popen(namespace.argv(argv), stdin=secondary, stdout=secondary, stderr=secondary,
                                      start_new_session=True, env={**os.environ, "TERM": "xterm"})
        os.close(secondary)
        self.text = ""

    def read(self):
        try:
            while data := os.read(self.fd, 65536):
                self.text += data.decode(errors="replace")
        except (BlockingIOError, OSError):
            pass
        return self.text

    def type(self, text):
        os.write(self.fd, text.encode())

    def shows(self, text, timeout=5):
        wait_for(lambda: text in self.read(), timeout, f"{text!r} on the terminal, which shows:\n{self.text[-2000:]}")

    def close(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(10)
        os.close(self.fd)


class OneDaemon(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, webs=2, queues=2)

    def services(self, *webs):
        return [service("web", ["10.1.1.1", "2001:db8:1::1"], "nat", [web(n) for n in webs for web in (web4, web6)])]

    def lbd(self, **keys):
        self.daemon = DpdkLb(self.site.lb, [port(), *self.services(1, 2)], **keys)
        self.addCleanup(self.daemon.stop)
        return self.daemon

    def carrying(self):
        for url in URLS:
            wait_for(lambda: self.site.curl(url, timeout=1, check=False), 10, f"a first answer from {url}")


class Lifecycle(OneDaemon):
    def ends(self, number, within, at_least=0.0):
        start = time.monotonic()
        self.daemon.process.signal(number)
        self.assertEqual(self.daemon.process.wait(within), 0, self.daemon.log())
        self.assertGreaterEqual(time.monotonic() - start, at_least)
        self.assertFalse(self.daemon.socket.exists())
        self.assertNotIn("uplink0", self.site.lb.interfaces())

    def test_sigterm_and_sigint_drain_and_exit_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number):
                self.lbd(drain_time="1s").start()
                self.ends(number, within=4, at_least=0.9)

    def test_traffic_passes_while_it_drains(self):
        self.lbd(drain_time="3s").start()
        self.carrying()
        self.daemon.process.signal(signal.SIGTERM)
        self.assertEqual(sum(self.site.answers(URLS[0], 10).values()), 10)
        self.assertTrue(self.daemon.process.running())
        self.assertEqual(self.daemon.process.wait(6), 0)

    def test_a_second_sigterm_exits_at_once(self):
        self.lbd(drain_time="60s").start()
        before = self.daemon.process.output().count("draining for")  # the log is that of earlier tests, too
        self.daemon.process.signal(signal.SIGTERM)
        wait_for(lambda: self.daemon.process.output().count("draining for") > before, 5,
                 "the log to tell of the draining")
        start = time.monotonic()
        self.daemon.process.signal(signal.SIGTERM)
        self.daemon.process.wait(3)
        self.assertLess(time.monotonic() - start, 3)
        self.assertFalse(self.daemon.socket.exists())
        self.assertNotIn("uplink0", self.site.lb.interfaces())
        self.assertEqual(self.site.lb.run(["nft", "list", "tables"]).stdout, "")

    def test_sigterm_during_the_start(self):
        self.lbd().start(wait=False)
        self.daemon.process.signal(signal.SIGTERM)
        self.daemon.process.wait(10)
        self.assertFalse(self.daemon.socket.exists())
        self.assertNotIn("uplink0", self.site.lb.interfaces())
        self.assertEqual(self.site.lb.run(["nft", "list", "tables"]).stdout, "")

    def test_shutdown_from_the_console(self):
        self.lbd().start()
        self.daemon.ctl("shutdown", check=False)
        self.assertEqual(self.daemon.process.wait(5), 0)
        self.assertFalse(self.daemon.socket.exists())

    def test_stop_and_start(self):
        self.lbd(cores="0-1").start()
        self.carrying()
        self.daemon.ctl("stop")
        self.assertEqual(self.site.curl(URLS[0], timeout=1, check=False), "")
        self.assertEqual(self.daemon.ctl("show", "workers").returncode, 0)
        self.daemon.ctl("start")
        self.carrying()
        self.assertSpread(self.site.answers(URLS[1], 40), ("web1", "web2"))
        self.daemon.ctl("stop")
        self.ends(signal.SIGTERM, within=4)

    def test_sighup_and_reload_take_the_new_file(self):
        self.lbd().start()
        self.carrying()
        self.daemon.write([port(), *self.services(2)])
        plan = self.daemon.ctl("reload", "--dry-run").stdout
        self.assertIn(web4(1), plan)
        self.assertIsNotNone(self.daemon.backend("web", web4(1)), "a dry run changed something")
        self.daemon.process.signal(signal.SIGHUP)
        wait_for(lambda: self.daemon.backend("web", web4(1)) is None, 5, "the reload")
        for url in URLS:
            self.assertEqual(set(self.site.answers(url, 20)), {"web2"})
        self.daemon.write([port(), *self.services(1)])
        self.daemon.ctl("reload")
        for url in URLS:
            self.assertEqual(set(self.site.answers(url, 20)), {"web1"})

    def test_the_command_lines_log_level_survives_a_reload(self):
        self.lbd(log_level="warn").start("--log-level", "debug")
        for reload in (None, lambda: self.daemon.process.signal(signal.SIGHUP), lambda: self.daemon.ctl("reload")):
            if reload:
                before = self.daemon.log().count("reloaded")
                reload()  # said at level info, which the file's level would hide from the second reload on
                wait_for(lambda: self.daemon.log().count("reloaded") > before, 5, "the reload")
            self.assertIn('log_level = "debug"', self.daemon.ctl("show", "config").stdout)

    def test_a_bad_file_changes_nothing(self):
        self.lbd().start()
        self.carrying()
        self.daemon.file.write_text(self.daemon.file.read_text().replace("scheduler =", "scheduller ="))
        done = self.daemon.ctl("reload", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("scheduller", done.stderr)
        self.daemon.process.signal(signal.SIGHUP)
        wait_for(lambda: "scheduller" in self.daemon.log(), 5, "the log to name the error")
        for url in URLS:
            self.assertSpread(self.site.answers(url, 40), ("web1", "web2"))

    def test_the_console_on_this_terminal(self):
        self.lbd()
        terminal = Terminal(self.site.lb, [DAEMON, "-c", self.daemon.file, "-i"])
        self.addCleanup(terminal.close)
        wait_for(self.daemon.socket.exists, 10, "the daemon's socket")
        terminal.type("show services\n")
        terminal.shows("10.1.1.1", 10)
        terminal.type("show nosuch\n")
        terminal.type("shutdown\n")
        self.assertEqual(terminal.popen.wait(10), 0)
        self.assertNotIn("uplink0", self.site.lb.interfaces())

    def test_dpdk_lbctl_on_a_terminal(self):
        self.lbd().start()
        terminal = Terminal(self.site.lb, [CONSOLE, "-s", self.daemon.socket])
        self.addCleanup(terminal.close)
        terminal.type("show ver\t\n")
        terminal.shows("22.11", 5)
        terminal.type("?")
        terminal.type("\nshow backends\n")
        terminal.shows(web6(2))
        terminal.type("quit\n")
        self.assertEqual(terminal.popen.wait(5), 0)
        self.assertTrue(self.daemon.process.running(), "quit leaves the console, not the daemon")


class Link(OneDaemon):
    def link(self):
        return self.daemon.show("show", "ports")[0]["link"]

    def test_the_link_goes_down_comes_back_and_vanishes(self):
        self.lbd().start()
        lb, router = self.site.lb, self.site.router
        self.carrying()
        self.assertEqual(self.link(), "up")
        for away, back in ((lambda: lb.ip("link set uplink down"), lambda: lb.ip("link set uplink up")),
                           (lambda: router.ip("link set lb down"), lambda: router.ip("link set lb up"))):
            downs, ups = (self.daemon.log().count(f"uplink is {state}") for state in ("down", "up"))
            away()
            wait_for(lambda: self.link() == "down", 3, "show ports to say down")
            wait_for(lambda: self.daemon.log().count("uplink is down") == downs + 1, 3, "a line of the link's end")
            back()
            wait_for(lambda: self.link() == "up", 3, "show ports to say up")
            wait_for(lambda: self.daemon.log().count("uplink is up") == ups + 1, 3, "a line of the link's return")
            self.carrying()
        lb.ip("link del uplink")
        wait_for(lambda: "uplink is gone" in self.daemon.log(), 3, "a line of the interface's end")
        time.sleep(1.5)  # it is looked at once a second: nothing more is to be said
        self.assertEqual(self.daemon.log().count("uplink is gone"), 1)
        self.assertEqual(self.link(), "down")
        self.assertEqual(self.daemon.stop(), 0, self.daemon.log())


class Takeover(OneDaemon):
    def test_another_machine_at_the_same_address_takes_over(self):
        """Another MAC: who still knows the old one learns the new one by an announcement, not by a timeout."""
        self.lbd().start()
        self.carrying()
        self.daemon.stop()
        self.site.lb.ip("link set uplink address 02:00:00:00:00:aa")
        self.daemon.start()
        for url in URLS:
            with self.subTest(url=url):
                wait_for(lambda: self.site.curl(url, timeout=1, check=False), 4, f"an answer from {url}")


if __name__ == "__main__":
    main()
