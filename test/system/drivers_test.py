#!/usr/bin/python3
"""The same services over every driver; only the port's device differs.

    net_af_packet                 client ── router ──┬── lb  [veth uplink] dpdk-lb
                                                     └── web1 … web3
    net_af_xdp                    … lb  [veth uplink, one queue: the driver finds no more on a veth] dpdk-lb
    net_tap                       … lb  [veth uplink]─bridge─[dtap0] dpdk-lb
    net_memif                     client, web1 … web3 ── router [wire0] dpdk-lb ══memif══ dpdk-lb lb
                                  the router's own dpdk-lb serves nothing: its twin wire0 is the router's end of the cable
    net_pcap                      packets from a file, packets to a file
    net_null, net_ring            start, console, stop
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from scapy.all import IP, TCP, Ether, IPv6, rdpcap, wrpcap

from dpdklb import DAEMON, DpdkLb, port, service, table
from netlab import wait_for
from servers import decap, nginx
from systemtest import SystemTest, main
from topology import CLIENT4, CLIENT6, Site, web4, web6

WEBS = ("web1", "web2", "web3")
FNAT, IPIP = (1, "fnat"), (2, "ipip")
ON_BACKENDS = ["10.1.1.2", "2001:db8:1::2"]


def services():
    """The service section that every driver below carries, word for word the same."""
    for last, mode in (FNAT, IPIP):
        yield service(f"{mode}4", [f"10.1.1.{last}"], mode, [web4(n) for n in (1, 2, 3)])
        yield service(f"{mode}6", [f"2001:db8:1::{last}"], mode, [web6(n) for n in (1, 2, 3)])


class OnTheSite(SystemTest):
    queues = 2

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, vips_on_lo=ON_BACKENDS, queues=cls.queues)
        for web in cls.site.webs:
            decap(web)

    def carries(self, daemon):
        for last, _ in (FNAT, IPIP):
            for vip in (f"10.1.1.{last}", f"[2001:db8:1::{last}]"):
                with self.subTest(vip=vip):
                    url = f"http://{vip}/"
                    wait_for(lambda: self.site.curl(url, timeout=1, check=False), 10, f"a first answer from {url}")
                    self.assertSpread(self.site.answers(url, 60), WEBS, 3)
        rows = daemon.show("show", "port", "uplink", "stats")
        self.assertGreater(rows["rx_packets"], 0)
        self.assertGreater(rows["tx_bytes"], 0)

    def daemon(self, device, **keys):
        daemon = DpdkLb(self.site.lb, [port(device), *services()], **keys)
        self.addCleanup(daemon.stop)
        return daemon.start()

    def test_net_af_packet(self):
        for cores in ("0", "0-1"):
            with self.subTest(cores=cores):
                daemon = self.daemon("net_af_packet0,iface=uplink", cores=cores)
                self.carries(daemon)
                self.assertEqual(daemon.stop(), 0)

    def test_net_tap(self):
        lb = self.site.lb
        lb.bridge("wires", "uplink")
        # The kernel's own end of the bridge answers for no address of the twin's.
        lb.sysctl({"net.ipv4.conf.wires.arp_ignore": 1})
        self.addCleanup(lb.ip, "link del wires")
        for cores in ("0", "0-1"):
            with self.subTest(cores=cores):
                daemon = self.daemon("net_tap0,iface=dtap0", cores=cores)
                # A bridge keeps what is for a port's own MAC, and dtap0 has that of the DPDK port behind it.
                lb.ip("link set dtap0 address 02:00:00:00:00:aa up master wires")
                # Another device, another MAC: what the neighbours knew is out of date.
                for namespace in (self.site.router, *self.site.webs):
                    namespace.run(["ip", "neigh", "flush", "all"])
                self.carries(daemon)
                self.assertEqual(daemon.stop(), 0)
                self.assertEqual(lb.interfaces() & {"dtap0", "uplink0"}, set())


class AfXdp(OnTheSite):
    queues = 1
    test_net_af_packet = test_net_tap = None

    def test_net_af_xdp(self):
        daemon = self.daemon("net_af_xdp0,iface=uplink")
        self.carries(daemon)
        self.assertEqual(daemon.stop(), 0)
        self.assertNotRegex(self.site.lb.run(["ip", "link", "show", "uplink"]).stdout, r"\bxdp\b|xdp/id")

    def refused(self, device, **keys):
        daemon = DpdkLb(self.site.lb, [port(device), *services()], **keys)
        done = self.site.lb.run([DAEMON, "-c", daemon.file], check=False, timeout=20)
        self.assertIn(done.returncode, (1, 2), done.stderr)
        self.assertNotIn("uplink0", self.site.lb.interfaces())
        return done.stderr

    def test_more_workers_than_queues(self):
        """The worker with the queue shares packets out to the other."""
        daemon = self.daemon("net_af_xdp0,iface=uplink", cores="0-1")
        self.carries(daemon)
        self.assertEqual([row["queues"] for row in daemon.show("show", "workers")], [["uplink:0"], []])
        self.assertEqual(daemon.stop(), 0)

    def test_fewer_workers_than_queues(self):
        """The other queues' packets would never reach dpdk-lb."""
        self.lab.veth(self.site.router, "lb2", self.site.lb, "second", offloads=False, queues=2)
        said = self.refused("net_af_xdp0,iface=second", cores="0")
        self.assertRegex(said, "ethtool -L second")


