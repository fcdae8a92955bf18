"""Scenario: what goes in and what must become of it, in the order in which it goes in."""

import importlib.util
import struct
import tomllib
from dataclasses import dataclass, field

from oracle import Oracle


def load(path):
    """packets.py as a module of its own."""
    spec = importlib.util.spec_from_file_location(f"packets_{path.parent.name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Step:
    """One packet in. `frame` and `expected` are scapy packets, or bytes; checksums and lengths that scapy has not been given
    are computed anew when they are built, so an expected packet's checksums come from its contents alone."""
    frame: object
    port: str
    expected: object = None     # None: nothing comes out
    out: str = ""               # the port it leaves by
    free: tuple = ()            # ("IP", "id"): may hold what it likes, all else may not; with 2 behind: of the second such layer
    reason: str = ""            # the drop it is counted under
    pieces: int = 1             # how many fragments it comes out in; `expected` is what they are of
    mtu: int = 0                # of those: no IP packet is longer


@dataclass
class Scenario:
    text: str                                    # of lb.toml
    steps: list = field(default_factory=list)
    checks: list = field(default_factory=list)
    shown: list = field(default_factory=list)

    def __post_init__(self):
        self.config = tomllib.loads(self.text)
        self.ports = [port["name"] for port in self.config["port"]]
        self.oracle = Oracle(self.config)

    def forwards(self, frame, expected, free=(), port="", out=""):
        """`frame` in by `port` (the first, unless told); `expected` out by `out` (the same port, unless told). The source MAC of
        `expected` is filled in: the port's."""
        port = port or self.ports[0]
        self.steps.append(Step(frame, port, expected, out or port, tuple(free)))

    def splits(self, frame, expected, pieces, mtu, **ways):
        """`frame` in, `pieces` fragments out, which are those of `expected`."""
        self.forwards(frame, expected, **ways)
        self.steps[-1].pieces, self.steps[-1].mtu = pieces, mtu

    def drops(self, frame, reason, port=""):
        self.steps.append(Step(frame, port or self.ports[0], reason=reason))

    def reports(self, frame, expected, reason, **ways):
        """An ICMP error goes out, and the packet counts as dropped. There are 10 errors a millisecond at most, so a scenario has
        few of these packets in a row."""
        self.forwards(frame, expected, **ways)
        self.steps[-1].reason = reason

    def reports_too_big(self, frame, expected, **ways):
        self.reports(frame, expected, "too_big_reported", **ways)

    def reports_expired(self, frame, expected, **ways):
        self.reports(frame, expected, "ttl_expired_reported", **ways)

    def check(self, function):
        """`function` gets all pairs of (frame in, packet out or None) and asserts what it likes."""
        self.checks.append(function)

    def shows(self, words, function):
        """`function` gets the JSON document of this console command when all packets are through."""
        self.shown.append((words, function))

    def write_inputs(self, directory):
        """PORT.in for each port: a pcap of version 2.4, Ethernet."""
        for port in self.ports:
            with open(directory / f"{port}.in", "wb") as pcap:
                pcap.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
                for number, step in enumerate(self.steps):
                    if step.port == port:
                        frame = bytes(step.frame)
                        pcap.write(struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame)
