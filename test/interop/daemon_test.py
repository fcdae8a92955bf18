#!/usr/bin/python3
"""The daemon and FRR: what is announced when, how it ends, and what the router's FIB makes of it.

    client ── router (FRR, AS 65000) ──┬── lb           dpdk-lb, AS 65021
                                       ├── web1, web2   nginx
"""

import signal
import time

from routers import *  # noqa: F403
from dpdklb import DpdkLb, bgp, port, service
from servers import nginx
from systemtest import SystemTest, main
from topology import LB4, LB6, ROUTER4, ROUTER6, Site, web4, web6

VIP, VIP6 = "10.1.1.1", "2001:db8:1::1"
ROUTER_CONF = """
router bgp 65000
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 bgp bestpath as-path multipath-relax
 neighbor LB peer-group
 neighbor LB remote-as external
 neighbor LB timers 1 3
 neighbor LB passive
 {options}
 neighbor 10.0.0.106 peer-group LB
 neighbor 2001:db8::106 peer-group LB
 address-family ipv4 unicast
  neighbor LB activate
  neighbor LB soft-reconfiguration inbound
  maximum-paths 16
 exit-address-family
 address-family ipv6 unicast
  neighbor LB activate
  neighbor LB soft-reconfiguration inbound
  maximum-paths 16
 exit-address-family
"""
CHECK = dict(type="tcp", interval="200ms", timeout="150ms", fall=2, rise=1)


def to_router(**keys):
    return dict(dict(address=ROUTER4, asn=65000, hold_time="3s", connect_retry="1s"), **keys)


def web(vip=(VIP, VIP6), backends=None, name="web", **keys):
    if backends is None:
        backends = [web4(1), web4(2)] + ([web6(1), web6(2)] if len(vip) > 1 else [])
    return service(name, list(vip), "nat", backends, **{"health": CHECK, **keys})


