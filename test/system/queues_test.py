#!/usr/bin/python3
"""One queue and two workers: the worker with the queue shares packets out, both serve, no connection breaks.

    client   curl, wrk -c100
       │
     router ──┬── lb           dpdk-lb, two workers; net_af_packet0 with qpairs=1
              ├── web1, web2   nginx
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import DAEMON, DpdkLb, WrkResult, port, service, wrk_argv
from netlab import wait_for
from systemtest import SystemTest, main
from topology import CLIENT4, CLIENT6, Site, web4, web6

CASES = {"nat": 1, "fnat": 2}  # mode: last part of its VIPs
WEBS = ("web1", "web2")
# Connections come by the thousand, and each keeps its SNAT port for that long after its end.
TIMEOUT = {"tcp_established": "15m", "tcp_handshake": "10s", "tcp_fin": "1s", "udp": "5s"}


def services():
    for mode, last in CASES.items():
        for family, vip, web in ((4, f"10.1.1.{last}", web4), (6, f"2001:db8:1::{last}", web6)):
            yield service(f"{mode}{family}", [vip], mode, [web(1), web(2)], timeout=TIMEOUT)
    yield service("loose", ["10.1.1.3"], "nat", [{"address": web4(1), "port": 8080}, {"address": web4(2), "port": 8080}],
                  sticky=False)


class OneQueue(SystemTest):
    device = "net_af_packet0,iface=uplink,qpairs=1"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, webs=2)
        cls.lbd = DpdkLb(cls.site.lb, [port(cls.device), *services()], cores="0-1", mbufs=16384, memory_mb=512).start()
        for url in ("http://10.1.1.1/", "http://[2001:db8:1::1]/"):
            wait_for(lambda: cls.site.curl(url, timeout=1, check=False), 10, f"a first answer from {url}")

    def packets(self):
        return [row["packets"] for row in self.lbd.show("show", "workers")]

    def test_each_mode_is_served_by_both_workers(self):
        for vip in ("10.1.1.1", "10.1.1.2", "10.1.1.3", "[2001:db8:1::1]", "[2001:db8:1::2]"):
            with self.subTest(vip=vip):
                before = self.packets()
                self.assertSpread(self.site.answers(f"http://{vip}/", 40), WEBS, 3)
                self.assertTrue(all(after - then > 40 for after, then in zip(self.packets(), before)), self.packets())
        self.assertEqual(set(self.site.answers("http://10.1.1.1/client", 10)) - {f"{web} {CLIENT4}" for web in WEBS}, set())
        self.assertEqual(set(self.site.answers("http://[2001:db8:1::1]/client", 10)) - {f"{web} {CLIENT6}" for web in WEBS}, set())

    def test_wrk_sees_no_error(self):
        for vip in ("10.1.1.1", "10.1.1.2", "[2001:db8:1::2]"):
            for close in (False, True):
                with self.subTest(vip=vip, close=close):
                    wrk = self.site.client.start(wrk_argv(f"http://{vip}/", 3, connections=100, close=close),
                                                 log=f"wrk-{vip.strip('[]').replace(':', '_')}-{close}.log")
                    wrk.wait(30)
                    result = WrkResult(wrk.output())
                    self.assertNoErrors(result, 500)
                    print(f"{vip} {'close' if close else 'keepalive'}: {result.requests} requests", flush=True)

    def test_the_queues_are_shown(self):
        self.assertEqual([row["queues"] for row in self.lbd.show("show", "workers")], [["uplink:0"], []])
        self.assertRegex(self.lbd.ctl("show", "workers").stdout, r"\n\s*1\b.*\bnone\b")
        [row] = self.lbd.show("show", "ports")
        self.assertEqual((row["rx_queues"], row["tx_queues"]), (1, 1))

    def test_check_says_it(self):
        done = self.site.lb.run([DAEMON, "-c", self.lbd.file, "--check"], check=False, timeout=20)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"note: port 'uplink' has queues for 1 of 2 workers")

    def test_a_sleeping_worker_wakes_at_once(self):
        """Both workers idle between the requests; hops over two rings add no more than the wake-ups."""
        took = []
        for _ in range(30):
            time.sleep(0.05)  # to fall asleep: there is nothing to wait for
            out = self.site.curl("http://10.1.1.2/", "-o", "/dev/null", "-w", "%{time_connect}")
            took.append(float(out))
        took.sort()
        self.assertLess(took[len(took) // 2], 0.005, took)


if __name__ == "__main__":
    main()
