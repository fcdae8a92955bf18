#!/usr/bin/python3
"""Real programs through dpdk-lb: dig and dnsperf against dnsmasq, iperf3 both ways through a narrow link, wrk under each scheduler,
datagrams that take several fragments.

    far ── client ── router ──┬── lb     dpdk-lb
    1500    1400              ├── web1   nginx, dnsmasq, iperf3, UDP echo; decap, on lo the VIP of ipip
                              └── web2

The link between client and router takes 1400 bytes, and neither end of a connection knows: far's own link takes 1500. What a
backend sends is too big there, and the router says so to the VIP.
"""

import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import DpdkLb, WrkResult, port, service, wrk_argv
from netlab import wait_for
from servers import decap, udp_echo
from systemtest import SystemTest, main
from topology import Site, web4, web6

FAR4, FAR6 = "10.0.8.2", "2001:db8:8::2"
SNAT = {4: "10.0.0.107", 6: "2001:db8::107"}
NARROW = 1400
WEBS = ("web1", "web2")
NAT, FNAT, IPIP = 1, 2, 3
MODES = {NAT: "nat", FNAT: "fnat", IPIP: "ipip"}
SCHEDULERS = ("maglev", "rr", "wrr", "lc", "wlc", "sh", "random")
BULK, ECHO = 5201, 7
NAMES = 500


def vip(family, number):
    return f"10.1.1.{number}" if family == 4 else f"2001:db8:1::{number}"


def url(address, path=""):
    return f"http://[{address}]/{path}" if ":" in address else f"http://{address}/{path}"


def backends(family, number):
    address = web4 if family == 4 else web6
    return [{"address": address(n), "port": number, "weight": n} for n in (1, 2)]


def services():
    for family in (4, 6):
        for last, mode in MODES.items():
            keys = {"snat": [SNAT[family]]} if mode == "fnat" else {}
            yield service(f"dns-{mode}{family}", [vip(family, last)], mode, backends(family, 53), port=53, protocol="udp", **keys)
            yield service(f"echo-{mode}{family}", [vip(family, last)], mode, backends(family, ECHO), port=ECHO, protocol="udp", **keys)
            # Control and data of iperf3 are two connections to one server.
            yield service(f"bulk-{mode}{family}", [vip(family, last)], mode, backends(family, BULK), port=BULK,
                          persistence="1m", scheduler="rr", **keys)
        for number, scheduler in enumerate(SCHEDULERS, 11):
            yield service(f"{scheduler}{family}", [vip(family, number)], "nat", backends(family, 80), scheduler=scheduler)


def dnsmasq(namespace, name):
    """Answers txt id.test with its name, and host names a.test to … of its own."""
    hosts = namespace.lab.dir / f"{name}.hosts"
    hosts.write_text("".join(f"192.0.2.{n % 250 + 1} n{n}.test\n2001:db8:ff::{n + 1} n{n}.test\n" for n in range(NAMES)))
    process = namespace.start(["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", f"--addn-hosts={hosts}",
                               "--user=root", "--pid-file", "--cache-size=1000", "--log-facility=-",
                               f"--txt-record=id.test,{name}"], log=f"dns-{name}.log")
    ask = ["dig", "+short", "+tries=1", "+time=1", "@127.0.0.1", "txt", "id.test"]
    wait_for(lambda: name in namespace.run(ask, check=False).stdout, 5, f"dnsmasq of {name} answers")
    return process


def iperf3(namespace, name):
    process = namespace.start(["iperf3", "-s", "--forceflush", "-p", BULK], log=f"iperf3-{name}.log")
    wait_for(lambda: "listening" in process.output(), 5, f"iperf3 of {name} listens")
    return process


