#!/usr/bin/python3
"""lib/bgp's BFD (bfd_peer) on the wire: packets made by scapy, a flood, another bfd_peer, and errors."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "support"), str(Path(__file__).resolve().parent)]
from bfd_lab import FAST, LB4, LB6, RTR4, BfdPeer, BfdTest
from netlab import wait_for
from systemtest import main

# In the router: packets with one thing wrong each, then a good one.
SEND = """
import sys
from scapy.all import Ether, IP, UDP, Raw, Dot1Q, conf, sendp
from scapy.contrib.bfd import BFD
conf.verb = 0
ours = int(sys.argv[1])
def send(src="10.10.1.1", ttl=255, dport=3784, **fields):
    values = dict(sta=1, detect_mult=3, my_discriminator=7, your_discriminator=0, min_tx_interval=1000000,
                  min_rx_interval=50000, echo_rx_interval=0)
    values.update(fields)
    sendp(Ether(src=sys.argv[2], dst=sys.argv[3]) / IP(src=src, dst="10.10.1.2", ttl=ttl) /
          UDP(sport=50000, dport=dport) / BFD(**values), iface="eth0")
send(ttl=254)
send(ttl=1, your_discriminator=ours)
send(version=0)
send(len=23)
send(len=25)
send(detect_mult=0)
send(flags="M")
send(my_discriminator=0)
send(your_discriminator=ours ^ 1)
send(sta=2)
send(sta=3)
send(src="10.10.1.77")
send(dport=4784, your_discriminator=ours)
send(flags="A", len=24)
send(your_discriminator=ours, flags="P")
"""

SNIFF = """
from scapy.all import IP, IPv6, UDP, sniff
from scapy.contrib.bfd import BFD
print("ready", flush=True)
def show(p):
    ip = p[IP] if IP in p else p[IPv6]
    bfd = p[BFD]
    print("packet", "4" if IP in p else "6", ip.ttl if IP in p else ip.hlim, ip.tos if IP in p else ip.tc, p[UDP].sport, bfd.version,
          bfd.sta, bfd.len, len(bytes(bfd)), bfd.my_discriminator, bfd.your_discriminator, bfd.min_tx_interval, bfd.min_rx_interval,
          bfd.echo_rx_interval, bfd.flags, flush=True)
sniff(iface="eth0", lfilter=lambda p: UDP in p and p[UDP].dport == 3784 and BFD in p and p[UDP].sport != 50000, prn=show, store=0)
"""


# In the router: what is no BFD, as fast as it goes, until it is ended.
FLOOD = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.10.1.2", 3784))
s.setblocking(False)
while True:
    try:
        s.send(bytes(24))
    except BlockingIOError:
        pass
"""