class Jumbo(SystemTest):
    def test_net_af_packet_with_an_mtu_of_9000(self):
        lb, peer = self.lab.namespace("lb", stock=True), self.lab.namespace("peer")
        self.lab.veth(lb, "uplink", peer, "eth0", offloads=False, mtu=9000)
        peer.addresses("eth0", "10.0.0.1/24", "2001:db8::1/64")
        daemon = DpdkLb(lb, [port(mtu=9000)])
        self.addCleanup(daemon.stop)
        daemon.start()
        for address in ("10.0.0.106", "2001:db8::106"):
            for size in (56, 8000):
                with self.subTest(address=address, size=size):
                    ping = ["ping", "-c1", "-W1", "-M", "do", "-s", size, address]
                    wait_for(lambda: peer.run(ping, check=False).returncode == 0, 5, f"an echo of {size} bytes")
        self.assertEqual(daemon.stop(), 0)


class Memif(SystemTest):
    def test_two_dpdk_lb_over_one_memif(self):
        lab = self.lab
        client, router, lb = lab.namespace("client"), lab.namespace("router"), lab.namespace("lb", stock=True)
        webs = [lab.namespace(name) for name in WEBS]
        router.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})
        lab.veth(router, "client", client, "eth0")
        router.addresses("client", "10.0.9.1/24", "2001:db8:9::1/64")
        client.addresses("eth0", f"{CLIENT4}/24", f"{CLIENT6}/64")
        client.ip("route add default via 10.0.9.1", "route add default via 2001:db8:9::1")
        for number, web in enumerate(webs, 1):
            lab.veth(router, web.short, web, "eth0", offloads=False)
            # The segment 10.0.0.0/24 is the memif cable: each backend hangs on the router by a route of its own.
            router.ip(f"link set {web.short} up", f"addr add 10.0.{100 + number}.1/24 dev {web.short}",
                      f"addr add 2001:db8:{100 + number}::1/64 dev {web.short} nodad",
                      f"route add {web4(number)} dev {web.short}", f"route add {web6(number)} dev {web.short}")
            web.addresses("eth0", f"{web4(number)}/32", f"{web6(number)}/128")
            web.addresses("lo", *(f"{vip}/{128 if ':' in vip else 32}" for vip in ON_BACKENDS))
            web.sysctl({"net.ipv4.conf.all.arp_ignore": 1, "net.ipv4.conf.all.arp_announce": 2})
            web.ip(f"route add 10.0.{100 + number}.1 dev eth0 src {web4(number)}",
                   f"route add default via 10.0.{100 + number}.1 src {web4(number)} advmss 1400",
                   f"route add 2001:db8:{100 + number}::1 dev eth0",
                   f"route add default via 2001:db8:{100 + number}::1 src {web6(number)} advmss 1380")
            nginx(web, web.short)
            decap(web)

        wire = lab.dir / "memif.sock"
        served = DpdkLb(lb, [port(f"net_memif0,role=server,id=0,socket={wire},socket-abstract=no",
                                  address=["10.0.0.106/30", "2001:db8::106/126"],
                                  gateway=["10.0.0.105", "2001:db8::105"]), *services()])
        self.addCleanup(served.stop)
        served.start()
        cable = DpdkLb(router, [table("[[port]]", {
            "name": "wire", "device": f"net_memif0,role=client,id=0,socket={wire},socket-abstract=no", "tap": "wire0",
            "address": ["10.0.0.105/30", "2001:db8::105/126"]})], name="cable")
        self.addCleanup(cable.stop)
        cable.start()
        router.ip("route add 10.1.0.0/16 via 10.0.0.106", "route add 2001:db8:1::/48 via 2001:db8::106")
        for last, _ in (FNAT, IPIP):
            for vip in (f"10.1.1.{last}", f"[2001:db8:1::{last}]"):
                with self.subTest(vip=vip):
                    argv = ["curl", "-sg", "-m1", "-H", "Connection: close", f"http://{vip}/"]
                    wait_for(lambda: client.run(argv, check=False).stdout, 15, f"a first answer from {vip}")
                    answers = set(client.run([*argv[:2], "-m10", *argv[3:], *[argv[-1]] * 59]).stdout.split())
                    self.assertEqual(answers, set(WEBS))
        self.assertEqual(cable.stop(), 0)
        self.assertEqual(served.stop(), 0)


