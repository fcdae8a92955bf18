#!/usr/bin/python3
"""lib/bgp's speaker against GoBGP: as a neighbour, and as the route reflector between load balancers and an FRR router,
with neighbours by prefix and add-path."""

import json

from frr_test import bgpd
from routers import *  # noqa: F403
from systemtest import SystemTest, main

GLOBAL = """
[global.config]
as = 65000
router-id = "10.10.1.1"
"""

NEIGHBOR = GLOBAL + """
[[neighbors]]
[neighbors.config]
neighbor-address = "10.10.1.2"
peer-as = 65021
auth-password = "{password}"
[neighbors.timers.config]
connect-retry = 1
idle-hold-time-after-reset = 1
hold-time = 9
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "ipv4-unicast"
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "ipv6-unicast"
"""

REFLECTOR = GLOBAL + """
[[peer-groups]]
[peer-groups.config]
peer-group-name = "lbs"
peer-as = 65000
[peer-groups.route-reflector.config]
route-reflector-client = true
route-reflector-cluster-id = "10.10.1.1"
[[peer-groups.afi-safis]]
[peer-groups.afi-safis.config]
afi-safi-name = "ipv4-unicast"
[[dynamic-neighbors]]
[dynamic-neighbors.config]
prefix = "10.10.0.0/16"
peer-group = "lbs"
"""

# By prefix, GoBGP 3.10 gives nobody add-path; who is to have it stands by address.
WITH_ADD_PATH = """
[[neighbors]]
[neighbors.config]
neighbor-address = "{address}"
peer-as = 65000
[neighbors.timers.config]
connect-retry = 1
idle-hold-time-after-reset = 1
[neighbors.route-reflector.config]
route-reflector-client = true
route-reflector-cluster-id = "10.10.1.1"
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "ipv4-unicast"
[neighbors.afi-safis.add-paths.config]
receive = true
send-max = 16
"""


class GobgpTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        self.lab = Lab("gobgp")
        self.addCleanup(self.lab.close)

    def paths(self, gobgp, prefix, family="ipv4"):
        rib = json.loads(gobgp.gobgp("global", "rib", "-a", family, "-j").stdout or "{}")
        return (rib or {}).get(prefix, [])

    def test_external(self):
        net = Link(self.lab)
        gobgp = Gobgp(net.rtr, NEIGHBOR.format(password=""))
        lb = Speaker(net.lb, peers=[dict(address=RTR, asn=65000, next_hop_v6=LB6)])
        lb.up(RTR)
        lb.announce("10.1.1.5", med=7, communities=["65021:100"], large_communities=["65021:1:2"])
        lb.announce("2001:db8:1::5")
        wait_for(lambda: self.paths(gobgp, "10.1.1.5/32"), 10, "the IPv4 route")
        wait_for(lambda: self.paths(gobgp, "2001:db8:1::5/128", "ipv6"), 10, "the IPv6 route")
        text = json.dumps(self.paths(gobgp, "10.1.1.5/32"))
        self.assertIn(f'"nexthop": "{LB}"', text)
        self.assertIn("65021", text)
        lb.withdraw("10.1.1.5")
        wait_for(lambda: not self.paths(gobgp, "10.1.1.5/32"), 10, "the route's end")
        gobgp.gobgp("global", "rib", "add", "192.0.2.0/24")
        wait_for(lambda: "192.0.2.0/24" in lb.heard(RTR), 10, "GoBGP's route")
        self.assertEqual(lb.neighbor(RTR)["flaps"], 0)

    def test_md5(self):
        net = Link(self.lab)
        Gobgp(net.rtr, NEIGHBOR.format(password="s3cret"))
        lb = Speaker(net.lb, listen=["0.0.0.0:179"],
                     peers=[dict(address=RTR, asn=65000, password="s3cret", next_hop_v6=LB6)])
        lb.up(RTR)

    def test_reflector_with_add_path(self):
        names = {"rr": "10.10.1.1", "lb1": "10.10.1.2", "lb2": "10.10.1.3", "lb3": "10.10.1.4", "rtr": "10.10.1.9"}
        switch = self.lab.namespace("sw")
        spaces = {}
        for name, address in names.items():
            spaces[name] = self.lab.namespace(name)
            self.lab.veth(switch, f"s-{name}", spaces[name], "eth0")
            spaces[name].addresses("eth0", f"{address}/24")
        switch.bridge("br0", *(f"s-{name}" for name in names))
        Gobgp(spaces["rr"], REFLECTOR + "".join(WITH_ADD_PATH.format(address=names[n]) for n in ("rtr", "lb3")))
        Frr(spaces["rtr"], bgpd("internal", neighbors="neighbor 10.10.1.1 peer-group LB").replace(
            "maximum-paths 16", "maximum-paths ibgp 16").replace("10.10.1.1\n no bgp", "10.10.1.9\n no bgp"))
        lbs = [Speaker(spaces[name], asn=65000, router_id=names[name],
                       peers=[dict(address="10.10.1.1", asn=65000, ipv6=False, add_path=True)])
               for name in ("lb1", "lb2")]
        for lb in lbs:
            lb.up("10.10.1.1")
            lb.announce("10.1.1.5")

        def next_hops():
            route = spaces["rtr"].run(["ip", "route", "show", "10.1.1.5"]).stdout
            return {word for word in route.split() if word.startswith("10.10.1.")}

        wait_for(lambda: next_hops() == {"10.10.1.2", "10.10.1.3"}, 30, "both load balancers in the router's FIB")
        # One by address speaks add-path both ways: it reads both paths, by their numbers, and uses neither.
        other = Speaker(spaces["lb3"], asn=65000, router_id=names["lb3"],
                        peers=[dict(address="10.10.1.1", asn=65000, ipv6=False, add_path=True)])
        self.assertIn("add-path(ipv4-unicast,both)", other.up("10.10.1.1")["received"])

        def paths():
            heard = other.do("heard", neighbor="10.10.1.1")
            return {(route["next_hop"], route["path_id"]) for route in heard if route["prefix"] == "10.1.1.5"}

        wait_for(lambda: {hop for hop, _ in paths()} == {"10.10.1.2", "10.10.1.3"}, 10, "both paths")
        self.assertEqual(len({number for _, number in paths()}), 2, paths())
        self.assertEqual(spaces["lb3"].run(["ip", "route", "show", "10.1.1.5"]).stdout, "")
        other.announce("10.1.1.5")
        wait_for(lambda: next_hops() == {"10.10.1.2", "10.10.1.3", "10.10.1.4"}, 10, "the third in the router's FIB")
        other.withdraw("10.1.1.5")
        lbs[0].leave("drain", text="goodbye")
        wait_for(lambda: next_hops() == {"10.10.1.3"}, 10, "one load balancer in the router's FIB")


if __name__ == "__main__":
    needs("gobgpd", "gobgp", "/usr/lib/frr/bgpd")
    main()
