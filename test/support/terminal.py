"""A program on a terminal of its own, and what a person would see there (by pyte)."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import pyte


class Terminal:
    def __init__(self, argv, columns=80, rows=24, env=None):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                self._size(0, columns, rows)
                os.execve(argv[0], [str(word) for word in argv],
                          {"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8", "HOME": "/nonexistent",
                           "ASAN_OPTIONS": "detect_leaks=0",  # libedit keeps its history's lines
                           **(env or {})})
            finally:
                os._exit(127)

    @staticmethod
    def _size(fd, columns, rows):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        self.screen.resize(rows, columns)
        self._size(self.fd, columns, rows)

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def signal(self, number):
        os.kill(self.pid, number)

    def modes(self):
        """The local modes of the terminal: termios.ICANON and others."""
        return termios.tcgetattr(self.fd)[3]

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def text(self):
        return "\n".join(self.lines())

    def read(self, timeout=0.1):
        """Takes what is printed. False: the program has closed its terminal."""
        if not select.select([self.fd], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.raw += data
        self.stream.feed(data)
        return bool(data)

    def wait(self, shown, timeout=20):
        """Until `shown`, a text on the screen or a condition; then the screen's text."""
        condition = shown if callable(shown) else lambda: shown in self.text()
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"{timeout} s without {shown!r} on the screen:\n{self.text()}")
            if not self.read() and not condition():
                raise AssertionError(f"the program ended without {shown!r} on the screen:\n{self.text()}")
        return self.text()

    def status(self, timeout=20):
        """Its exit status once it has ended."""
        end = time.monotonic() + timeout
        while self.read() and time.monotonic() < end:
            pass
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
                return os.waitstatus_to_exitcode(status)
            select.select([], [], [], 0.02)
        raise AssertionError(f"it goes on:\n{self.text()}")

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None
        os.close(self.fd)