class WithoutACable(SystemTest):
    """Neighbours come from the file: nobody is there to ask."""

    BACKEND_MAC, ROUTER_MAC = "02:00:00:00:00:11", "02:00:00:00:00:01"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lb = cls.lab.namespace("lb")

    def neighbours(self):
        return "".join(table("  [[port.neighbor]]", {"address": address, "mac": mac}) for address, mac in (
            ("10.0.0.1", self.ROUTER_MAC), ("2001:db8::1", self.ROUTER_MAC),
            ("10.0.0.11", self.BACKEND_MAC), ("2001:db8::11", self.BACKEND_MAC)))

    def daemon(self, device, **keys):
        parts = [port(device, tap="") + self.neighbours(), service("nat4", ["10.1.1.1"], "nat", ["10.0.0.11"]),
                 service("ipip6", ["2001:db8:1::2"], "ipip", ["2001:db8::11"])]
        daemon = DpdkLb(self.lb, parts, **keys)
        self.addCleanup(daemon.stop)
        return daemon

    def test_net_pcap(self):
        packets = []
        for n in range(20):
            sport = 40000 + n
            packets.append(Ether(dst="02:00:00:00:00:99") / IP(src=CLIENT4, dst="10.1.1.1", ttl=64)
                           / TCP(sport=sport, dport=80, flags="S"))
            packets.append(Ether(dst="02:00:00:00:00:99") / IPv6(src=CLIENT6, dst="2001:db8:1::2", hlim=64)
                           / TCP(sport=sport, dport=80, flags="S"))
        source, sink = self.lab.dir / "in.pcap", self.lab.dir / "out.pcap"
        wrpcap(str(source), packets)
        daemon = self.daemon(f"net_pcap0,rx_pcap={source},tx_pcap={sink}")
        daemon.start()
        wait_for(lambda: daemon.show("show", "port", "uplink", "stats")["tx_packets"] >= 40, 10, "40 packets out")
        self.assertEqual(daemon.stop(), 0)
        out = rdpcap(str(sink))
        nat = [p for p in out if IP in p and p[IP].dst == "10.0.0.11"]
        ipip = [p for p in out if IPv6 in p and p[IPv6].dst == "2001:db8::11"]
        self.assertEqual((len(nat), len(ipip)), (20, 20))
        for p in nat:
            self.assertEqual((p[Ether].dst, p[IP].src, p[IP].ttl, p[TCP].dport),
                             (self.BACKEND_MAC, CLIENT4, 63, 80))
            whole = Ether(bytes(p))
            del whole[IP].chksum, whole[TCP].chksum
            whole = Ether(bytes(whole))
            self.assertEqual((p[IP].chksum, p[TCP].chksum), (whole[IP].chksum, whole[TCP].chksum))
        for p in ipip:
            inner = p[IPv6].payload
            self.assertEqual((p[Ether].dst, p[IPv6].src, p[IPv6].nh), (self.BACKEND_MAC, "2001:db8::106", 41))
            self.assertEqual((inner.src, inner.dst, inner.hlim, inner[TCP].dport),
                             (CLIENT6, "2001:db8:1::2", 63, 80))

    def starts_and_stops(self, device, cores):
        daemon = self.daemon(device, cores=cores)
        daemon.start()
        ports = daemon.show("show", "ports")
        self.assertEqual([p["name"] for p in ports], ["uplink"])
        self.assertEqual(len(daemon.show("show", "workers")), 2 if "-" in cores else 1)
        self.assertEqual(daemon.stop(), 0, daemon.log())

    def test_net_null(self):
        self.starts_and_stops("net_null0", "0")
        self.starts_and_stops("net_null0", "0-1")

    def test_net_ring(self):
        self.starts_and_stops("net_ring0", "0")


if __name__ == "__main__":
    main()
