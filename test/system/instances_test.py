#!/usr/bin/python3
"""Two dpdk-lb on one machine at once: in one namespace, on two ports, with two names.

      client ── router ──┬── lb [uplink]  "lb1" 10.0.0.106   VIP 10.1.1.1, 2001:db8:1::1
                         │      [second]  "lb2" 10.0.0.116   VIP 10.2.1.1, 2001:db8:2::1
                         ├── web1
                         └── web2
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import DAEMON, DpdkLb, port, service
from netlab import wait_for
from systemtest import SystemTest, main
from topology import Site, web4, web6

SECOND4, SECOND6 = "10.0.0.116", "2001:db8::116"


class TwoInstances(SystemTest):
    def answers(self, daemon):
        """AF_PACKET's driver makes its fanout group of the process id and the interface, which can be the other one's by chance:
        then dpdk-lb says so, and has to be started again."""
        try:
            wait_for(daemon.answers, 20, daemon.name)
        except RuntimeError:
            self.assertIn("has the same fanout group by chance: start dpdk-lb again", daemon.log())
            daemon.start(timeout=20)

    def test_both_carry_traffic_and_one_ends_without_the_other(self):
        site = Site(self.lab, webs=2)
        self.lab.veth(site.router, "lb2", site.lb, "second", offloads=False)
        site.router.ip("link set lb2 master br0", f"route add 10.2.0.0/16 via {SECOND4}",
                       f"route add 2001:db8:2::/48 via {SECOND6}")
        webs4, webs6 = [web4(1), web4(2)], [web6(1), web6(2)]
        first = DpdkLb(site.lb, [port(), service("web", ["10.1.1.1", "2001:db8:1::1"], "fnat", webs4 + webs6)], name="lb1")
        second_port = port("net_af_packet0,iface=second", tap="second0",
                           address=[f"{SECOND4}/24", f"{SECOND6}/64"])
        second = DpdkLb(site.lb, [second_port,
                                  service("web", ["10.2.1.1", "2001:db8:2::1"], "fnat", webs4 + webs6)], name="lb2")
        for daemon in (first, second):
            self.addCleanup(daemon.stop)
            daemon.start(wait=False)
        for daemon in (first, second):
            self.answers(daemon)
        self.carries(site, "10.1.1.1", "[2001:db8:1::1]", "10.2.1.1", "[2001:db8:2::1]")
        for daemon in (first, second):
            self.assertGreater(daemon.show("show", "backends", "web")[0]["packets"], 0)

        # The same name again: refused, and the running one does not notice.
        done = site.lb.run([DAEMON, "-c", first.file], check=False)
        self.assertIn(done.returncode, (1, 2))
        self.assertIn(str(first.socket), done.stderr)
        self.carries(site, "10.1.1.1")

        self.assertEqual(first.stop(), 0)
        self.assertEqual(site.lb.interfaces() & {"uplink0", "second0"}, {"second0"})
        self.carries(site, "10.2.1.1", "[2001:db8:2::1]")
        self.assertEqual(second.stop(), 0)
        self.assertEqual(site.lb.run(["nft", "list", "tables"]).stdout, "")

    def carries(self, site, *vips):
        for vip in vips:
            url = f"http://{vip}/"
            wait_for(lambda: site.curl(url, timeout=1, check=False), 10, f"a first answer from {url}")
            self.assertSpread(site.answers(url, 40), ("web1", "web2"), 3)


if __name__ == "__main__":
    main()