class Traffic(SystemTest):
    device, cores = "net_af_packet0,iface=uplink", "0-1"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        on_backends = [vip(family, IPIP) for family in (4, 6)]
        site = cls.site = Site(cls.lab, webs=2, vips_on_lo=on_backends, queues=2)
        far = cls.far = cls.lab.namespace("far")
        cls.lab.veth(site.client, "far", far, "eth0")
        site.client.addresses("far", "10.0.8.1/24", "2001:db8:8::1/64")
        far.addresses("eth0", f"{FAR4}/24", f"{FAR6}/64")
        far.ip("route add default via 10.0.8.1", "route add default via 2001:db8:8::1")
        far.sysctl({"net.ipv4.ip_local_port_range": "1024 65535"})
        site.client.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})
        site.client.ip(f"link set eth0 mtu {NARROW}")
        site.router.ip(f"link set client mtu {NARROW}", "route add 10.0.8.0/24 via 10.0.9.2",
                       "route add 2001:db8:8::/64 via 2001:db8:9::2")
        for name, web in zip(WEBS, site.webs):
            decap(web)
            dnsmasq(web, name)
            iperf3(web, name)
            udp_echo(web, name, ECHO)
        cls.lbd = DpdkLb(site.lb, [port(cls.device), *services()], cores=cls.cores, control_core=0).start()
        for family in (4, 6):
            for last in MODES:
                wait_for(lambda: cls.dig(vip(family, last)) in WEBS, 10, f"an answer from {vip(family, last)}")

    @classmethod
    def dig(cls, server, *words):
        words = words or ("txt", "id.test")
        return cls.far.run(["dig", "+short", "+tries=1", "+time=2", f"@{server}", *words], check=False).stdout.strip().strip('"')

    def each(self):
        for family in (4, 6):
            for last, mode in MODES.items():
                with self.subTest(family=family, mode=mode):
                    yield family, mode, vip(family, last)

    def test_dig(self):
        for _, _, server in self.each():
            answers = [self.dig(server) for _ in range(20)]
            self.assertEqual(set(answers), set(WEBS))
            self.assertEqual(self.dig(server, "n7.test", "aaaa"), "2001:db8:ff::8")

    def test_dnsperf(self):
        queries = self.lab.dir / "queries"
        queries.write_text("".join(f"n{n}.test {kind}\n" for n in range(NAMES) for kind in ("A", "AAAA")))
        for _, _, server in self.each():
            said = self.far.run(["dnsperf", "-s", server, "-d", queries, "-n", "5", "-c", "20", "-t", "3"], timeout=60).stdout
            counts = {what: int(re.search(rf"Queries {what}:\s+(\d+)", said)[1]) for what in ("sent", "completed", "lost")}
            self.assertEqual(counts, {"sent": 10 * NAMES, "completed": 10 * NAMES, "lost": 0}, said)
            self.assertRegex(said, r"Response codes:\s+NOERROR \d+ \(100\.00%\)")

    def test_iperf3_both_ways_through_the_narrow_link(self):
        for family, mode, server in self.each():
            before = self.verdicts("icmp_forwarded")
            # Down first: what far has learnt on its way up it would tell as its MSS.
            for way in (["-R"], []):
                said = json.loads(self.far.run(["iperf3", "-J", "-c", server, "-p", BULK, "-t", "2", *way], timeout=30).stdout)
                self.assertNotIn("error", said)
                self.assertGreater(said["end"]["sum_received"]["bytes"], 2_000_000, (mode, way))
            # The backend that sent has learnt what fits: of the client, or of the SNAT address that it knows as such.
            peer = SNAT[family] if mode == "fnat" else FAR4 if family == 4 else FAR6
            routes = "".join(web.run(["ip", *(["-6"] if family == 6 else []), "route", "get", peer, *self.source(family, mode, web)],
                                     check=False).stdout for web in self.site.webs)
            self.assertIn(f"mtu {NARROW}", routes)
            self.assertGreater(self.verdicts("icmp_forwarded"), before)

    def source(self, family, mode, web):
        """As the backend's own packets choose their route: by their source, where a rule looks at it."""
        number = self.site.webs.index(web) + 1
        own = web4(number) if family == 4 else web6(number)
        return ["from", vip(family, IPIP) if mode == "ipip" else own]

    def verdicts(self, name):
        return sum(worker["verdicts"].get(name, 0) for worker in self.lbd.show("show", "workers"))

    def test_wrk_under_each_scheduler(self):
        for family in (4, 6):
            for number, scheduler in enumerate(SCHEDULERS, 11):
                with self.subTest(family=family, scheduler=scheduler):
                    before = self.new_packets(scheduler, family)
                    result = WrkResult(self.far.run(wrk_argv(url(vip(family, number)), 1, connections=40), timeout=30).stdout)
                    self.assertNoErrors(result)
                    served = [after - earlier for after, earlier in zip(self.new_packets(scheduler, family), before)]
                    # A single client has one backend by its address.
                    self.assertEqual(sum(count > 0 for count in served), 1 if scheduler == "sh" else 2, served)

    def new_packets(self, scheduler, family):
        rows = self.lbd.show("show", "backends", f"{scheduler}{family}")
        return [row["packets"] for row in sorted(rows, key=lambda row: row["address"])]

    def test_zz_no_drop_is_unexplained(self):
        """Nothing that these programs send is refused."""
        drops = {reason: count for reason, count in self.lbd.show("show", "drops").items() if count}
        allowed = {"too_big_reported", "no_neighbor", "tx_full"}
        self.assertLessEqual(set(drops), allowed, drops)


SEND_LARGE = """
import errno, socket, sys
address, number, size, count = sys.argv[1], *map(int, sys.argv[2:])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
seen = set()
for one in range(100):
    if one >= count and len(seen) > 1:  # source ports are the kernel's choice: now and then a dozen have one backend
        break
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.connect((address, number))
    data = bytes(f"{one}-", "ascii") + bytes(33 + n % 90 for n in range(size - 10))
    for again in range(2):
        try:
            s.send(data)
            answer = s.recv(65535)
        except OSError as too_big:  # the load balancer has told what fits the tunnel
            assert too_big.errno == errno.EMSGSIZE, too_big
            s.send(data)
            answer = s.recv(65535)
        name, client, echo = answer.split(b" ", 2)
        assert echo == data, (len(echo), len(data))
    seen.add(name.decode())
print(*sorted(seen))
"""


class Fragments(SystemTest):
    """By AF_XDP, which sees fragments as they are: AF_PACKET's driver has the kernel join those of IPv4."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, webs=2, vips_on_lo=[vip(family, IPIP) for family in (4, 6)])
        for name, web in zip(WEBS, cls.site.webs):
            decap(web)
            udp_echo(web, name, ECHO)
        cls.lbd = DpdkLb(cls.site.lb, [port("net_af_xdp0,iface=uplink"), *services()]).start()

    def test_large_datagrams(self):
        for family in (4, 6):
            for last, mode in MODES.items():
                for size in (2000, 9000, 60000):
                    with self.subTest(family=family, mode=mode, size=size):
                        seen = self.site.client.run([sys.executable, "-c", SEND_LARGE, vip(family, last), ECHO, size, 12],
                                                    timeout=30).stdout
                        self.assertEqual(seen.split(), list(WEBS))
        drops = {reason: count for reason, count in self.lbd.show("show", "drops").items() if "fragment" in reason and count}
        self.assertEqual(drops, {})


if __name__ == "__main__":
    main()
