#!/usr/bin/python3
"""lib/bgp's speaker against FRR's bgpd, judged by what FRR says and by the FIB of its kernel."""

import time

from routers import *  # noqa: F403
from systemtest import SystemTest, main

NEIGHBOR = """
router bgp 65000
 bgp router-id 10.10.1.1
 no bgp ebgp-requires-policy
 bgp bestpath as-path multipath-relax
 no bgp default ipv4-unicast
 neighbor LB peer-group
 neighbor LB remote-as {remote}
 neighbor LB timers 1 3
 neighbor LB timers connect 1
 {options}
 {neighbors}
 address-family ipv4 unicast
  neighbor LB activate
  neighbor LB soft-reconfiguration inbound
  maximum-paths 16
 exit-address-family
 address-family ipv6 unicast
  neighbor LB activate
  maximum-paths 16
 exit-address-family
"""


def bgpd(remote="external", options="", neighbors=f"neighbor {LB} peer-group LB"):
    lines = options if isinstance(options, str) else "\n ".join(options)
    return NEIGHBOR.format(remote=remote, options=lines, neighbors=neighbors)


def to_rtr(**options):
    return dict(dict(address=RTR, asn=65000, next_hop_v6=LB6), **options)


class FrrTest(SystemTest):
    """One link a test: FRR and the speaker begin anew each time."""

    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        self.lab = Lab("frr")
        self.addCleanup(self.lab.close)
        self.net = Link(self.lab)

    def speaker(self, **options):
        return Speaker(self.net.lb, **dict(dict(peers=[to_rtr()]), **options))

    def test_external(self):
        frr = Frr(self.net.rtr, bgpd())
        lb = self.speaker()
        state = lb.up(RTR)
        self.assertEqual((state["hold_time"], state["keepalive_ms"], state["router_id"]), (3, 1000, "10.10.1.1"))
        lb.announce("10.1.1.5", med=7, prepend=2, communities=["65021:100"], large_communities=["65021:1:2"],
                    link_bandwidth=125e6)
        lb.announce("2001:db8:1::5")
        self.net.wait_fib("10.1.1.5")
        self.net.wait_fib("2001:db8:1::5")
        self.assertIn(f"via {LB}", self.net.fib("10.1.1.5"))
        self.assertIn(f"via {LB6}", self.net.fib("2001:db8:1::5"))
        route = frr.route("10.1.1.5")
        self.assertEqual(route["aspath"]["string"], "65021 65021 65021")
        self.assertEqual(route["metric"], 7)
        self.assertEqual(route["community"]["string"], "65021:100")
        self.assertEqual(route["largeCommunity"]["string"], "65021:1:2")
        self.assertIn("LB:65021:125000000", route["extendedCommunity"]["string"])
        lb.withdraw("10.1.1.5")
        self.net.wait_fib("10.1.1.5", there=False)
        self.assertNotEqual(self.net.fib("2001:db8:1::5"), "")
        self.assertEqual(lb.neighbor(RTR)["flaps"], 0)

    def test_internal(self):
        frr = Frr(self.net.rtr, bgpd("internal"))
        lb = self.speaker(asn=65000, peers=[to_rtr()])
        lb.up(RTR)
        lb.announce("10.1.1.5", local_preference=150)
        self.net.wait_fib("10.1.1.5")
        route = frr.route("10.1.1.5")
        self.assertEqual(route["aspath"]["string"], "Local")
        self.assertEqual(route["locPrf"], 150)

    def test_as_of_four_bytes(self):
        frr = Frr(self.net.rtr, bgpd())
        lb = self.speaker(asn=4200000021)
        lb.up(RTR)
        lb.announce("10.1.1.5")
        self.net.wait_fib("10.1.1.5")
        self.assertEqual(frr.route("10.1.1.5")["aspath"]["string"], "4200000021")

    def test_over_ipv6_with_ipv4_routes(self):  # RFC 8950
        frr = Frr(self.net.rtr, bgpd(options="neighbor LB capability extended-nexthop",
                               neighbors=f"neighbor {LB6} peer-group LB"))
        lb = self.speaker(peers=[dict(address=RTR6, asn=65000, extended_next_hop=True)])
        lb.up(RTR6)
        lb.announce("10.1.1.5")
        lb.announce("2001:db8:1::5")
        self.net.wait_fib("10.1.1.5")
        self.net.wait_fib("2001:db8:1::5")
        self.assertEqual(frr.route("10.1.1.5")["nexthops"][0]["ip"], LB6)
        self.assertIn("dev r-lb", self.net.fib("10.1.1.5"))

    def test_ipv6_routes_need_an_ipv6_next_hop(self):
        frr = Frr(self.net.rtr, bgpd())
        lb = self.speaker(peers=[dict(address=RTR, asn=65000)])
        lb.up(RTR)
        lb.announce("2001:db8:1::5")
        lb.announce("10.1.1.5")
        self.net.wait_fib("10.1.1.5")
        refused = lb.do("routes", neighbor=RTR)["2001:db8:1::5"]
        self.assertEqual(refused["standing"], "refused")
        self.assertIn("set next_hop", refused["why"])
        self.assertIsNone(frr.route("2001:db8:1::5"))

    def test_md5(self):
        Frr(self.net.rtr, bgpd(options="neighbor LB password s3cret-of-ours"))
        lb = self.speaker(peers=[to_rtr(password="s3cret-of-ours")], listen=["0.0.0.0:179"])
        lb.up(RTR)
        lb.announce("10.1.1.5")
        self.net.wait_fib("10.1.1.5")
        self.assertNotIn("s3cret", lb.log.read_text())

    def test_md5_of_another_password(self):
        Frr(self.net.rtr, bgpd(options="neighbor LB password theirs"))
        lb = self.speaker(peers=[to_rtr(password="ours-is-another", connect_timeout_ms=1000)])
        state = lb.error(RTR, "no answer")
        self.assertIn("MD5 password may differ", state["likely_cause"])
        self.assertNotIn("ours-is-another", str(lb.do("state")) + lb.log.read_text())

    def test_md5_where_we_are_connected_to(self):
        Frr(self.net.rtr, bgpd(options="neighbor LB password s3cret"))
        lb = self.speaker(peers=[to_rtr(password="s3cret", passive=True)], listen=["0.0.0.0:179"])
        lb.up(RTR)

    def test_md5_of_a_prefix(self):
        Frr(self.net.rtr, bgpd(options="neighbor LB password s3cret"))
        lb = self.speaker(peers=[], listen=["0.0.0.0:179"],
                          dynamic=[dict(prefix="10.10.0.0/16", asn=65000, password="s3cret")])
        self.assertTrue(lb.up(RTR)["dynamic"])

    def test_gtsm(self):
        Frr(self.net.rtr, bgpd(options="neighbor LB ttl-security hops 1"))
        lb = self.speaker(peers=[to_rtr(ttl_security=True)])
        lb.up(RTR)
        lb.announce("10.1.1.5")
        self.net.wait_fib("10.1.1.5")

    def test_gtsm_where_we_are_connected_to(self):
        Frr(self.net.rtr, bgpd(options="neighbor LB ttl-security hops 1"))
        lb = self.speaker(peers=[to_rtr(ttl_security=True, passive=True)], listen=["0.0.0.0:179"])
        lb.up(RTR)

    def test_gtsm_on_one_side_alone(self):
        Frr(self.net.rtr, bgpd(options="neighbor LB ttl-security hops 1"))
        lb = self.speaker(peers=[to_rtr(connect_timeout_ms=1000)])
        # Linux lets the connection come up, and drops what follows: FRR sets its limit on what it has accepted.
        self.assertIn("GTSM (ttl_security) on one side alone", lb.error(RTR, "hold timer expired")["likely_cause"])

    def test_neighbours_by_prefix_on_both_sides(self):
        frr = Frr(self.net.rtr, bgpd(neighbors="bgp listen range 10.10.0.0/16 peer-group LB"))
        lb = self.speaker()
        lb.up(RTR)
        lb.announce("10.1.1.5")
        self.net.wait_fib("10.1.1.5")
        lb.leave("drain", text="goodbye")
        frr.vtysh("configure terminal", "router bgp 65000", f"neighbor {LB} peer-group LB")
        lb = self.speaker(peers=[], listen=["0.0.0.0:179"], dynamic=[dict(prefix="10.10.0.0/16", asn=65000)])
        self.assertTrue(lb.up(RTR)["dynamic"])
        frr.vtysh("configure terminal", "router bgp 65000", f"no neighbor {LB} peer-group LB")
        wait_for(lambda: lb.neighbor(RTR)["state"] == "none", 10, "the end of a neighbour that is gone")

    def test_refresh(self):
        frr = Frr(self.net.rtr, bgpd())
        lb = self.speaker()
        lb.announce("10.1.1.5")
        lb.up(RTR)
        self.net.wait_fib("10.1.1.5")
        before = lb.neighbor(RTR)["sent"]["update"]
        frr.vtysh("configure terminal", "router bgp 65000", "address-family ipv4 unicast",
                  "no neighbor LB soft-reconfiguration inbound")
        frr.vtysh("clear bgp ipv4 unicast * in")
        wait_for(lambda: lb.neighbor(RTR)["sent"]["update"] > before, 10, "the routes again")
        self.assertGreaterEqual(lb.neighbor(RTR)["heard"]["refresh"], 1)
        self.assertNotEqual(self.net.fib("10.1.1.5"), "")
        self.assertEqual(lb.neighbor(RTR)["flaps"], 0)

    def test_inbound_routes_are_looked_at_and_not_used(self):
        Frr(self.net.rtr, bgpd() + " address-family ipv4 unicast\n  network 10.10.1.0/24\n  network 0.0.0.0/0\n"
            "  neighbor LB default-originate\n exit-address-family\n")
        lb = self.speaker()
        lb.up(RTR)
        wait_for(lambda: "10.10.1.0/24" in lb.heard(RTR), 10, "FRR's route")
        self.assertEqual(lb.heard(RTR)["10.10.1.0/24"]["as_path"], "65000")
        self.assertEqual(self.net.lb.run(["ip", "route", "show", "default"]).stdout, "")
        self.assertEqual(lb.do("routes", neighbor=RTR), {})
        # What was heard can be asked for again (RFC 2918).
        before = lb.neighbor(RTR)["heard"]["update"]
        lb.do("refresh", neighbor=RTR, family="ipv4")
        wait_for(lambda: lb.neighbor(RTR)["heard"]["update"] > before, 10, "FRR's routes again")

    def test_wrong_as(self):
        Frr(self.net.rtr, bgpd())
        lb = self.speaker(peers=[to_rtr(asn=64999)])
        state = lb.error(RTR, "bad peer AS (2/2)")
        self.assertIn("the neighbour is AS 65000, its asn here is 64999", state["likely_cause"])

    def test_as_that_frr_does_not_expect(self):
        Frr(self.net.rtr, bgpd("64999"))
        lb = self.speaker()
        state = lb.error(RTR, "received OPEN message: bad peer AS (2/2)")
        self.assertIn("the neighbour does not expect AS 65021", state["likely_cause"])

    def test_nobody_listens(self):
        lb = self.speaker()
        self.assertIn("no BGP speaker listens at port 179", lb.error(RTR, "refused")["likely_cause"])

    def test_collisions(self):
        # Both connect at once, time and again, with the higher identifier on either side.
        frr = Frr(self.net.rtr, bgpd())
        for router_id in ("10.0.0.106", "10.99.0.1"):
            lb = self.speaker(router_id=router_id, listen=["0.0.0.0:179"])
            lb.up(RTR)
            lb.announce("10.1.1.5")
            for _ in range(4):
                self.net.wait_fib("10.1.1.5")
                frr.vtysh(f"clear bgp {LB}")
                wait_for(lambda: lb.neighbor(RTR)["state"] != "Established" or
                         frr.neighbor(LB)["bgpState"] != "Established", 5, "the session's end")
                lb.up(RTR)
            lb.leave("drain")
            self.net.wait_fib("10.1.1.5", there=False)

    def test_hold_timer_of_a_silent_router(self):
        Frr(self.net.rtr, bgpd())
        lb = self.speaker()
        lb.up(RTR)
        self.net.lb.run(["nft", "add table inet cut; add chain inet cut in { type filter hook input priority 0; policy drop; }"])
        begin = time.monotonic()
        state = lb.error(RTR, "sent hold timer expired (4/0)", timeout=10)
        took = time.monotonic() - begin
        self.assertIn("nothing came from the neighbour for the hold time", state["likely_cause"])
        self.assertLess(took, 3.3)
        self.assertGreater(took, 1.9)  # up to a keepalive interval had passed before

    def test_upgrade_leaves_the_fib_alone(self):  # RFC 4724
        Frr(self.net.rtr, bgpd(options="bgp graceful-restart"))
        lb = self.speaker(listen=["0.0.0.0:179"])
        lb.up(RTR)
        lb.announce("10.1.1.5")
        lb.announce("2001:db8:1::5")
        self.net.wait_fib("10.1.1.5")
        self.net.wait_fib("2001:db8:1::5")
        monitor = FibMonitor(self.net.rtr)
        lb.leave("upgrade")
        lb = self.speaker(listen=["0.0.0.0:179"], restarted=True, routes_complete=False)
        lb.up(RTR)
        self.assertEqual(monitor.of("10.1.1.5"), [])
        lb.announce("10.1.1.5")
        lb.announce("2001:db8:1::5")
        lb.do("complete")
        wait_for(lambda: lb.neighbor(RTR)["sent"]["update"] >= 4, 10, "routes and End-of-RIBs")
        lb.do("refresh", neighbor=RTR, family="ipv4")  # FRR answers once it has read what came before
        lb.announce("10.1.1.6")
        self.net.wait_fib("10.1.1.6")
        self.assertEqual(monitor.of("10.1.1.5"), [])
        self.assertEqual(monitor.of("2001:db8:1::5"), [])

    def test_what_the_successor_lacks_goes_with_its_end_of_rib(self):
        Frr(self.net.rtr, bgpd(options="bgp graceful-restart"))
        lb = self.speaker()
        lb.up(RTR)
        lb.announce("10.1.1.5")
        lb.announce("10.1.1.6")
        self.net.wait_fib("10.1.1.5")
        self.net.wait_fib("10.1.1.6")
        lb.leave("upgrade")
        lb = self.speaker(restarted=True, routes_complete=False)
        lb.up(RTR)
        lb.announce("10.1.1.5")
        self.assertNotEqual(self.net.fib("10.1.1.6"), "")
        lb.do("complete")
        self.net.wait_fib("10.1.1.6", there=False)
        self.assertNotEqual(self.net.fib("10.1.1.5"), "")

    def test_restart_without_the_bits_is_seen(self):
        Frr(self.net.rtr, bgpd(options="bgp graceful-restart"))
        lb = self.speaker()
        lb.up(RTR)
        lb.announce("10.1.1.5")
        self.net.wait_fib("10.1.1.5")
        monitor = FibMonitor(self.net.rtr)
        lb.leave("upgrade")
        self.speaker(restarted=False).up(RTR)
        wait_for(lambda: monitor.of("10.1.1.5"), 10, "the route's end")

    def test_killed_without_graceful_restart(self):
        Frr(self.net.rtr, bgpd())
        lb = self.speaker(graceful_restart=False)
        lb.up(RTR)
        lb.announce("10.1.1.5")
        self.net.wait_fib("10.1.1.5")
        lb.kill()
        self.net.wait_fib("10.1.1.5", there=False, timeout=2)  # by the FIN: the hold time is 3 s

    def test_drain(self):
        frr = Frr(self.net.rtr, bgpd(options="bgp graceful-restart"))
        lb = self.speaker()
        lb.up(RTR)
        lb.announce("10.1.1.5")
        self.net.wait_fib("10.1.1.5")
        lb.do("graceful_shutdown", on=True)
        wait_for(lambda: "graceful" in str(frr.route("10.1.1.5").get("community", "")).lower(), 10,
                 "RFC 8326's community", interval=0.05)
        lb.leave("drain", text="maintenance until 6", graceful_ms=300, settle_ms=300)
        self.net.wait_fib("10.1.1.5", there=False)
        neighbor = frr.neighbor(LB)
        self.assertIn("maintenance until 6", str(neighbor.get("lastShutdownDescription", neighbor)))
        self.assertIn("Administrative Shutdown", str(neighbor))


if __name__ == "__main__":
    needs("/usr/lib/frr/bgpd", "vtysh")
    main()
