#!/usr/bin/python3
"""lib/bgp's speaker against ExaBGP, which tells in JSON what it hears."""

import json

from routers import *  # noqa: F403
from systemtest import SystemTest, main

NEIGHBOR = """
neighbor 10.10.1.2 {{
  router-id 10.10.1.1;
  local-address 10.10.1.1;
  local-as 65000;
  peer-as {peer_as};
  hold-time 9;
  family {{ ipv4 unicast; ipv6 unicast; }}
  capability {{ graceful-restart 60; route-refresh enable; add-path {add_path}; }}
  api {{ processes [ heard ]; neighbor-changes; receive {{ parsed; update; open; }} }}
  static {{ {routes} }}
}}
"""


class ExabgpTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        self.lab = Lab("exabgp")
        self.addCleanup(self.lab.close)
        self.net = Link(self.lab)

    def start(self, peer_as=65021, routes="", add_path="disable", **options):
        exa = Exabgp(self.net.rtr, NEIGHBOR.format(**locals()))
        peer = dict(address=RTR, asn=options.pop("asn_of_exabgp", 65000), passive=True, next_hop_v6=LB6,
                    **options.pop("peer", {}))
        lb = Speaker(self.net.lb, listen=["0.0.0.0:179"], peers=[peer], **options)  # ExaBGP only connects
        return exa, lb

    def updates(self, exa):
        return [m["neighbor"]["message"]["update"] for m in exa.heard()
                if "update" in m.get("neighbor", {}).get("message", {})]

    def announced(self, exa, family):
        return {nlri["nlri"]: (hop, update["attribute"]) for update in self.updates(exa)
                for hop, nlris in update.get("announce", {}).get(family, {}).items() for nlri in nlris}

    def test_both_ways(self):
        exa, lb = self.start(routes="route 192.0.2.0/24 next-hop 10.10.1.1 community [65000:1];")
        lb.announce("10.1.1.5", med=7, prepend=1, communities=["65021:100"], large_communities=["65021:1:2"])
        lb.announce("2001:db8:1::5")
        lb.up(RTR, timeout=30)
        heard = wait_for(lambda: self.announced(exa, "ipv4 unicast"), 15, "the IPv4 route")
        hop, attribute = heard["10.1.1.5/32"]
        self.assertEqual(hop, LB)
        self.assertEqual(attribute["as-path"], [65021, 65021])
        self.assertEqual(attribute["med"], 7)
        self.assertEqual(attribute["community"], [[65021, 100]])
        self.assertEqual(attribute["large-community"], [[65021, 1, 2]])
        wait_for(lambda: self.announced(exa, "ipv6 unicast").get("2001:db8:1::5/128", ("",))[0] == LB6, 15,
                 "the IPv6 route")
        wait_for(lambda: lb.heard(RTR).get("192.0.2.0/24", {}).get("communities") == ["65000:1"], 15,
                 "ExaBGP's route")
        lb.withdraw("10.1.1.5")
        wait_for(lambda: any("10.1.1.5/32" in json.dumps(u.get("withdraw", {})) for u in self.updates(exa)), 15,
                 "the withdrawal")
        lb.leave("drain")
        # 4.2.21 takes the NOTIFICATION for an UPDATE while it tells of UPDATEs, and says so: FRR and BIRD show the text.
        wait_for(lambda: any(m["type"] == "state" and m["neighbor"]["state"] == "down" for m in exa.heard()), 15,
                 "the session's end")

    def test_add_path(self):
        exa, lb = self.start(add_path="send/receive", peer=dict(add_path=True))
        lb.announce("10.1.1.5")
        lb.up(RTR, timeout=30)
        wait_for(lambda: "0.0.0.1" in json.dumps(self.updates(exa)), 15, "the route with its path's number")

    def test_internal(self):
        exa, lb = self.start(peer_as=65000, asn=65000)
        lb.announce("10.1.1.5", local_preference=150)
        lb.up(RTR, timeout=30)
        wait_for(lambda: self.announced(exa, "ipv4 unicast").get("10.1.1.5/32", ("", {}))[1]
                 .get("local-preference") == 150, 15, "the route")

    def test_wrong_as(self):
        _, lb = self.start(asn_of_exabgp=64999)
        self.assertIn("the neighbour is AS 65000", lb.error(RTR, "bad peer AS (2/2)", 30)["likely_cause"])


if __name__ == "__main__":
    needs("exabgp")
    main()
