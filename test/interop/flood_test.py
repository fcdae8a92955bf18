#!/usr/bin/python3
"""Floods towards the load balancer's own addresses: the session with the router lives, and BFD does not flap.

    router (FRR, AS 65000; and who sends in its name) ── lb   dpdk-lb, AS 65021, BFD 50 ms x 3
"""

import sys
import time

from routers import *  # noqa: F403
from dpdklb import DpdkLb, bgp, port, service
from systemtest import SystemTest, main
from topology import LB4, ROUTER4, Site

VIP = "10.1.1.1"
BGPD = """
router bgp 65000
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 neighbor 10.0.0.106 remote-as external
 neighbor 10.0.0.106 timers 1 3
 neighbor 10.0.0.106 passive
 neighbor 10.0.0.106 bfd profile lb
"""
BFDD = "bfd\n profile lb\n  detect-multiplier 3\n  receive-interval 50\n  transmit-interval 50\n !\n!\n"

# Sends what it is given, over and over, for so many seconds; prints how many frames went out. No more than so many a
# second: far beyond every limit here, and yet few enough that a worker with a part of a slow core takes them in. What
# is lost before it is looked at tells nothing of the limits.
FLOOD = """
import socket, sys, time
frames = [bytes.fromhex(text) for text in sys.argv[4:]]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((sys.argv[1], 0))
batch, begin, sent, at = 128, time.monotonic(), 0, 0
end, pause, due = begin + float(sys.argv[2]), batch / float(sys.argv[3]), begin
while (now := time.monotonic()) < end:
    if now < due:
        time.sleep(due - now)
    due = max(due, now - 10 * pause) + pause  # what it is late by is caught up in part
    for _ in range(batch):
        try:
            out.send(frames[at])
            sent += 1
        except OSError:
            pass
        at = (at + 1) % len(frames)
print(sent, flush=True)
"""
FRAMES_PER_SECOND = 80_000
SECONDS = 6


def frames(kind, mac, own_mac):
    """Frames of a flood, each a little different, as hex."""
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.l2 import ARP, Ether
    from scapy.packet import Raw
    link = Ether(dst=mac, src=own_mac)
    made = []
    for n in range(64):
        ip = IP(src=f"10.0.0.{128 + n}" if kind in ("ping", "udp", "arp") else ROUTER4, dst=LB4)
        made.append({
            "ping": lambda: link / ip / ICMP(id=n) / Raw(b"x" * 18),
            "udp": lambda: link / ip / UDP(sport=1000 + n, dport=9) / Raw(b"x" * 18),
            "syn to 179": lambda: link / IP(src=ROUTER4, dst=LB4) / TCP(sport=2000 + n, dport=179, flags="S"),
            "ack to 179": lambda: link / IP(src=ROUTER4, dst=LB4) / TCP(sport=2000 + n, dport=179, flags="A", seq=n),
            "ack from 179": lambda: link / IP(src=ROUTER4, dst=LB4) / TCP(sport=179, dport=2000 + n, flags="A", seq=n),
            "bfd": lambda: link / IP(src=ROUTER4, dst=LB4, ttl=255) / UDP(sport=49152 + n, dport=3784) /
                           Raw(bytes([0x20, 0xc0, 3, 24, 0, 0, 0, n + 1, 0, 0, 0, n + 1]) + bytes(12)),
            "arp": lambda: link / ARP(op=1, hwsrc=own_mac, psrc=f"10.0.0.{128 + n}", pdst=LB4) / Raw(b"x" * 18),
        }[kind]())
    return [bytes(frame).hex() for frame in made]


class FloodTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab("bgpflood")
        cls.addClassCleanup(cls.lab.close)
        cls.site = Site(cls.lab, webs=1, static=False)
        cls.frr = Frr(cls.site.router, BGPD, BFDD)
        cls.lb = DpdkLb(cls.site.lb, [port(), service("web", [VIP], "nat", ["10.0.0.11"]),
                                      bgp([dict(address=ROUTER4, asn=65000, hold_time="3s", connect_retry="1s",
                                                bfd=dict(enabled=True, interval="50ms", multiplier=3))])], cores="1").start()
        wait_for(lambda: cls.site.fib(VIP) != "", 15, "the VIP in the router's FIB")
        wait_for(lambda: cls.neighbor()["bfd"]["state"] == "up", 10, "BFD up")
        cls.mac = cls.site.lb.run(["cat", "/sys/class/net/uplink/address"]).stdout.strip()
        cls.router_mac = cls.site.router.run(["cat", "/sys/class/net/br0/address"]).stdout.strip()

    @classmethod
    def neighbor(cls):
        return cls.lb.show("show", "bgp")["neighbors"][0]

    def lost_by_the_twin(self):
        """Of what the kernel sends by the twin: among it is all that it says to the router."""
        return int(self.site.lb.run(["cat", "/sys/class/net/uplink/statistics/tx_dropped"]).stdout)

    def flood(self, kind, *bounded_by):
        before, drops = self.neighbor(), self.lb.show("show", "drops")
        lost = self.lost_by_the_twin()
        monitor = FibMonitor(self.site.router)
        flooder = self.site.router.start(["nice", "-n", "10", sys.executable, "-c", FLOOD, "lb", SECONDS, FRAMES_PER_SECOND,
                                          *frames(kind, self.mac, self.router_mac)], log=f"flood-{kind.replace(' ', '-')}.log")
        wait_for(lambda: not flooder.running(), SECONDS + 10, "the flood is over", interval=0.2)
        sent = int(flooder.output().split()[-1])
        after = self.neighbor()
        dropped = {name: count - drops.get(name, 0) for name, count in self.lb.show("show", "drops").items()
                   if count > drops.get(name, 0)}
        lost = self.lost_by_the_twin() - lost
        print(f"{kind}: {sent / SECONDS:,.0f} frames/s; dropped {dropped}, {lost} by the twin's queue", flush=True)
        self.assertGreater(sent, 25_000 * SECONDS, "the machine sends too little for a flood")
        self.assertEqual(after["state"], "Established")
        self.assertEqual(after["flaps"], before["flaps"], after)
        self.assertEqual(after["bfd"]["flaps"], before["bfd"]["flaps"], after)
        self.assertEqual(monitor.of(VIP), [])
        self.assertGreater(sum(dropped.get(name, 0) for name in bounded_by), 0, dropped)

    def test_reloads_of_a_thousand_services_in_a_flood(self):
        """Every service changes in each reload, while somebody floods a closed port."""
        parts = self.lb.file.read_text()

        def write(backend):
            more = "".join(service(f"s{n}", [f"10.2.{n // 250}.{n % 250 + 1}"], "nat", [f"10.0.0.{backend}"])
                           for n in range(1000))
            self.lb.file.write_text(parts.replace("[bgp]", more + "\n[bgp]"))
        self.addCleanup(lambda: (self.lb.file.write_text(parts), self.lb.ctl("reload")))
        before = self.neighbor()
        flood = self.site.router.start(["nice", "-n", "10", sys.executable, "-c", FLOOD, "lb", 240, FRAMES_PER_SECOND,
                                          *frames("udp", self.mac, self.router_mac)], log="flood-reload.log")
        reloads = 0
        while flood.running() and reloads < 6:  # however long they take here
            write(20 + reloads % 2)
            reloaded = self.site.lb.run([*self.lb.ctl_argv(), "reload"], timeout=60)
            self.assertEqual(reloaded.returncode, 0)
            reloads += 1
        self.assertTrue(flood.running(), "the flood was over before the reloads were")
        after = self.neighbor()
        flood.stop()
        self.assertEqual(after["bfd"]["flaps"], before["bfd"]["flaps"])
        self.assertEqual((after["state"], after["flaps"]), ("Established", before["flaps"]))
        self.assertEqual(len(self.lb.show("show", "bgp", "routes")), 1001)

    def test_pings(self):
        self.flood("ping", "punt_limit", "punt_full")  # the kernel may be slower than the limit

    def test_udp_to_a_closed_port(self):
        self.flood("udp", "punt_limit", "punt_full")

    def test_syns_in_the_routers_name(self):
        self.flood("syn to 179", "routing_limit")

    def test_acks_in_the_routers_name(self):
        self.flood("ack to 179", "routing_limit")

    def test_acks_from_the_routers_port(self):
        self.flood("ack from 179", "routing_limit")

    def test_bfd_of_another_session(self):
        self.flood("bfd", "routing_limit")

    def test_arp(self):
        self.flood("arp", "neighbor_limit")


if __name__ == "__main__":
    main()
