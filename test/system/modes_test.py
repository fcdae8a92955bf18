#!/usr/bin/python3
"""Every mode, IPv4 and IPv6, TCP and UDP, with one worker and with two: real curl, real nginx.

    client ── router ──┬── lb     dpdk-lb, every service below at once
                       ├── web1   nginx, UDP echo; decap, the kernel's VXLAN; on lo the VIPs of dr and the tunnels
                       ├── web2
                       └── web3

    VIP ending   1 nat   2 fnat   3 dr   4 ipip (4in4, 6in6)   5 ipip across (4in6, 6in4)   6 ipip, backends of both families
                 7 gre   8 gre across   9, 10 gue   11, 12 fou   13, 14 vxlan
"""

import json
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import DpdkLb, port, service
from netlab import wait_for
from servers import decap, decap_counters, received, udp_echo, vxlan
from systemtest import SystemTest, main
from topology import CLIENT4, CLIENT6, LB4, LB6, Site, web4, web6

SNAT4, SNAT6 = ["10.0.0.107", "10.0.0.108"], ["2001:db8::107"]
ALL4, ALL6 = [web4(n) for n in (1, 2, 3)], [web6(n) for n in (1, 2, 3)]
MIXED = [web4(1), web6(2), web4(3)]
VNI = 7
OVERHEAD = {"ipip": 0, "gre": 4, "gue": 8 + 4, "fou": 8, "vxlan": 8 + 8 + 14}  # without the outer IP header


def vxlan_mac(address):
    """Of the VXLAN interface for what comes to this address of a backend."""
    return f"02:00:00:00:{6 if ':' in address else 4:02}:{address[-2:]}"


def in_vxlan(addresses):
    return [{"address": address, "mac": vxlan_mac(address)} for address in addresses]


# name, last part of the VIP, mode, IPv4 VIP's backends, IPv6 VIP's backends, keys
CASES = (
    ("nat", 1, "nat", ALL4, ALL6, {}),
    ("fnat", 2, "fnat", ALL4, ALL6, {"snat": SNAT4 + SNAT6}),
    ("dr", 3, "dr", ALL4, ALL6, {}),
    ("ipip", 4, "ipip", ALL4, ALL6, {}),
    ("across", 5, "ipip", ALL6, ALL4, {}),
    ("mixed", 6, "ipip", MIXED, MIXED, {}),
    ("gre", 7, "gre", ALL4, ALL6, {}),
    ("gre-across", 8, "gre", ALL6, ALL4, {}),
    ("gue", 9, "gue", ALL4, ALL6, {}),
    ("gue-across", 10, "gue", ALL6, ALL4, {}),
    ("fou", 11, "fou", ALL4, ALL6, {}),
    ("fou-across", 12, "fou", ALL6, ALL4, {}),
    ("vxlan", 13, "vxlan", in_vxlan(ALL4), in_vxlan(ALL6), {"vni": VNI}),
    ("vxlan-across", 14, "vxlan", in_vxlan(ALL6), in_vxlan(ALL4), {"vni": VNI}),
)
ON_BACKENDS = [f"{net}{n}" for n in range(3, 15) for net in ("10.1.1.", "2001:db8:1::")]
BIG = bytes(range(256)) * 16384
WEBS = ("web1", "web2", "web3")

ASK_UDP = """
import socket, sys
seen = {}
for port in range(20000, 20040):
    s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", port))
    s.settimeout(3)
    s.connect((sys.argv[1], 53))
    for number in range(3):
        s.send(f"{port}-{number}".encode())
        name, client, echo = s.recv(2000).decode().split()
        assert echo == f"{port}-{number}", echo
        seen.setdefault(f"{name} {client}", set()).add(port)
for key, ports in sorted(seen.items()):
    print(key, len(ports), sep=";")
"""

