#!/usr/bin/python3
"""Health checks with inside_tunnel: the VIP on each backend, the way that clients' packets go. IPv4 and IPv6.

    client ── router ──┬── lb     dpdk-lb, all services below at once
                       ├── web1   nginx, UDP echo; decap, the kernel's VXLAN; the VIPs on lo
                       └── web2

    VIP ending   1 direct (dr, tcp)   2 ipip (http)   3 vxlan (icmp)   4 gue (udp)   5 fou (tcp), through the other family
                 6 range (gre, http): a prefix, of which the first address is asked
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import DpdkLb, port, service
from netlab import wait_for
from servers import decap, udp_echo, vxlan
from systemtest import SystemTest, main
from topology import LB4, LB6, ROUTER4, ROUTER6, Site, web4, web6

FAMILIES = (4, 6)
WEBS = ("web1", "web2")
VNI = 7
TIMES = {"interval": "500ms", "timeout": "500ms", "rise": 1, "fall": 2, "inside_tunnel": True}
# name: last part of the VIP, mode, port, type, the reason of a good check
KINDS = {
    "direct": (1, "dr", 80, "tcp", "connected"),
    "ipip": (2, "ipip", 80, "http", "status 200"),
    "vxlan": (3, "vxlan", 80, "icmp", "answered"),
    "gue": (4, "gue", 53, "udp", "answered"),
    "fou": (5, "fou", 80, "tcp", "connected"),
    "range": (6, "gre", 80, "http", "status 200"),
}
UNPACKED_BY_DECAP = ("ipip", "gue", "fou", "range")
SILENCE = "no answer within 500 ms"


def vip(name, family):
    last = KINDS[name][0]
    if name == "range":
        return "10.1.6.0" if family == 4 else "2001:db8:1:6::"
    return f"10.1.1.{last}" if family == 4 else f"2001:db8:1::{last}"


def host(name, family):
    return f"{vip(name, family)}/{32 if family == 4 else 128}"


def vxlan_mac(number, family):
    return f"02:00:00:00:{family:02}:{10 + number}"


def backend(name, family, number):
    """The address of a backend: of the VIP's family, but for fou."""
    return web4(number) if (family == 4) != (name == "fou") else web6(number)


def services():
    for name, (_, mode, number, kind, _) in KINDS.items():
        for family in FAMILIES:
            addresses = [backend(name, family, n) for n in (1, 2)]
            if mode == "vxlan":
                addresses = [{"address": address, "mac": vxlan_mac(n, family)} for n, address in enumerate(addresses, 1)]
            where = vip(name, family) + ("" if name != "range" else "/24" if family == 4 else "/64")
            yield service(f"{name}{family}", [where], mode, addresses, port=number, protocol="udp" if kind == "udp" else "tcp",
                          health={"type": kind, **TIMES}, **({"vni": VNI} if mode == "vxlan" else {}))


