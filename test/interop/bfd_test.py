#!/usr/bin/python3
"""lib/bgp's BFD (bfd_peer) with FRR's bfdd and with BIRD.

    lb ──10.10.1.0/24, fd10:1::/64── rtr ──10.20.1.0/24── far      (far: BIRD, two hops from lb)
"""

import contextlib
import signal
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]
from bfd_lab import DETECTED, EXPIRED, FAST, LB4, LB6, RTR4, RTR6, BfdTest, drop, heal
from bfd_routers import Bird, Frr
from netlab import wait_for
from systemtest import main

FAR4 = "10.20.1.2"
SIGNALED = "neighbor signaled session down"

FRR = f"""
bfd
 profile fast
  detect-multiplier 3
  transmit-interval 50
  receive-interval 50
 peer {LB4}
  profile fast
 peer {LB6} local-address {RTR6}
  profile fast
 peer 10.10.1.3 multihop local-address 10.30.0.1
  profile fast
 peer fd10:1::3 multihop local-address fd10:30::1
  profile fast
"""

BIRD = """
protocol bfd {
  interface "eth0" { interval %d ms; multiplier 3; };
  neighbor 10.10.1.2;
  neighbor fd10:1::2 local fd10:1::1;
  %s
}
"""
BIRD_FAR = """
protocol bfd {
  multihop { interval 50 ms; multiplier 3; };
  neighbor 10.10.1.2 local 10.20.1.2 multihop on;
}
"""