class OnTheWire(BfdTest):
    def test_what_we_send_and_what_we_take(self):
        wire = self.rtr.start([sys.executable, "-c", SNIFF], log="sniff.log")
        wait_for(lambda: "ready" in wire.output(), 20, "scapy")
        self.start()
        def packets():
            text = wire.output()
            whole = text[:text.rfind("\n") + 1].splitlines()
            return [line.split()[1:] for line in whole if line.startswith("packet")]
        wait_for(lambda: len(packets()) >= 8, 10, "eight packets")
        ports = {}
        for family, ttl, tos, port, version, state, length, size, mine, yours, tx, rx, echo, *flags in packets():
            self.assertEqual((ttl, tos, version, state, length, size, yours, tx, rx, echo, flags),
                             ("255", "192", "1", "1", "24", "24", "0", "1000000", "50000", "0", []))
            ports.setdefault(int(mine), set()).add(int(port))
        self.assertEqual(set(ports), set(self.sessions.values()))
        used = [port for of_session in ports.values() for port in of_session]
        self.assertEqual(len(set(used)), 2, "one source port a session, and not the same")
        self.assertTrue(all(49152 <= port <= 65535 for port in used), used)

        multihop = self.peer.add(f"10.10.1.200 multihop=0 {FAST}")  # so that port 4784 is open
        session = self.sessions[LB4]
        mac = lambda namespace: namespace.run(["cat", "/sys/class/net/eth0/address"]).stdout.strip()
        seen = len(packets())
        self.rtr.run([sys.executable, "-c", SEND, str(session), mac(self.rtr), mac(self.lb)])
        self.peer.wait(session, "Init")
        answer = self.peer.ask("report")
        self.assertEqual(answer["received"], {
            "accepted": 1, "bad_version": 1, "bad_length": 2, "beyond_payload": 1, "zero_multiplier": 1,
            "multipoint": 1, "zero_discriminator": 1, "unknown_session": 2, "state_needs_session": 2,
            "unknown_peer": 1, "bad_hop_limit": 2})
        final = wait_for(lambda: [p for p in packets()[seen:] if p[5] == "2"], 5, "the answer to the poll")[0]
        self.assertEqual(final[-1], "F", final)
        self.assertEqual(final[9], "7", "their discriminator")
        self.peer.wait(session, "Down")  # as nothing more came: 3 × 1 s
        self.assertNotEqual(multihop, session)

    def test_errors_name_the_mend(self):
        self.start()
        for command, error in (
                (f"add {RTR4} {FAST}", f"BFD peer {RTR4} has a session already: remove that first, or tell them apart by"
                                       " local address or interface"),
                ("add fe80::1", "BFD peer fe80::1 is link-local: name its interface"),
                ("change 1 interval=50", "BFD: no session 1: it was removed"),
                (f"change {self.sessions[LB4]} interval=9",
                 "BFD: a transmit interval of 9000 us: give 10 ms to 1 h")):
            self.assertEqual(self.peer.ask(command), {"error": error})
        second = BfdPeer(self.lb)
        self.addCleanup(second.stop)
        self.assertEqual(second.ask(f"add {RTR4}"), {
            "error": "BFD: UDP port 3784: Address already in use; another BFD daemon has it: stop that, or let that one"
                     " do BFD"})

    def test_an_address_that_comes_later(self):
        wire = self.rtr.start([sys.executable, "-c", SNIFF], log="sniff-late.log")
        wait_for(lambda: "ready" in wire.output(), 20, "scapy")
        peer = BfdPeer(self.lb)
        self.addCleanup(peer.stop)
        session = peer.add(f"{RTR4} local=10.10.1.66 {FAST}")
        wait_for(lambda: peer.report()[session]["send_failures"] >= 1, 5, "a packet that cannot leave")
        self.assertNotEqual(peer.report()[session]["last_send_error"], "")
        self.lb.ip("addr add 10.10.1.66/24 dev eth0")
        wait_for(lambda: f" {session} " in wire.output(), 5, "a packet that leaves")


class WithoutRouter(BfdTest):
    """One of ours with another."""

    def setUp(self):
        self.start()
        self.other = BfdPeer(self.rtr)
        self.addCleanup(self.other.stop)
        self.theirs = [self.other.add(f"{address} interval=20 multiplier=5") for address in (LB4, LB6)]
        self.all_up()
        for session in self.theirs:
            self.other.wait(session, "Up")

    def assertBothHold(self):
        self.wait_report(state="Up", downs=0)
        for session in self.theirs:
            self.assertEqual(self.other.wait_packets(session, 50)["downs"], 0)

    def test_each_side_has_its_own_timers(self):
        self.wait_report(tx_ms=50, detection_ms=250, polling=False)
        for session in self.theirs:
            self.assertEqual(self.other.report()[session]["detection_ms"], 150)
        self.assertBothHold()

    def test_a_flood_of_what_is_no_bfd(self):
        flood = self.rtr.start([sys.executable, "-c", FLOOD])
        self.peer.wait_packets(self.sessions[LB4], 100)
        self.assertGreater(self.peer.ask("report")["received"]["bad_version"], 20000)
        flood.stop()
        self.assertBothHold()


if __name__ == "__main__":
    main()