class HealthTunnel(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, webs=2, vips_on_lo=[vip(name, family) for name in KINDS for family in FAMILIES])
        cls.echoes = []
        cls.decaps = [decap(web) for web in cls.site.webs]
        for number, web in enumerate(cls.site.webs, 1):
            cls.echoes.append(udp_echo(web, f"web{number}"))
            vxlan(web, "vx4", web4(number), vxlan_mac(number, 4), VNI)
            vxlan(web, "vx6", web6(number), vxlan_mac(number, 6), VNI)
        cls.lbd = DpdkLb(cls.site.lb, [port(), *services()])

    def setUp(self):
        """Each with a new daemon: backends that fail in test after test would be damped."""
        self.lbd.stop()
        self.lbd.start()
        self.wait_states({})

    def checks(self):
        return {(row["service"], row["address"]): row for row in self.lbd.show("show", "health")}

    def wait_states(self, down):
        """Waits until these are down, {(kind, family, number of the backend): reason}, and all others up."""
        expected = {(f"{name}{family}", backend(name, family, number)):
                    ("down", down[name, family, number]) if (name, family, number) in down else ("up", KINDS[name][4])
                    for name in KINDS for family in FAMILIES for number in (1, 2)}

        def settled():
            return {key: (row["state"], row["reason"]) for key, row in self.checks().items()} == expected

        try:
            wait_for(settled, 20, "every check's state")
        except TimeoutError:
            self.fail(f"not as expected, {down} down:\n" + self.lbd.ctl("show", "health").stdout + self.lbd.log())

    def assert_own_address_answers(self, number):
        for address in (web4(number), f"[{web6(number)}]"):
            got = self.site.lb.run(["curl", "-sSg", "-m2", f"http://{address}/"]).stdout
            self.assertEqual(got, f"{WEBS[number - 1]}\n")

    def assert_served_by(self, name, names):
        for family in FAMILIES:
            target = vip(name, family)
            self.assertSpread(self.site.answers(f"http://{target if family == 4 else f'[{target}]'}/"), names)

    def test_each_backend_is_checked_at_its_vip(self):
        for name in ("direct", "ipip", "vxlan", "fou", "range"):
            self.assert_served_by(name, WEBS)

    def test_a_backend_without_the_vip_is_down_until_it_has_it_again(self):
        lost = [(name, family) for name in KINDS for family in FAMILIES]
        for name, family in lost:
            self.site.webs[0].ip(f"addr del {host(name, family)} dev lo")
        self.wait_states({(name, family, 1): SILENCE for name, family in lost})
        self.assert_own_address_answers(1)
        self.assert_served_by("direct", WEBS[1:])
        self.assert_served_by("ipip", WEBS[1:])
        for name, family in lost:
            self.site.webs[0].addresses("lo", host(name, family))
        self.wait_states({})

    def test_one_vip_that_is_missing_takes_down_its_service_alone(self):
        self.site.webs[1].ip(f"addr del {host('ipip', 6)} dev lo")
        self.wait_states({("ipip", 6, 2): SILENCE})
        self.site.webs[1].addresses("lo", host("ipip", 6))
        self.wait_states({})

    def test_a_backend_that_does_not_unpack_is_down_until_it_does_again(self):
        self.decaps[1].stop()
        self.site.webs[0].ip("link set vx6 down")
        self.wait_states({**{(name, family, 2): SILENCE for name in UNPACKED_BY_DECAP for family in FAMILIES},
                          ("vxlan", 6, 1): SILENCE})
        for number in (1, 2):
            self.assert_own_address_answers(number)
        self.assert_served_by("range", WEBS[:1])
        self.assert_served_by("direct", WEBS)
        self.decaps[1] = decap(self.site.webs[1])
        self.site.webs[0].ip("link set vx6 up")
        self.wait_states({})

    def test_a_server_that_is_gone_refuses(self):
        server = self.site.nginx[0]
        server.stop()
        self.echoes[0].stop()
        self.wait_states({(name, family, 1): "connection refused" for name in KINDS if name != "vxlan" for family in FAMILIES})
        self.site.webs[0].start(["nginx", "-p", f"{server.prefix}/", "-e", "error.log", "-c", "nginx.conf"])
        self.echoes[0] = udp_echo(self.site.webs[0], "web1")
        self.wait_states({})

    def test_no_connection_is_left_at_a_backend(self):
        """Each ends by a reset, which finds its way as the rest does."""
        for web in self.site.webs:
            seen = self.checks()["ipip4", web4(1)]["checks"]
            wait_for(lambda: self.checks()["ipip4", web4(1)]["checks"] >= seen + 4, 10, "four more checks")

            def open_now():
                """(VIP and port, the load balancer's address and port) of each connection; new ones come all the time."""
                lines = web.run(["ss", "-Htan", "exclude", "listening"]).stdout.splitlines()
                ends = [tuple(line.split()[3:5]) for line in lines]
                return {end for end in ends if end[0].startswith(("10.1.", "[2001:db8:1:")) and end[1].startswith((LB4, f"[{LB6}]"))}

            stayed = open_now()

            def gone():
                stayed.intersection_update(open_now())
                return not stayed

            try:
                wait_for(gone, 5, "the end of each connection")
            except TimeoutError:
                self.fail(f"left: {stayed}")

    def test_without_a_route_the_reason_is_the_mend(self):
        """Of IPv6; IPv4 needs none. A backend keeps its state meanwhile."""
        for family in FAMILIES:
            self.site.lb.ip("route del default", family=family)
        key = ("direct6", web6(1))
        wait_for(lambda: self.checks()[key]["last"] != "ok", 10, "a check without a route")
        row = self.checks()[key]
        self.assertEqual(row["state"], "up")
        target = vip("direct", 6)
        self.assertEqual(row["reason"], f"no route to the vip on uplink0: ip -6 route add {target} dev uplink0")
        for name in ("direct4", "ipip4", "vxlan4"):
            before = self.checks()[name, web4(1)]["checks"]
            wait_for(lambda: self.checks()[name, web4(1)]["checks"] >= before + 2, 10, "checks of IPv4 without a route")
            self.assertEqual(self.checks()[name, web4(1)]["last"], "ok")
        mend = re.search("ip -6 route.*", row["reason"])[0].split()
        self.site.lb.run(mend)
        passed = self.checks()[key]["checks"]
        wait_for(lambda: self.checks()[key]["checks"] > passed, 10, "a check by the new route")
        self.assertEqual((self.checks()[key]["last"], self.checks()[key]["reason"]), ("ok", "connected"))
        self.site.lb.ip(f"route add default via {ROUTER4} dev uplink0")
        self.site.lb.ip(f"route del {target} dev uplink0", f"route add default via {ROUTER6} dev uplink0", family=6)

    def test_a_reload_without_inside_tunnel_asks_the_backends_themselves(self):
        self.site.webs[1].ip(f"addr del {host('vxlan', 4)} dev lo")
        self.wait_states({("vxlan", 4, 2): SILENCE})
        text = self.lbd.file.read_text()
        self.lbd.file.write_text(text.replace("inside_tunnel = true", "inside_tunnel = false"))
        self.lbd.ctl("reload")
        wait_for(lambda: self.checks()["vxlan4", web4(2)]["state"] == "up", 10, "the backend's own address")
        self.lbd.file.write_text(text)
        self.lbd.ctl("reload")
        self.wait_states({("vxlan", 4, 2): SILENCE})
        self.site.webs[1].addresses("lo", host("vxlan", 4))
        self.wait_states({})


if __name__ == "__main__":
    main()
