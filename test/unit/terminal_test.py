#!/usr/bin/python3
"""dpdk-lbctl as a person sees it on a terminal, and as a script reads it: watch, paging, colours."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import termios
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fakedaemon import FakeDaemon
from terminal import Terminal

LBCTL = os.environ["DPDK_LBCTL"]
BACKENDS = """SERVICE  ADDRESS      STATE     HEALTH
web      172.16.21.2  active    up
down     172.16.21.3  draining  none
down     172.16.21.4  down      down
"""
LONG = "".join(f"row {n}\n" for n in range(100))
ENV = {"PATH": os.environ["PATH"], "TERM": "xterm", "HOME": "/nonexistent"}


class ConsoleCase(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.count = 0
        self.daemon = FakeDaemon(Path(self.directory.name) / "lb.sock", {
            "show version": {"name": "lb1"}, "show uptime": self.uptime, "show backends": BACKENDS, "show log": LONG,
            "show ports": "eth0\n", "show service no": (1, 'no service "no"'), "show nope": (2, "no such word")})
        self.addCleanup(self.daemon.stop)

    def uptime(self, as_json):
        self.count += 1
        return {"uptime_s": self.count} if as_json else f"up {self.count} times\n"

    def terminal(self, *words, env=None, columns=80, rows=24):
        terminal = Terminal([LBCTL, "-s", self.daemon.path, *words], env=env, columns=columns, rows=rows)
        self.addCleanup(terminal.close)
        return terminal

    def run_ctl(self, *words, env=None):
        return subprocess.run([LBCTL, "-s", self.daemon.path, *words], text=True, capture_output=True, timeout=30,
                              stdin=subprocess.DEVNULL, env={**ENV, **(env or {})})


class Watch(ConsoleCase):
    def test_redraws_until_q(self):
        terminal = self.terminal("watch", "0.1", "show", "uptime")
        terminal.wait("up 3 times")
        lines = terminal.lines()
        self.assertRegex(lines[0], r"^every 0\.1s: show uptime +\d\d:\d\d:\d\d$")
        self.assertEqual(len(lines[0]), 80)
        self.assertRegex(lines[2], r"^up \d+ times$")
        self.assertFalse("".join(lines[3:]), lines)
        terminal.type("q")
        self.assertEqual(terminal.status(), 0)
        self.assertIn(b"\x1b[?1049l", terminal.raw)
        self.assertEqual(set(self.daemon.asked()), {"show uptime"})

    def test_interactive_goes_on_after_ctrl_c(self):
        terminal = self.terminal()
        terminal.wait("dpdk-lb(lb1)>")
        terminal.type("watch show uptime\r")
        terminal.wait("up 2 times")
        terminal.type("\x03")
        terminal.wait(lambda: terminal.text().rstrip().endswith("dpdk-lb(lb1)>"))
        terminal.type("show ports\r")
        terminal.wait("eth0")
        terminal.wait(lambda: terminal.text().rstrip().endswith("dpdk-lb(lb1)>"))
        terminal.type("\x04")  # Ctrl-D
        self.assertEqual(terminal.status(), 0)

    def test_sigterm_puts_the_terminal_right(self):
        terminal = self.terminal("watch", "show", "uptime")
        terminal.wait("up 1 times")
        self.assertFalse(terminal.modes() & termios.ICANON)
        terminal.signal(signal.SIGTERM)
        terminal.wait(lambda: b"\x1b[?1049l" in terminal.raw)
        self.assertEqual(terminal.status(), 0)

    def test_fits_the_screen_and_follows_its_size(self):
        terminal = self.terminal("watch", "0.2", "show", "log")
        terminal.wait("more lines")
        self.assertEqual(terminal.lines()[2], "row 0")
        self.assertEqual(terminal.lines()[23], "... 79 more lines")
        terminal.resize(40, 10)
        terminal.wait("... 93 more lines")
        self.assertEqual(len(terminal.lines()[0]), 40)

    def test_ends_while_the_daemon_is_silent(self):
        self.daemon.deaf.set()
        terminal = self.terminal("watch", "show", "uptime")
        terminal.wait(lambda: not terminal.modes() & termios.ICANON)
        terminal.type("q")
        self.assertEqual(terminal.status(), 0)

    def test_a_failure_is_shown_and_watched_on(self):
        terminal = self.terminal("watch", "0.1", "show", "service", "no")
        terminal.wait('error: no service "no"')
        self.daemon.answers["show service no"] = "it is back\n"
        terminal.wait("it is back")
        terminal.type("q")
        self.assertEqual(terminal.status(), 0)

    def test_the_daemons_end_is_an_error(self):
        terminal = self.terminal("watch", "show", "uptime")
        terminal.wait("up 1 times")
        self.daemon.stop()
        terminal.wait("is it still running?")
        self.assertEqual(terminal.status(), 1)
        self.daemon.start()

    def stream(self, *words):
        """The first lines of a watch in a pipe, which SIGINT ends."""
        process = subprocess.Popen([LBCTL, "-s", self.daemon.path, *words], text=True, env=ENV,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lines = [process.stdout.readline().rstrip("\n") for _ in range(6)]
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
        self.assertEqual((process.returncode, error), (0, ""))
        return lines

    def test_pipe_gets_blocks_with_the_time(self):
        lines = self.stream("watch", "0.1", "show", "uptime")
        for n in (0, 2, 4):
            self.assertRegex(lines[n], r"^--- \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
            self.assertEqual(lines[n + 1], f"up {n // 2 + 1} times")

    def test_json_is_a_document_a_line(self):
        documents = [json.loads(line) for line in self.stream("--json", "watch", "0.1", "show", "uptime")]
        self.assertEqual([each["uptime_s"] for each in documents], [1, 2, 3, 4, 5, 6])

    def test_only_shows_that_parse(self):
        for words, status in ((("watch", "show", "nope"), 2), (("watch", "0.01", "show", "uptime"), 2),
                              (("watch", "reload"), 2), (("watch", "show", "service", "no"), 1)):
            with self.subTest(words=words):
                done = self.run_ctl(*words)
                self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (status, "", 1), done)
        self.assertNotIn("reload", self.daemon.asked())


class Paging(ConsoleCase):
    PAGER = {"PAGER": "sed 's/^/paged: /'"}

    def test_long_answers_are_paged_on_a_terminal(self):
        terminal = self.terminal("show", "log", env=self.PAGER)
        self.assertEqual(terminal.status(), 0)
        self.assertIn("paged: row 99", terminal.text())
        self.assertEqual(self.run_ctl("show", "log", env=self.PAGER).stdout, LONG)

    def test_not_so_the_short_and_unwanted(self):
        for words, env in ((("show", "ports"), self.PAGER), (("--no-pager", "show", "log"), self.PAGER),
                           (("show", "log"), {"PAGER": ""}), (("show", "log"), {"PAGER": "cat"}),
                           (("show", "log"), {"PAGER": "/nonexistent/pager"})):
            with self.subTest(words=words, env=env):
                terminal = self.terminal(*words, env=env)
                self.assertEqual(terminal.status(), 0)
                self.assertNotIn("paged", terminal.text())
                self.assertIn("eth0" if "ports" in words else "row 99", terminal.text())

    def test_less_by_default_and_a_pager_left_early(self):
        terminal = self.terminal("show", "log")
        terminal.wait("row 22")
        self.assertNotIn("row 30", terminal.text())
        terminal.type("q")
        self.assertEqual(terminal.status(), 0)
        self.assertEqual(self.terminal("show", "log", env={"PAGER": "head -1"}).status(), 0)

    def test_set_paging(self):
        terminal = self.terminal(env=self.PAGER)
        terminal.wait("dpdk-lb(lb1)>")
        terminal.type("set paging off\rshow log\r")
        terminal.wait("\nrow 99")
        terminal.type("set paging on\rshow log\r")
        terminal.wait("paged: row 99")
        terminal.wait(lambda: terminal.text().rstrip().endswith("dpdk-lb(lb1)>"))
        terminal.type("\x04")  # Ctrl-D
        self.assertEqual(terminal.status(), 0)


class Colours(ConsoleCase):
    GREEN, YELLOW, RED, BOLD, PLAIN = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[1m", "\x1b[0m"

    def test_states_and_headers(self):
        lines = self.run_ctl("--color", "always", "show", "backends").stdout.splitlines()
        self.assertEqual(lines, [f"{self.BOLD}SERVICE  ADDRESS      STATE     HEALTH{self.PLAIN}",
                                 f"web      172.16.21.2  {self.GREEN}active{self.PLAIN}    {self.GREEN}up{self.PLAIN}",
                                 f"down     172.16.21.3  {self.YELLOW}draining{self.PLAIN}  none",
                                 f"down     172.16.21.4  {self.RED}down{self.PLAIN}      {self.RED}down{self.PLAIN}"])

    def test_on_a_terminal_only(self):
        for words, env, coloured in (((), {}, True), ((), {"NO_COLOR": "1"}, False), ((), {"NO_COLOR": ""}, True),
                                     ((), {"TERM": "dumb"}, False), (("--color", "never"), {}, False),
                                     (("--color", "always"), {"NO_COLOR": "1"}, True), (("--json",), {}, False)):
            with self.subTest(words=words, env=env):
                terminal = self.terminal(*words, "show", "backends", env=env)
                self.assertEqual(terminal.status(), 0)
                self.assertEqual(b"\x1b[" in terminal.raw, coloured, terminal.raw)
        self.assertEqual(self.run_ctl("show", "backends").stdout, BACKENDS)
        self.assertEqual(json.loads(self.run_ctl("--json", "--color", "always", "show", "backends").stdout), BACKENDS)

    def test_errors_are_red(self):
        done = self.run_ctl("--color", "always", "show", "service", "no")
        self.assertEqual(done.stderr, f'{self.RED}error:{self.PLAIN} no service "no"\n')
        self.assertEqual(self.run_ctl("show", "service", "no").stderr, 'error: no service "no"\n')

    def test_a_bad_choice(self):
        done = self.run_ctl("--color", "sometimes", "show", "ports")
        self.assertEqual((done.returncode, done.stderr),
                         (2, "error: --color: 'sometimes' is no choice; give auto, always or never\n"))


if __name__ == "__main__":
    unittest.main(verbosity=1)
