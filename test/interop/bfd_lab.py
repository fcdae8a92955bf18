"""A lab for BFD: bfd_peer, what it said, and the frame of the tests.

    lb ──10.10.1.0/24, fd10:1::/64── rtr

50 ms × 3 where not said otherwise: a session has to be Down within 150 ms + 10 % of the last packet.
"""

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path

from netlab import wait_for
from systemtest import SystemTest

BUILD = Path(os.environ.get("DPDK_LB_BUILD") or Path(__file__).resolve().parents[2] / "build")
RTR4, LB4, RTR6, LB6 = "10.10.1.1", "10.10.1.2", "fd10:1::1", "fd10:1::2"
FAST = "interval=50 multiplier=3"
DETECTED = 0.150 * 1.1
EXPIRED = "control detection time expired"


class BfdPeer:
    """bfd_peer in a namespace, and what it said."""

    def __init__(self, namespace, *commands):
        self.process = namespace.start([BUILD / "test/interop/bfd_peer", *commands], stdin=subprocess.PIPE)
        self.taken = 0

    def stop(self):
        """Ends it as it should be ended: its input ends."""
        self.process.popen.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.stop()

    def lines(self):
        text = self.process.output()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def ask(self, command):
        """What it answers, events left aside. Commands are given one at a time."""
        self.process.popen.stdin.write((command + "\n").encode())
        self.process.popen.stdin.flush()
        return self.answer(command)

    def answer(self, what="a command of the command line"):
        def answers():
            lines = [line for line in self.lines() if "event" not in line]
            return lines[self.taken:self.taken + 1]
        answer = self.until(answers, f"an answer to {what}")[0]
        self.taken += 1
        return answer

    def until(self, condition, what, timeout=5.0):
        try:
            return wait_for(condition, timeout, what)
        except TimeoutError as late:
            raise TimeoutError(f"{late}; bfd_peer said:\n{self.process.output()}") from None

    def add(self, what):
        """The session's id."""
        return self.ask(f"add {what}")["added"]

    def report(self):
        return {session["id"]: session for session in self.ask("report")["report"]}

    def events(self, session):
        return [line for line in self.lines() if line.get("session") == session]

    def state(self, session):
        events = self.events(session)
        return events[-1]["event"] if events else "Down"

    def wait(self, session, state, timeout=5.0):
        """Until the session is in that state; the event that brought it there."""
        self.until(lambda: self.state(session) == state, f"session {session} {state}", timeout)
        return self.events(session)[-1]

    def next_down(self, session, after):
        """The first event Down later than `after` (seconds of CLOCK_MONOTONIC)."""
        return self.until(lambda: [event for event in self.events(session)
                                   if event["at"] >= after and event["event"] == "Down"], f"{session} Down")[0]

    def wait_packets(self, session, number):
        """Until so many more packets of the peer's were taken; the session's report."""
        def taken():
            return self.report()[session]["received"].get("accepted", 0)
        goal = taken() + number
        wait_for(lambda: taken() >= goal, 20, f"{number} more packets for session {session}", 0.1)
        return self.report()[session]


def drop(namespace, rule):
    """Packets that leave `namespace` and match are lost, as on a broken path. Returns the time when that held."""
    namespace.run(["nft", f"add table inet loss; add chain inet loss out {{ type filter hook output priority 0; }}; "
                          f"add rule inet loss out {rule} drop"])
    return time.monotonic()


def heal(namespace):
    namespace.run(["nft", "delete table inet loss"])


class BfdTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rtr, cls.lb = cls.lab.namespace("rtr"), cls.lab.namespace("lb")
        cls.lab.veth(cls.rtr, "eth0", cls.lb, "eth0")
        cls.rtr.addresses("eth0", f"{RTR4}/24", f"{RTR6}/64")
        cls.lb.addresses("eth0", f"{LB4}/24", f"{LB6}/64")

    def start(self):
        """A bfd_peer with sessions to the router's two addresses."""
        self.peer = BfdPeer(self.lb)
        self.addCleanup(self.peer.stop)
        self.sessions = {LB4: self.peer.add(f"{RTR4} {FAST}"), LB6: self.peer.add(f"{RTR6} {FAST}")}

    def all_up(self, timeout=8.0):
        for session in self.sessions.values():
            self.peer.wait(session, "Up", timeout)

    def reports(self):
        report = self.peer.report()
        return [report[session] for session in self.sessions.values()]

    def wait_report(self, **wanted):
        """Until every session's report says so."""
        def says():
            return all(report[key] == value for report in self.reports() for key, value in wanted.items())
        try:
            wait_for(says, 5, "", 0.05)
        except TimeoutError:
            self.fail(f"{wanted} wanted of {self.reports()}")

    def assertDetected(self, since):
        for session in self.sessions.values():
            event = self.peer.next_down(session, since - DETECTED)
            self.assertEqual((event["diagnostic"], event["failed"]), (EXPIRED, True), event)
            self.assertLessEqual(event["at"], since + DETECTED, f"{event}, {since}")

    def assertNoFlap(self, packets=100):
        """While the loop that the events go to does something else, 250 ms at a time."""
        self.peer.ask("load 250")
        self.peer.wait_packets(self.sessions[LB4], packets)
        self.peer.ask("load 0")
        answer = self.peer.ask("report")
        self.assertTrue(answer["real_time"], "the priority that root gets")
        for report in answer["report"]:
            self.assertEqual((report["state"], report["ups"], report["downs"]), ("Up", 1, 0), answer)