LEARN_MTU = """
import socket, sys, time
# Linux: IP_MTU_DISCOVER, IP_MTU, headers of IP and UDP
level, discover, known, headers = (41, 23, 24, 48) if ":" in sys.argv[1] else (0, 10, 14, 28)
s = socket.socket(socket.AF_INET6 if level else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(level, discover, 2)
s.settimeout(3)
s.connect((sys.argv[1], 53))
s.send(bytes(1500 - headers))
until = time.monotonic() + 3
while s.getsockopt(level, known) == 1500 and time.monotonic() < until:
    time.sleep(0.01)
mtu = s.getsockopt(level, known)
try:
    s.send(b"x" * (mtu - headers))
except OSError:  # the answer to the first one
    s.send(b"x" * (mtu - headers))
print(mtu, s.recv(2000).count(b"x") + headers)
"""


def services():
    for name, last, mode, backends4, backends6, keys in CASES:
        for protocol, number in (("tcp", 80), ("udp", 53)):
            for family, vip, backends in ((4, f"10.1.1.{last}", backends4), (6, f"2001:db8:1::{last}", backends6)):
                ours = dict(keys)
                if "snat" in ours:
                    ours["snat"] = SNAT4 if family == 4 else SNAT6
                yield service(f"{name}{family}-{protocol}", [vip], mode, backends, port=number,
                              protocol=protocol, **ours)


