#!/usr/bin/python3
"""The machine's own kernel beside dpdk-lb: it does not answer for the port, and everything is left as it was found.

    client ── router ──┬── lb     dpdk-lb on the veth "uplink" through net_af_packet; its twin is the TAP "uplink0"
                       └── web1

AF_PACKET gives dpdk-lb a copy of each packet, and the kernel has one too: without more it would answer as well.
"""

import re
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import DpdkLb, port, service
from netlab import wait_for
from systemtest import SystemTest, main
from topology import LB4, LB6, Site, web4, web6


class Quiet(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, webs=1)
        # The veth's own IPv6 link-local address has settled before anything is compared.
        wait_for(lambda: "fe80" in (out := cls.site.lb.run(["ip", "-6", "-o", "addr", "show", "uplink"]).stdout)
                 and "tentative" not in out, 10, "the link-local address of uplink")

    def setUp(self):
        self.lb = self.site.lb
        self.before = self.state()
        self.lbd = DpdkLb(self.lb, [port(), service("web", ["10.1.1.1", "2001:db8:1::1"], "nat", [web4(1), web6(1)])])

    def tearDown(self):
        if self.lbd.process:
            self.lbd.stop()

    def state(self):
        """What an operator could see of the namespace."""
        def text(*words):
            return self.lb.run(words).stdout

        # Not the counters, and not the ever-changing lifetimes.
        link = re.sub(r"(?m)^\s+(RX|TX):.*\n.*\n", "", text("ip", "-d", "link"))
        return {
            "links": link,
            "addresses": re.sub(r"(valid|preferred)_lft \S+", "", text("ip", "addr")),
            "routes": text("ip", "route") + text("ip", "-6", "route"),
            "rules": text("ip", "rule"),
            "qdiscs": text("tc", "qdisc"),
            "filters": text("tc", "filter", "show", "dev", "uplink", "ingress"),
            "nft": text("nft", "list", "ruleset"),
            "offloads": text("ethtool", "-k", "uplink"),
            "arp_ignore": text("sysctl", "-a", "-r", r"net\.ipv[46]\.(conf|neigh)\.(all|default|uplink)\."),
        }

    def assertAsBefore(self):
        after = self.state()
        for key, value in self.before.items():
            self.assertEqual(after[key], value, key)

    def ping(self, address, count=5):
        out = self.site.router.run(["ping", "-c", count, "-i", "0.1", "-W", "2", address], check=False).stdout
        self.assertIn(f"{count} packets transmitted, {count} received", out)
        self.assertNotIn("DUP", out)

    def answering(self):
        for address in (LB4, LB6, "10.1.1.1", "2001:db8:1::1"):
            wait_for(lambda: self.site.router.run(["ping", "-c1", "-W1", address], check=False).returncode == 0, 10,
                     f"{address} to answer")

    def test_one_reply_to_each_ping_and_everything_as_before_at_the_end(self):
        self.lbd.start()
        self.answering()
        capture = self.site.router.start(["tcpdump", "-lnni", "lb", "-U", "icmp or icmp6 or arp"], log="capture.log")
        wait_for(lambda: "listening on" in capture.output(), 5, "tcpdump")
        self.site.router.ip("neigh flush all")
        for address in (LB4, LB6, "10.1.1.1", "2001:db8:1::1"):
            with self.subTest(address=address):
                self.ping(address)
        # A closed TCP port of the twin: one reset, from one stack.
        self.site.router.run(["curl", "-s", "-m2", f"http://{LB4}:81/"], check=False)
        wait_for(lambda: capture.output().count("echo reply") >= 20, 5, "the capture to have every reply")
        text = capture.output()
        self.assertEqual(text.count("ICMP echo reply"), 10)
        self.assertEqual(text.count("ICMP6, echo reply"), 10)
        # One answer for one question, and never the veth's own address.
        self.assertEqual(len(re.findall(r"ARP, Reply 10\.0\.0\.106 ", text)),
                         len(re.findall(r"ARP, Request who-has 10\.0\.0\.106 ", text)), text)
        capture.stop()
        self.assertEqual(self.lbd.stop(), 0)
        self.assertAsBefore()
        self.assertFalse(self.lbd.socket.exists())

    def test_after_kill_9_nothing_is_left_but_what_the_next_start_repairs(self):
        self.lbd.start()
        self.answering()
        self.lbd.process.signal(signal.SIGKILL)
        self.lbd.process.wait()
        self.assertNotIn("uplink0", self.lb.interfaces(), "a TAP goes with its process")
        self.lbd.start()
        self.answering()
        self.ping(LB4)
        self.ping(LB6)
        self.assertEqual(self.lbd.stop(), 0)
        self.assertAsBefore()
        self.assertFalse(self.lbd.socket.exists())

    def test_kill_9_twice_then_a_clean_end(self):
        for _ in range(2):
            self.lbd.start()
            self.lbd.process.signal(signal.SIGKILL)
            self.lbd.process.wait()
        self.lbd.start()
        self.answering()
        self.ping(LB4)
        self.assertEqual(self.lbd.stop(), 0)
        self.assertAsBefore()

    def test_the_twin_speaks_for_this_machine(self):
        """TCP to a program on the load balancer's own machine, and from it, pass through the port."""
        self.lbd.start()
        self.answering()
        server = self.lb.start([sys.executable, "-m", "http.server", "-d", self.lab.dir, "8000", "--bind", "::"],
                               log="http.log")
        for url in (f"http://{LB4}:8000/", f"http://[{LB6}]:8000/"):
            wait_for(lambda: self.site.client.run(["curl", "-sg", "-m1", "-o", "/dev/null", url], check=False)
                     .returncode == 0, 10, url)
        for url in (f"http://{web4(1)}/client", f"http://[{web6(1)}]/client"):
            self.assertIn(self.lb.run(["curl", "-sSg", "-m3", url]).stdout,
                          (f"web1 {LB4}\n", f"web1 {LB6}\n"))
        server.stop()


if __name__ == "__main__":
    main()