class DaemonTest(SystemTest):
    """Each test has a router and a load balancer of its own."""

    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        self.lab = Lab("daemonbgp")
        self.addCleanup(self.lab.close)
        self.site = Site(self.lab, webs=2, static=False)

    def router(self, options="", bfdd=None):
        options = options if isinstance(options, str) else "\n ".join(options)
        self.frr = Frr(self.site.router, ROUTER_CONF.format(options=options), bfdd)
        return self.frr

    def daemon(self, *parts, bgp_keys=None, neighbors=None, **lb):
        parts = parts or [web()]
        text = bgp(neighbors if neighbors is not None else [to_router()],
                   **{"next_hop": [LB4, LB6], **(bgp_keys or {})})
        self.lb = DpdkLb(self.site.lb, [port(), *parts, text], **lb)
        return self.lb.start()

    def wait_fib(self, prefix, there=True, timeout=15):
        try:
            return wait_for(lambda: (self.site.fib(prefix) != "") == there, timeout,
                            f"{prefix} {'in' if there else 'out of'} the router's FIB", interval=0.02)
        except Exception:
            print(self.lb.log(), self.lb.ctl("show", "bgp", "routes", check=False).stdout)
            raise

    def neighbor(self, address=ROUTER4):
        rows = self.lb.show("show", "bgp")["neighbors"]
        return next(row for row in rows if row["address"] == address)

    def vip(self, prefix=f"{VIP}/32"):
        return next(row for row in self.lb.show("show", "bgp", "routes") if row["prefix"] == prefix)

    def wait_reason(self, part, prefix=f"{VIP}/32"):
        return wait_for(lambda: part in (self.vip(prefix).get("reason") or ""), 10, f"{prefix} is not announced: {part}")

    def test_a_vip_is_announced_while_enough_backends_answer(self):
        self.router()
        self.daemon()
        self.wait_fib(VIP)
        self.wait_fib(VIP6)
        self.assertIn(f"via {LB4}", self.site.fib(VIP))
        self.assertIn(f"via {LB6}", self.site.fib(VIP6))
        self.assertEqual(self.neighbor()["state"], "Established")
        self.assertEqual(self.vip()["announced_to"], [ROUTER4])
        self.assertEqual(self.vip()["next_hop"], LB4)
        self.assertTrue(self.lb.show("show", "services")[0]["announced"])
        self.lb.ready("web", 4)
        self.assertIn("web", self.site.curl(f"http://{VIP}/"))
        self.assertIn("web", self.site.curl(f"http://[{VIP6}]/"))
        for server in self.site.nginx:
            server.stop()
        self.wait_fib(VIP, there=False)
        self.wait_fib(VIP6, there=False)
        self.wait_reason("fewer than min_backends usable: 0 of 1")
        self.assertFalse(self.lb.show("show", "services")[0]["announced"])
        nginx(self.site.webs[0], "web1again")
        self.wait_fib(VIP)

    def test_nothing_is_announced_before_the_first_check_has_passed(self):
        for server in self.site.nginx:
            server.stop()
        self.router()
        monitor = FibMonitor(self.site.router)
        self.daemon(web(vip=[VIP]), web(vip=["10.1.1.2"], name="unchecked", health={"type": "none"}))
        self.wait_fib("10.1.1.2")
        self.wait_reason("fewer than min_backends usable")
        self.assertEqual(monitor.of(VIP), [])
        self.assertEqual(self.frr.route(VIP), None)

    def test_shared_vips_and_aggregates(self):
        self.router()
        self.daemon(web(vip=[VIP]), web(vip=[VIP], name="tls", port=443, backends=[web4(1)], health={"type": "none"}),
                    web(vip=["10.1.7.1"], name="in7"), web(vip=["10.1.7.2"], name="in7too"),
                    bgp_keys={"aggregate": ["10.1.7.0/24"], "communities": ["65021:100"], "med": 5,
                              "large_communities": ["65021:1:2"]})
        self.wait_fib(VIP)
        self.wait_fib("10.1.7.0/24")
        self.assertEqual(self.site.fib("10.1.7.1"), "")
        route = self.frr.route(VIP)
        self.assertEqual(route["community"]["string"], "65021:100")
        self.assertEqual(route["largeCommunity"]["string"], "65021:1:2")
        self.assertEqual(route["metric"], 5)
        for server in self.site.nginx:
            server.stop()
        self.wait_fib("10.1.7.0/24", there=False)
        self.assertNotEqual(self.site.fib(VIP), "")  # tls has it still
        self.lb.ctl("withdraw", VIP)
        self.wait_fib(VIP, there=False)
        self.assertEqual(self.vip()["reason"], "withdrawn by hand")
        self.lb.ctl("announce", VIP)
        self.wait_fib(VIP)

    def test_drain_and_undrain(self):
        self.router()
        self.daemon(drain_time="4s")
        self.wait_fib(VIP)
        self.lb.ctl("drain")
        wait_for(lambda: "gracefulShutdown" in str(self.frr.json(f"show bgp ipv4 unicast {VIP}")), 5,
                 "the community of a graceful shutdown", interval=0.02)
        self.wait_fib(VIP, there=False)
        self.assertEqual(self.neighbor()["state"], "Established")
        self.assertEqual(self.vip()["reason"], "the load balancer is drained")
        self.lb.ctl("undrain")
        self.wait_fib(VIP)
        wait_for(lambda: "gracefulShutdown" not in str(self.frr.json(f"show bgp ipv4 unicast {VIP}")), 5,
                 "the community gone")

    def test_the_end_is_a_cease_with_a_text(self):
        self.router()
        self.daemon()
        self.wait_fib(VIP)
        self.assertEqual(self.lb.stop(), 0)
        self.assertEqual(self.site.fib(VIP), "")
        router = self.frr.neighbor(LB4)
        self.assertIn("Cease/Administrative", router["lastNotificationReason"], router)
        self.assertIn("ends: drained", str(router))

    def test_an_upgrade_leaves_the_fib_alone(self):
        self.router()
        self.daemon()
        self.wait_fib(VIP)
        self.wait_fib(VIP6)
        monitor = FibMonitor(self.site.router)
        self.lb.ctl("shutdown", "handover")
        wait_for(lambda: not self.lb.process.running(), 10, "dpdk-lb has ended")
        self.lb.start()
        wait_for(lambda: self.vip()["announced_to"] == [ROUTER4], 15, "the successor has announced")
        # End-of-RIB has come, and what was stale is gone.
        wait_for(lambda: "the routes of this restart are complete" in self.lb.log(), 15, "the restart is over")
        self.lb.ctl("withdraw", VIP6)
        self.wait_fib(VIP6, there=False)
        self.assertEqual(monitor.of(VIP), [])
        self.assertEqual(len(monitor.of(VIP6)), 1, monitor.of(VIP6))

    def test_a_reload_changes_neighbours_and_attributes(self):
        self.router()
        self.daemon()
        self.wait_fib(VIP)
        uptime = self.neighbor()["uptime_s"]
        text = self.lb.file.read_text()
        self.lb.file.write_text(text.replace("[bgp]", '[bgp]\ncommunities = ["65021:7"]'))
        self.lb.ctl("reload")
        wait_for(lambda: (self.frr.route(VIP) or {}).get("community", {}).get("string") == "65021:7", 5, "the community")
        self.assertGreaterEqual(self.neighbor()["uptime_s"], uptime)
        self.lb.file.write_text(text.replace(f'"{ROUTER4}"\nasn', f'"{ROUTER6}"\nasn'))
        self.assertNotEqual(text, self.lb.file.read_text())
        self.lb.ctl("reload")
        wait_for(lambda: self.neighbor(ROUTER6)["state"] == "Established", 15, "the new neighbour")
        self.wait_fib(VIP6)
        self.assertEqual(len(self.lb.show("show", "bgp")["neighbors"]), 1)

    def test_md5_and_gtsm_over_ipv6(self):
        self.router([f"neighbor {LB6} peer-group LB", f"neighbor {LB6} password hunter2",
                     f"neighbor {LB6} ttl-security hops 1"])
        (self.lab.dir / "key").write_text("hunter2\n")
        neighbor = to_router(address=ROUTER6, password_file="key", ttl_security=True)
        self.daemon(neighbors=[neighbor], bgp_keys={"next_hop": [LB4, LB6]})
        self.wait_fib(VIP)
        self.wait_fib(VIP6)
        self.assertIn(f"via {LB6}", self.site.fib(VIP6))
        self.assertNotIn("hunter2", self.lb.log() + self.lb.ctl("show", "config").stdout)
        # Another key: the session goes and does not come back, and the cause is guessed.
        (self.lab.dir / "key").write_text("other\n")
        plan = self.lb.ctl("reload", "--dry-run").stdout
        self.assertIn(f"bgp.neighbor.{ROUTER6}.password", plan)
        self.assertNotIn("other", plan)
        self.lb.ctl("reload")
        self.wait_fib(VIP, there=False)
        wait_for(lambda: "MD5" in (self.neighbor(ROUTER6)["likely_cause"] or ""), 15, "the likely cause")

    def test_a_neighbour_by_prefix_and_inside_the_as(self):
        self.frr = Frr(self.site.router, ROUTER_CONF.format(options="").replace("router bgp 65000", "router bgp 65021")
                       .replace(" neighbor LB passive\n", " neighbor LB timers connect 1\n")
                       .replace("remote-as external", "remote-as internal"))
        self.daemon(neighbors=[dict(prefix="10.0.0.0/24", asn=65021, passive=True, hold_time="3s")],
                    bgp_keys={"local_preference": 150})
        self.wait_fib(VIP)
        self.assertEqual(self.frr.route(VIP)["locPrf"], 150)
        self.assertTrue(self.neighbor()["dynamic"])
        self.lb.ctl("reset", "bgp", "neighbor", ROUTER4)
        wait_for(lambda: [row for row in self.lb.show("show", "bgp")["neighbors"]
                          if row["state"] == "Established" and row["messages_received"]["opens"] == 1], 15, "again")
        self.wait_fib(VIP)

    def test_as_another_user(self):
        """BGP's port, its sessions after a reset, and BFD's real-time thread outlive the giving up of root."""
        self.router("neighbor LB bfd profile lb", bfdd=self.BFDD)
        self.lab.dir.chmod(0o755)
        self.daemon(neighbors=[to_router(bfd=dict(enabled=True, interval="100ms"))], user="nobody")
        self.wait_fib(VIP)
        wait_for(lambda: (self.neighbor()["bfd"] or {}).get("state") == "up", 10, "BFD up")
        self.assertTrue(self.neighbor()["bfd"]["real_time"])
        self.lb.ctl("reset", "bgp", "neighbor", ROUTER4)
        self.wait_fib(VIP)
        self.assertEqual(self.lb.stop(), 0)

    BFDD = ("bfd\n profile lb\n  detect-multiplier 3\n  receive-interval 100\n  transmit-interval 100\n !\n!\n")

    def bfd_site(self):
        self.router("neighbor LB bfd profile lb", bfdd=self.BFDD)
        self.daemon(neighbors=[to_router(hold_time="30s", bfd=dict(enabled=True, interval="100ms", multiplier=3))])
        self.wait_fib(VIP)
        wait_for(lambda: (self.neighbor()["bfd"] or {}).get("state") == "up", 10, "BFD up")
        self.assertEqual(self.neighbor()["bfd"]["detection_ms"], 300)

    def seconds_to_leave(self, prefix, limit):
        start = time.monotonic()
        self.wait_fib(prefix, there=False, timeout=limit)
        return time.monotonic() - start

    def test_an_upgrade_with_bfd_leaves_the_fib_alone(self):
        self.bfd_site()
        monitor = FibMonitor(self.site.router)
        self.lb.ctl("shutdown", "handover")
        wait_for(lambda: not self.lb.process.running(), 10, "dpdk-lb has ended")
        self.lb.start()
        wait_for(lambda: "the routes of this restart are complete" in self.lb.log(), 15, "the restart is over")
        wait_for(lambda: (self.neighbor()["bfd"] or {}).get("state") == "up", 10, "BFD up again")
        self.lb.ctl("withdraw", VIP)
        self.wait_fib(VIP, there=False)
        self.assertEqual(len(monitor.of(VIP)), 1, monitor.of(VIP))

    HOLD = ("import socket, time; tcp = socket.socket(); tcp.bind(('0.0.0.0', 179)); tcp.listen(); "
            "udp = socket.socket(type=socket.SOCK_DGRAM); udp.bind(('0.0.0.0', 3784)); print('held', flush=True); time.sleep(600)")

    def test_ports_that_others_have(self):
        self.router("neighbor LB bfd profile lb", bfdd=self.BFDD)
        other = self.site.lb.start(["/usr/bin/python3", "-c", self.HOLD], log="other.log")
        wait_for(lambda: "held" in other.output(), 5, "the ports are held")
        self.daemon(bgp_keys={"listen": ""}, neighbors=[to_router(bfd=dict(enabled=True, interval="100ms"))])
        self.wait_fib(VIP)  # connecting needs no port
        wait_for(lambda: (self.neighbor()["bfd"] or {}).get("state") == "failed", 5, "BFD has no port")
        self.assertIn("3784", self.neighbor()["bfd"]["error"])
        other.stop()
        wait_for(lambda: self.neighbor()["bfd"]["state"] == "up", 10, "BFD once the port is free")
        self.assertEqual(self.lb.stop(), 0)
        other = self.site.lb.start(["/usr/bin/python3", "-c", self.HOLD], log="other2.log")
        wait_for(lambda: "held" in other.output(), 5, "the ports are held")
        self.lb.write([port(), web(), bgp([to_router()])])
        self.lb.start(wait=False)
        wait_for(lambda: not self.lb.process.running(), 20, "dpdk-lb refuses to start")
        self.assertEqual(self.lb.process.popen.returncode, 1)
        self.assertIn("set bgp.listen", self.lb.log())

    def test_bfd_tells_of_a_machine_that_vanished(self):
        self.bfd_site()
        self.site.router.ip("link set lb down")
        seconds = self.seconds_to_leave(VIP, 20)
        self.assertLess(seconds, 3)  # the hold time is 30 s
        print(f"gone after {seconds:.3f} s")
        wait_for(lambda: "BFD" in str(self.neighbor()["last_error"]), 10, "our side has ended the session too")
        self.site.router.ip("link set lb up")
        self.wait_fib(VIP)

    def test_bfd_tells_of_a_process_that_was_killed(self):
        self.bfd_site()
        self.lb.process.popen.send_signal(signal.SIGKILL)
        seconds = self.seconds_to_leave(VIP, 20)
        self.assertLess(seconds, 3)
        print(f"gone after {seconds:.3f} s")

    def test_without_bfd_the_hold_time_tells_of_a_process_that_was_killed(self):
        # Its FIN has no way out: what carried it is gone too. Hold time 3 s, and 2 s of graceful restart.
        self.router()
        self.daemon()
        self.wait_fib(VIP)
        self.lb.process.popen.send_signal(signal.SIGKILL)
        self.assertLess(self.seconds_to_leave(VIP, 20), 8)


if __name__ == "__main__":
    main()
