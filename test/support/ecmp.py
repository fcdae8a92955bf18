"""The thesis's ECMP laboratory: a router that spreads a VIP over the load balancers that announce it.

    client ── router (FRR, AS 65000) ──┬── lb, lb2, …     dpdk-lb, AS 65021; each announces the VIPs
                                       └── web1, web2, …  nginx, the VIPs on lo, decap

Tunnel mode with Maglev: every load balancer sends a flow to the same backend, and none needs the others' state.
"""

import re
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))
from dpdklb import DpdkLb, bgp, port, service  # noqa: E402
from netlab import wait_for  # noqa: E402
from routers import Frr  # noqa: E402
from servers import decap  # noqa: E402
from topology import ROUTER4, Site, lb4, lb6, web4  # noqa: E402

VIP, VIP2 = "10.1.1.1", "10.1.1.2"
BGPD = """
router bgp 65000
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor LB peer-group
 neighbor LB remote-as external
 neighbor LB timers 1 3
 neighbor LB passive
 neighbor LB bfd profile lb
 {neighbors}
 address-family ipv4 unicast
  neighbor LB activate
  maximum-paths 16
 exit-address-family
"""
BFDD = "bfd\n profile lb\n  detect-multiplier 3\n  receive-interval 100\n  transmit-interval 100\n !\n!\n"
CHECK = dict(type="tcp", interval="200ms", timeout="150ms", fall=2, rise=1)


def web_service(name="web", vip=VIP, webs=2):
    return service(name, [vip], "ipip", [web4(n) for n in range(1, webs + 1)], health=CHECK)


class Ecmp:
    """`lbs` load balancers, none of them started yet; start(number) starts one."""

    def __init__(self, lab, lbs=3, webs=2, drain_time="2s"):
        self.lab, self.webs, self.drain_time = lab, webs, drain_time
        self.site = Site(lab, webs=webs, lbs=lbs, static=False, vips_on_lo=(VIP, VIP2))
        for web in self.site.webs:
            decap(web)
        neighbors = "\n ".join(f"neighbor {lb4(n)} peer-group LB" for n in range(1, lbs + 1))
        self.frr = Frr(self.site.router, BGPD.format(neighbors=neighbors), BFDD)
        self.lbs = {}

    def start(self, number, services=None, wait=True):
        """The load balancer of that number, from 1."""
        parts = [port(address=[f"{lb4(number)}/24", f"{lb6(number)}/64"]), *(services or [web_service(webs=self.webs)]),
                 bgp([dict(address=ROUTER4, asn=65000, hold_time="3s", connect_retry="1s",
                           bfd=dict(enabled=True, interval="100ms", multiplier=3))])]
        lb = DpdkLb(self.site.lbs[number - 1], parts, name=f"lb{number}", drain_time=self.drain_time)
        self.lbs[number] = lb
        return lb.start(wait=wait)

    def next_hops(self, prefix=VIP):
        """The numbers of the load balancers that the router's kernel sends the prefix to."""
        return numbers_in(self.site.fib(prefix))

    def wait_next_hops(self, numbers, prefix=VIP, timeout=20):
        return wait_for(lambda: self.next_hops(prefix) == set(numbers), timeout,
                        f"{prefix} goes to load balancers {sorted(numbers)}")


def numbers_in(route):
    return {int(host) - 105 for host in re.findall(r"via 10\.0\.0\.(\d+) ", route + " ")}


class FibWatch:
    """What the router's kernel says of its routes, with the time of each event, from now on."""

    def __init__(self, router):
        self.process = router.start(["stdbuf", "-oL", "ip", "-ts", "-o", "monitor", "route"], log="fib.log")

        def listens():
            router.ip("route add blackhole 192.0.2.254", "route del blackhole 192.0.2.254")
            return "192.0.2.254" in self.process.output()
        wait_for(listens, 5, "ip monitor", interval=0.05)

    def events(self, prefix=VIP):
        """[(when, numbers of the load balancers that the prefix goes to from then on)]"""
        found = []
        for line in self.process.output().splitlines():
            stamp, _, event = line.partition("] ")
            if not stamp.startswith("[") or f"{prefix} " not in event:
                continue
            when = datetime.fromisoformat(stamp[1:]).timestamp()
            found.append((when, set() if event.startswith("Deleted") else numbers_in(event.replace("\\", " "))))
        return found

    def wait(self, right, since, prefix=VIP, timeout=20):
        """When the FIB first was `right` (a function of the numbers), at `since` or later."""
        def first():
            return next((when for when, numbers in self.events(prefix) if when >= since and right(numbers)), None)
        return wait_for(first, timeout, f"an event of {prefix} in the router's FIB")