class EveryMode:
    """The tests; a class below for each number of workers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, vips_on_lo=ON_BACKENDS, queues=2)
        cls.tunnels = [decap(web) for web in cls.site.webs]
        for number, web in enumerate(cls.site.webs, 1):
            udp_echo(web, f"web{number}")
            for device, address in (("vx4", web4(number)), ("vx6", web6(number))):
                vxlan(web, device, address, vxlan_mac(address), VNI)
            (cls.site.nginx[number - 1].prefix / "files/big").write_bytes(BIG)
        cls.lbd = DpdkLb(cls.site.lb, [port(), *services()], cores=cls.cores, control_core=0).start()
        for url in ("http://10.1.1.1/", "http://[2001:db8:1::1]/"):
            wait_for(lambda: cls.site.curl(url, timeout=1, check=False), 10, f"a first answer from {url}")

    def vips(self, name):
        last = {case[0]: case[1] for case in CASES}[name]
        return (f"10.1.1.{last}", CLIENT4), (f"[2001:db8:1::{last}]", CLIENT6)

    def spread(self, name, clients=None):
        for family, (vip, client) in enumerate(self.vips(name)):
            with self.subTest(vip=vip):
                answers = self.site.answers(f"http://{vip}/client", 60)
                self.assertEqual(sum(answers.values()), 60)
                names = {}
                for line, count in answers.items():
                    web, seen = line.split()
                    names[web] = names.get(web, 0) + count
                    self.assertIn(seen, clients[family] if clients else {client})
                self.assertSpread(names, WEBS, 5)

    def ask_udp(self, name, clients=None):
        for family, (vip, client) in enumerate(self.vips(name)):
            with self.subTest(vip=vip):
                out = self.site.client.run([sys.executable, "-c", ASK_UDP, vip.strip("[]")]).stdout
                rows = [(who.split(), int(ports)) for who, ports in (line.split(";") for line in out.splitlines())]
                self.assertEqual(sum(ports for _, ports in rows), 40, "one flow met two backends")
                self.assertEqual({who[0] for who, _ in rows}, set(WEBS))
                for who, _ in rows:
                    self.assertIn(who[1], clients[family] if clients else {client})

    def big_bodies(self, name):
        """4 MB down and 1 MB up, whole and unchanged: checksums, sizes and MSS of full segments."""
        for vip, _ in self.vips(name):
            with self.subTest(vip=vip):
                down = self.lab.dir / "down"
                self.site.client.run(["curl", "-sSg", "-m10", "-o", down, f"http://{vip}/files/big"])
                body = down.read_bytes()
                wrong = next((at for at, pair in enumerate(zip(body, BIG)) if pair[0] != pair[1]), None)
                self.assertEqual((len(body), wrong), (len(BIG), None), "length, and where it first differs")
                status = self.site.client.run(["sh", "-c", "head -c 1000000 /dev/urandom | curl -sSg -m10 -o /dev/null "
                                               f"-w '%{{http_code}} %{{size_upload}}' --data-binary @- http://{vip}/"])
                self.assertRegex(status.stdout, "^(200|405) 1000000$")

    def test_nat(self):
        self.spread("nat")
        self.ask_udp("nat")
        self.big_bodies("nat")

    def test_fnat(self):
        clients = (set(SNAT4), set(SNAT6))
        self.spread("fnat", clients)
        self.ask_udp("fnat", clients)
        self.big_bodies("fnat")

    def test_dr(self):
        self.spread("dr")
        self.ask_udp("dr")
        self.big_bodies("dr")

    def counted(self):
        """Packets out of each kind of tunnel, all backends together."""
        total = sum((decap_counters(tunnel) for tunnel in self.tunnels), Counter())
        total.update({device: sum(received(web, device) for web in self.site.webs) for device in ("vx4", "vx6")})
        return total

    def tunnelled(self, name, *kinds):
        before = self.counted()
        self.spread(name)
        self.ask_udp(name)
        self.big_bodies(name)
        after = self.counted()
        self.assertEqual(set(after - before), set(kinds), (before, after))

    def test_ipip_4in4_and_6in6(self):
        self.tunnelled("ipip", "4in4", "6in6")

    def test_ipip_4in6_and_6in4(self):
        self.tunnelled("across", "4in6", "6in4")

    def test_ipip_to_backends_of_both_families(self):
        self.tunnelled("mixed", "4in4", "4in6", "6in4", "6in6")

    def test_gre(self):
        self.tunnelled("gre", "gre4in4", "gre6in6")
        self.tunnelled("gre-across", "gre4in6", "gre6in4")

    def test_gue(self):
        self.tunnelled("gue", "gue4in4", "gue6in6")
        self.tunnelled("gue-across", "gue4in6", "gue6in4")

    def test_fou(self):
        self.tunnelled("fou", "fou4in4", "fou6in6")
        self.tunnelled("fou-across", "fou4in6", "fou6in4")

    def test_vxlan(self):
        self.tunnelled("vxlan", "vx4", "vx6")
        self.tunnelled("vxlan-across", "vx4", "vx6")

    def test_clients_learn_what_fits_a_tunnel(self):
        """And packets of just that size come through."""
        for name, _, mode, *backends, _ in CASES:
            for (vip, _), addresses in zip(self.vips(name), backends) if mode in OVERHEAD and name != "mixed" else ():
                with self.subTest(name=name, vip=vip):
                    outer = 40 if "2001:" in str(addresses) else 20
                    out = self.site.client.run([sys.executable, "-c", LEARN_MTU, vip.strip("[]")]).stdout
                    mtu = 1500 - outer - OVERHEAD[mode]
                    self.assertEqual(out, f"{mtu} {mtu}\n")

    def test_the_vip_answers_ping_and_the_twin_too(self):
        for target in ("10.1.1.1", "10.1.1.4", "2001:db8:1::1", "2001:db8:1::4", LB4, LB6):
            with self.subTest(target=target):
                out = self.site.client.run(["ping", "-c3", "-i0.2", "-W2", target]).stdout
                self.assertIn("3 packets transmitted, 3 received", out)
                self.assertNotIn("DUP", out)

    def test_the_router_finds_the_service_at_the_load_balancer_and_every_worker_works(self):
        self.site.answers("http://10.1.1.1/", 60)
        workers = self.lbd.show("show", "workers")
        self.assertEqual(len(workers), self.workers)
        for worker in workers:
            self.assertGreater(worker["packets"], 0, workers)

    def test_zz_nothing_was_dropped_for_a_bad_checksum(self):
        drops = self.lbd.show("show", "drops")
        bad = {reason: count for reason, count in drops.items() if count and "checksum" in reason.lower()}
        self.assertEqual(bad, {})

    def test_zz_no_backend_found_a_wrong_checksum(self):
        """Of the tunnels' UDP headers too."""
        for web in self.site.webs:
            counters = web.run(["nstat", "-asz", "--json", "*CsumErrors"]).stdout
            wrong = {name: count for name, count in json.loads(counters)["kernel"].items() if count}
            self.assertEqual(wrong, {}, web.short)


class OneWorker(EveryMode, SystemTest):
    cores, workers = "0", 1


class TwoWorkers(EveryMode, SystemTest):
    cores, workers = "0-1", 2


if __name__ == "__main__":
    main()