class WithFrr(BfdTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.frr = Frr(cls.rtr, FRR)

    def setUp(self):
        self.start()
        self.all_up()
        for address in self.sessions:
            self.frr.wait(address, "up")

    def test_up_on_both_sides(self):
        self.wait_report(state="Up", remote_state="Up", tx_ms=50, detection_ms=150, polling=False)
        seen = self.frr.peers()
        for address, session in self.sessions.items():
            peer = seen[address]
            self.assertEqual((peer["remote-id"], peer["remote-receive-interval"], peer["remote-transmit-interval"],
                              peer["remote-detect-multiplier"], peer["remote-echo-receive-interval"]),
                             (session, 50, 50, 3, 0), peer)

    def test_no_flap_under_load(self):
        before = self.frr.downs()
        self.assertNoFlap()
        self.assertEqual(self.frr.downs(), before)

    def test_our_timer_change(self):
        before = self.frr.downs()
        for session in self.sessions.values():
            self.assertEqual(self.peer.ask(f"change {session} interval=200 multiplier=4"), {"done": True})
        self.wait_report(tx_ms=200, detection_ms=600, polling=False, downs=0)
        for address in self.sessions:
            peer = self.frr.peers()[address]
            self.assertEqual((peer["remote-receive-interval"], peer["remote-transmit-interval"],
                              peer["remote-detect-multiplier"]), (200, 200, 4), peer)
        for session in self.sessions.values():
            self.peer.ask(f"change {session} {FAST}")
        self.wait_report(tx_ms=50, detection_ms=150, polling=False, downs=0)
        self.assertEqual(self.frr.downs(), before)

    def test_the_routers_timer_change(self):
        before = self.frr.downs()
        self.frr.configure("profile fast", "transmit-interval 300", "receive-interval 400", "detect-multiplier 5")
        self.wait_report(tx_ms=400, detection_ms=1500, downs=0)
        self.frr.configure("profile fast", "transmit-interval 50", "receive-interval 50", "detect-multiplier 3")
        self.wait_report(tx_ms=50, detection_ms=150, downs=0)
        self.assertEqual(self.frr.downs(), before)

    def test_silent_loss_towards_us(self):
        since = drop(self.rtr, "udp dport 3784")
        self.addCleanup(heal, self.rtr)
        self.assertDetected(since)

    def test_silent_loss_towards_the_router(self):
        drop(self.lb, "udp dport 3784")
        for session in self.sessions.values():
            event = self.peer.next_down(session, 0)
            self.assertEqual((event["diagnostic"], event["failed"]), (SIGNALED, True), event)
        heal(self.lb)
        self.all_up()

    def test_the_router_is_killed_and_comes_back(self):
        self.frr.process.signal(signal.SIGKILL)
        since = time.monotonic()
        self.assertDetected(since)
        self.frr.process.wait()
        self.frr.start_bfdd()
        self.all_up()
        for address in self.sessions:
            self.frr.wait(address, "up")

    def test_we_are_killed(self):
        self.peer.process.kill()
        for address in self.sessions:
            self.frr.wait(address, "down")
            self.assertEqual(self.frr.peers()[address]["diagnostic"], EXPIRED)

    def test_we_end_and_say_so(self):
        self.peer.process.popen.stdin.close()
        self.assertEqual(self.peer.process.wait(), 0)
        for address in self.sessions:
            self.frr.wait(address, "down")
            self.assertEqual(self.frr.peers()[address]["remote-diagnostic"], "administratively down")

    def test_multihop(self):
        self.rtr.ip("addr add 10.30.0.1/32 dev lo", "addr add fd10:30::1/128 dev lo")
        self.lb.ip("addr add 10.10.1.3/24 dev eth0", "addr add fd10:1::3/64 dev eth0 nodad",
                   f"route add 10.30.0.1 via {RTR4}", f"route add fd10:30::1 via {RTR6}")
        # The kernel would take the last one as the source of what goes by no certain address.
        self.addCleanup(self.lb.ip, "addr del fd10:1::3/64 dev eth0")
        for remote, local in (("10.30.0.1", "10.10.1.3"), ("fd10:30::1", "fd10:1::3")):
            # FRR sends with 255 hops, and wants at least 254 of ours.
            session = self.peer.add(f"{remote} local={local} multihop=255 {FAST}")
            self.peer.wait(session, "Up")
            self.frr.wait(local, "up")
            report = self.peer.wait_packets(session, 50)
            self.assertEqual((report["tx_ms"], report["detection_ms"], report["downs"]), (50, 150, 0), report)

    def test_our_admin_down(self):
        for session in self.sessions.values():
            self.peer.ask(f"down {session}")
            event = self.peer.wait(session, "AdminDown")
            self.assertFalse(event["failed"])
        for address in self.sessions:
            self.frr.wait(address, "down")
            self.assertEqual(self.frr.peers()[address]["remote-diagnostic"], "administratively down")
        for session in self.sessions.values():
            self.peer.ask(f"up {session}")
        self.all_up()

    def test_the_routers_admin_down(self):
        self.frr.configure(f"peer {LB4}", "shutdown")
        session = self.sessions[LB4]
        event = self.peer.wait(session, "Down")
        self.assertEqual((event["diagnostic"], event["remote"], event["failed"]), (SIGNALED, "AdminDown", False))
        self.assertEqual(self.peer.state(self.sessions[LB6]), "Up")
        self.frr.configure(f"peer {LB4}", "no shutdown")
        self.all_up()


class WithBird(BfdTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.far = cls.lab.namespace("far")
        cls.lab.veth(cls.rtr, "eth1", cls.far, "eth0")
        cls.rtr.addresses("eth1", "10.20.1.1/24")
        cls.far.addresses("eth0", f"{FAR4}/24")
        cls.rtr.sysctl({"net.ipv4.ip_forward": 1})
        cls.far.ip("route add default via 10.20.1.1")
        cls.lb.ip("route add default via 10.10.1.1")
        link_local = lambda namespace: namespace.run(
            ["ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "link"]).stdout.split()[3].split("/")[0]
        cls.lb_link, cls.rtr_link = link_local(cls.lb), link_local(cls.rtr)
        cls.bird = Bird(cls.rtr, cls.config())

    @classmethod
    def config(cls, interval=50):
        return BIRD % (interval, f'neighbor {cls.lb_link} dev "eth0" local {cls.rtr_link};')

    def setUp(self):
        self.start()
        self.sessions[self.lb_link] = self.peer.add(f"{self.rtr_link} interface=eth0 {FAST}")
        self.all_up()
        for address in self.sessions:
            self.bird.wait(address, "Up")

    def test_up_on_both_sides(self):
        self.wait_report(state="Up", remote_state="Up", tx_ms=50, detection_ms=150, polling=False)
        self.wait_bird(0.05, 0.15)

    def wait_bird(self, interval, detection):
        """Until BIRD has these in force: the last poll's answer may be under way."""
        def seen():
            return {address: self.bird.state(address)[2:] for address in self.sessions}
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: set(seen().values()) == {(interval, detection)}, 5, "", 0.05)
        self.assertEqual(seen(), dict.fromkeys(self.sessions, (interval, detection)))

    def test_no_flap_under_load(self):
        before = [self.bird.state(address)[1] for address in self.sessions]
        self.assertNoFlap()
        self.assertEqual([self.bird.state(address)[1] for address in self.sessions], before)

    def test_timer_changes(self):
        for session in self.sessions.values():
            self.peer.ask(f"change {session} interval=200 multiplier=4")
        self.wait_report(tx_ms=200, detection_ms=600, polling=False, downs=0)
        self.wait_bird(0.2, 0.8)
        self.bird.configure(self.config(400))
        self.wait_report(tx_ms=400, detection_ms=1200, downs=0)
        self.bird.configure(self.config())
        self.wait_report(tx_ms=200, detection_ms=600, downs=0)
        self.wait_bird(0.2, 0.8)  # BIRD 2.0.12 forgets a poll with the session, and keeps the old interval for the next

    def test_silent_loss_towards_us(self):
        since = drop(self.rtr, "udp dport 3784")
        self.addCleanup(heal, self.rtr)
        self.assertDetected(since)

    def test_the_router_is_killed_and_comes_back(self):
        self.bird.process.signal(signal.SIGKILL)
        since = time.monotonic()
        self.assertDetected(since)
        self.bird.process.wait()
        self.bird.start()
        self.all_up()

    def test_admin_down(self):
        for session in self.sessions.values():
            self.peer.ask(f"down {session}")
        for address in self.sessions:
            self.bird.wait(address, "Down")
        for session in self.sessions.values():
            self.peer.ask(f"up {session}")
        self.all_up()

    def test_multihop(self):
        far = Bird(self.far, BIRD_FAR)
        self.addCleanup(far.process.stop)
        self.peer.add(f"{FAR4} {FAST}")  # as if one hop away: another session, which stays Down
        session = self.peer.add(f"{FAR4} local={LB4} multihop=63 {FAST}")  # BIRD begins with 64, the router takes one
        self.peer.wait(session, "Up")
        far.wait(LB4, "Up")
        self.assertEqual(self.peer.wait_packets(session, 50)["downs"], 0)
        since = drop(self.far, "udp dport 4784")
        event = self.peer.next_down(session, since - DETECTED)
        self.assertLessEqual(event["at"], since + DETECTED)
        self.peer.ask(f"remove {session}")
        heal(self.far)

        nearer = self.peer.add(f"{FAR4} local={LB4} multihop=64 {FAST}")
        wait_for(lambda: self.peer.report()[nearer]["received"].get("bad_hop_limit", 0) >= 3, 8, "discards")
        report = self.peer.report()[nearer]
        self.assertEqual((report["state"], set(report["received"])), ("Down", {"bad_hop_limit"}))


if __name__ == "__main__":
    main()
