#!/usr/bin/python3
"""lib/bgp's speaker against BIRD, judged by BIRD's table and by the FIB of its kernel."""

from routers import *  # noqa: F403
from systemtest import SystemTest, main

CONFIG = """
router id 10.10.1.1;
protocol device {{ }}
protocol direct {{ ipv4; ipv6; interface "r-*"; }}
protocol kernel {{ merge paths on limit 16; ipv4 {{ import none; export where source = RTS_BGP; }}; }}
protocol kernel {{ merge paths on limit 16; ipv6 {{ import none; export where source = RTS_BGP; }}; }}
{routes}
protocol bgp lb {{
  local {local} as 65000;
  neighbor {neighbor} {remote};
  hold time 6;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  {options}
  ipv4 {{ import all; export {export}; {channel} }};
  ipv6 {{ import all; export {export}; }};
}}
"""


def config(remote="external", options="", local=RTR, neighbor=LB, channel="", routes="", export="none"):
    return CONFIG.format(**locals())


class BirdTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        self.lab = Lab("bird")
        self.addCleanup(self.lab.close)
        self.net = Link(self.lab)

    def speaker(self, **options):
        peer = dict(address=RTR, asn=65000, next_hop_v6=LB6, **options.pop("peer", {}))
        return Speaker(self.net.lb, **dict(dict(peers=[peer]), **options))

    def attributes(self, bird, prefix):
        return bird.birdc(f"show route all {prefix}")

    def test_external(self):
        bird = Bird(self.net.rtr, config())
        lb = self.speaker()
        self.assertEqual(lb.up(RTR)["hold_time"], 6)
        lb.announce("10.1.1.5", med=7, prepend=1, communities=["65021:100"], large_communities=["65021:1:2"],
                    link_bandwidth=125e6)
        lb.announce("2001:db8:1::5")
        self.net.wait_fib("10.1.1.5")
        self.net.wait_fib("2001:db8:1::5")
        shown = self.attributes(bird, "10.1.1.5/32")
        self.assertRegex(shown, r"BGP.as_path: 65021 65021\n")
        self.assertRegex(shown, r"BGP.med: 7\n")
        self.assertIn("(65021,100)", shown)
        self.assertIn("(65021, 1, 2)", shown)
        self.assertIn(f"(unknown 0x4004, 65021, {0x4cee6b28})", shown)  # 125e6 as an IEEE float
        lb.withdraw("10.1.1.5")
        lb.withdraw("2001:db8:1::5")
        self.net.wait_fib("10.1.1.5", there=False)
        self.net.wait_fib("2001:db8:1::5", there=False)
        self.assertEqual(lb.neighbor(RTR)["flaps"], 0)

    def test_internal(self):
        bird = Bird(self.net.rtr, config("internal"))
        lb = self.speaker(asn=65000)
        lb.up(RTR)
        lb.announce("10.1.1.5", local_preference=150)
        self.net.wait_fib("10.1.1.5")
        self.assertRegex(self.attributes(bird, "10.1.1.5/32"), r"BGP.local_pref: 150\n")

    def test_over_ipv6_with_ipv4_routes(self):  # RFC 8950
        Bird(self.net.rtr, config(local=RTR6, neighbor=LB6, channel="extended next hop on;"))
        lb = Speaker(self.net.lb, peers=[dict(address=RTR6, asn=65000, extended_next_hop=True)])
        lb.up(RTR6)
        lb.announce("10.1.1.5")
        lb.announce("2001:db8:1::5")
        self.net.wait_fib("10.1.1.5")
        self.net.wait_fib("2001:db8:1::5")
        self.assertIn(f"via inet6 {LB6}", self.net.fib("10.1.1.5"))

    def test_md5(self):
        Bird(self.net.rtr, config(options='password "s3cret";'))
        lb = self.speaker(peer=dict(password="s3cret"), listen=["0.0.0.0:179"])
        lb.up(RTR)
        lb.announce("10.1.1.5")
        self.net.wait_fib("10.1.1.5")

    def test_gtsm(self):
        Bird(self.net.rtr, config(options="ttl security on;"))
        lb = self.speaker(peer=dict(ttl_security=True), listen=["0.0.0.0:179"])
        lb.up(RTR)
        lb.announce("10.1.1.5")
        self.net.wait_fib("10.1.1.5")

    def test_add_path(self):
        bird = Bird(self.net.rtr, config(channel="add paths rx;"))
        lb = self.speaker(peer=dict(add_path=True))
        lb.up(RTR)
        lb.announce("10.1.1.5")
        self.net.wait_fib("10.1.1.5")
        self.assertIn("BGP.local_pref", self.attributes(bird, "10.1.1.5/32"))
        lb.withdraw("10.1.1.5")
        self.net.wait_fib("10.1.1.5", there=False)

    def test_a_neighbour_without_as4(self):
        Bird(self.net.rtr, config(options="enable as4 off;"))
        lb = self.speaker(asn=4200000021)
        lb.up(RTR)
        lb.announce("10.1.1.5")
        self.net.wait_fib("10.1.1.5")

    def test_many_routes_both_ways(self):
        routes = "protocol static { ipv4; " + " ".join(
            f"route 172.{16 + i // 256}.{i % 256}.0/24 blackhole;" for i in range(2000)) + " }"
        lb = self.speaker()
        for i in range(3000):
            lb.announce(f"10.{1 + i // 65536}.{i // 256 % 256}.{i % 256}")
        bird = Bird(self.net.rtr, config(routes=routes, export="where source = RTS_STATIC"))
        lb.up(RTR)
        wait_for(lambda: lb.neighbor(RTR)["routes_heard"] == 2000, 20, "BIRD's routes")
        wait_for(lambda: "3000 imported" in bird.birdc("show protocols all lb"), 20, "3000 routes in BIRD")
        self.assertLess(lb.neighbor(RTR)["sent"]["update"], 12)  # packed, with two End-of-RIBs
        self.assertNotIn("172.16.0.0/24", self.net.lb.run(["ip", "route"]).stdout)

    def test_refresh(self):
        bird = Bird(self.net.rtr, config())
        lb = self.speaker()
        lb.announce("10.1.1.5")
        lb.up(RTR)
        self.net.wait_fib("10.1.1.5")
        before = lb.neighbor(RTR)["sent"]
        bird.birdc("reload in lb")
        wait_for(lambda: lb.neighbor(RTR)["sent"]["update"] > before["update"], 10, "the routes again")
        # BIRD speaks RFC 7313: BoRR and EoRR of each family that it asked for.
        wait_for(lambda: lb.neighbor(RTR)["sent"]["refresh"] >= before["refresh"] + 4, 10, "BoRR and EoRR")
        self.assertNotEqual(self.net.fib("10.1.1.5"), "")

    def test_upgrade_leaves_the_fib_alone(self):
        Bird(self.net.rtr, config())  # BIRD helps by default
        lb = self.speaker()
        lb.up(RTR)
        lb.announce("10.1.1.5")
        lb.announce("10.1.1.7")
        self.net.wait_fib("10.1.1.5")
        self.net.wait_fib("10.1.1.7")
        monitor = FibMonitor(self.net.rtr)
        lb.leave("upgrade")
        lb = self.speaker(restarted=True, routes_complete=False)
        lb.up(RTR)
        lb.announce("10.1.1.5")
        lb.announce("10.1.1.6")
        self.net.wait_fib("10.1.1.6")
        self.assertNotEqual(self.net.fib("10.1.1.7"), "")
        lb.do("complete")
        self.net.wait_fib("10.1.1.7", there=False)  # the End-of-RIB did that
        self.assertEqual(monitor.of("10.1.1.5"), [])

    def test_drain(self):
        bird = Bird(self.net.rtr, config())
        lb = self.speaker()
        lb.up(RTR)
        lb.announce("10.1.1.5")
        self.net.wait_fib("10.1.1.5")
        lb.do("graceful_shutdown", on=True)
        wait_for(lambda: "(65535,0)" in self.attributes(bird, "10.1.1.5/32"), 10, "RFC 8326's community")
        lb.leave("drain", text="maintenance until 6")
        self.net.wait_fib("10.1.1.5", there=False)
        wait_for(lambda: "maintenance until 6" in bird.process.output() + bird.birdc("show protocols all lb"), 5,
                 "the shutdown text")

    def test_shut_down_by_bird(self):
        bird = Bird(self.net.rtr, config())
        lb = self.speaker()
        lb.up(RTR)
        bird.birdc('disable lb "lunch"')
        state = lb.error(RTR, '(6/2), "lunch"')
        self.assertIn("operator shut it down", state["likely_cause"])
        bird.birdc("enable lb")
        lb.up(RTR)

    def test_lengths_of_hold_time(self):
        Bird(self.net.rtr, config().replace("hold time 6", "hold time 0"))
        lb = self.speaker()
        self.assertEqual(lb.up(RTR)["hold_time"], 0)


if __name__ == "__main__":
    needs("bird", "birdc")
    main()
