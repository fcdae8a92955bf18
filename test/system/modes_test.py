#!/usr/bin/python3
"""Every mode, IPv4 and IPv6, TCP and UDP, with one worker and with two: real curl, real nginx.

    client ── router ──┬── lb     dpdk-lb, every service below at once
                       ├── web1   nginx, decap, UDP echo; the VIPs of dr and ipip on lo
                       ├── web2
                       └── web3

    VIP ending   1 nat   2 fnat   3 dr   4 ipip (4in4, 6in6)   5 ipip across (4in6, 6in4)   6 ipip, backends of both families
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import DpdkLb, port, service
from netlab import wait_for
from servers import decap, decap_counters, udp_echo
from systemtest import SystemTest, main
from topology import CLIENT4, CLIENT6, LB4, LB6, Site, web4, web6

SNAT4, SNAT6 = ["10.0.0.107", "10.0.0.108"], ["2001:db8::107"]
ALL4, ALL6 = [web4(n) for n in (1, 2, 3)], [web6(n) for n in (1, 2, 3)]
MIXED = [web4(1), web6(2), web4(3)]
# name, last part of the VIP, mode, IPv4 VIP's backends, IPv6 VIP's backends, keys
CASES = (
    ("nat", 1, "nat", ALL4, ALL6, {}),
    ("fnat", 2, "fnat", ALL4, ALL6, {"snat": SNAT4 + SNAT6}),
    ("dr", 3, "dr", ALL4, ALL6, {}),
    ("ipip", 4, "ipip", ALL4, ALL6, {}),
    ("across", 5, "ipip", ALL6, ALL4, {}),
    ("mixed", 6, "ipip", MIXED, MIXED, {}),
)
ON_BACKENDS = [f"{net}{n}" for n in (3, 4, 5, 6) for net in ("10.1.1.", "2001:db8:1::")]
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
        total = {}
        for tunnel in self.tunnels:
            for kind, count in decap_counters(tunnel).items():
                total[kind] = total.get(kind, 0) + count
        return total

    def tunnelled(self, name, *kinds):
        before = self.counted()
        self.spread(name)
        self.ask_udp(name)
        self.big_bodies(name)
        after = self.counted()
        grown = {kind for kind in after if after[kind] > before[kind]}
        self.assertEqual(grown, set(kinds), (before, after))

    def test_ipip_4in4_and_6in6(self):
        self.tunnelled("ipip", "4in4", "6in6")

    def test_ipip_4in6_and_6in4(self):
        self.tunnelled("across", "4in6", "6in4")

    def test_ipip_to_backends_of_both_families(self):
        self.tunnelled("mixed", "4in4", "4in6", "6in4", "6in6")

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


class OneWorker(EveryMode, SystemTest):
    cores, workers = "0", 1


class TwoWorkers(EveryMode, SystemTest):
    cores, workers = "0-1", 2


if __name__ == "__main__":
    main()
