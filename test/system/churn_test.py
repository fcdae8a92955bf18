#!/usr/bin/python3
"""200 concurrent connections see no error while backends come and go and the file is reloaded. Two workers.

    client   wrk -c200, with keepalive and with a connection a request
       │
     router ──┬── lb           dpdk-lb; backends added, drained, deleted, weighted through dpdk-lbctl; SIGHUP
              ├── web1 … web3  nginx (a connection ends after 100 requests), decap

An operator's way to take a backend out: drain, wait until active_connections is 0, delete.
"""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import DpdkLb, WrkResult, port, service, wrk_argv
from netlab import wait_for
from servers import decap
from systemtest import SystemTest, main
from topology import Site, web4, web6

SNAT4 = [f"10.0.0.{n}" for n in range(107, 111)]
SNAT6 = [f"2001:db8::{n}" for n in range(107, 111)]
CASES = {"nat": 1, "fnat": 2, "dr": 3, "ipip": 4}  # mode: last part of its VIPs
ON_BACKENDS = [f"{net}{n}" for n in (3, 4) for net in ("10.1.1.", "2001:db8:1::")]
SECONDS = 4
TIMEOUT = {"tcp_established": "15m", "tcp_handshake": "10s", "tcp_fin": "1s", "udp": "5s"}


def services(other_weight=1):
    for mode, last in CASES.items():
        for family, vip, web, snat in ((4, f"10.1.1.{last}", web4, SNAT4), (6, f"2001:db8:1::{last}", web6, SNAT6)):
            keys = {"snat": snat} if mode == "fnat" else {}
            yield service(f"{mode}{family}", [vip], mode, [web(1), web(2)], timeout=TIMEOUT, **keys)
    # What reloads change while the others carry traffic.
    yield service("other", ["10.1.2.1", "2001:db8:1:2::1"], "nat",
                  [{"address": web4(1), "port": 8080, "weight": other_weight}, {"address": web6(1), "port": 8080}])


class Churn(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, vips_on_lo=ON_BACKENDS, queues=2, requests=100)
        for web in cls.site.webs:
            decap(web)
        cls.lbd = DpdkLb(cls.site.lb, [port(), *services()], cores="0-1", mbufs=16384, memory_mb=512).start()
        for url in ("http://10.1.1.1/", "http://[2001:db8:1::1]/"):
            wait_for(lambda: cls.site.curl(url, timeout=1, check=False), 10, f"a first answer from {url}")

    def load(self, vip, close, seconds=SECONDS):
        kind = "close" if close else "keepalive"
        return self.site.client.start(wrk_argv(f"http://{vip}/", seconds, close=close),
                                      log=f"wrk-{self.id().rpartition('.')[2]}-{vip.strip('[]').replace(':', '_')}-{kind}.log")

    def finished(self, wrk):
        wrk.wait(60)
        result = WrkResult(wrk.output())
        self.assertNoErrors(result, 1000)
        return result

    def drained(self, name, address, running):
        """Waits until no connection is left: True; or until the load has ended: False."""
        def state():
            ended = not running()
            row = self.lbd.backend(name, address)
            self.assertEqual(row["state"], "draining", row)
            return "empty" if row["active_connections"] == 0 else "ended" if ended else None
        return wait_for(state, 15, f"active_connections of {address} to be 0") == "empty"

    def come_and_go(self, name, web, wrk):
        """web3 comes; web1 drains and comes back; weights move; web3 drains and leaves: over and over.
        Returns how many rounds were whole before the load ended."""
        rounds = 0
        while wrk.running():
            self.lbd.ctl("add", "backend", name, web(3), "port", "80")
            self.lbd.ctl("set", "backend", name, web(2), "weight", "3")
            self.lbd.ctl("drain", "backend", name, web(1))
            whole = self.drained(name, web(1), wrk.running)
            self.lbd.ctl("undrain", "backend", name, web(1))
            self.lbd.ctl("drain", "backend", name, web(3))
            whole = self.drained(name, web(3), wrk.running) and whole
            self.lbd.ctl("del", "backend", name, web(3))
            self.lbd.ctl("set", "backend", name, web(2), "weight", "1")
            rounds += whole
        return rounds

    def churn(self, mode):
        for family, web in ((4, web4), (6, web6)):
            for close in (False, True):
                vip = f"10.1.1.{CASES[mode]}" if family == 4 else f"[2001:db8:1::{CASES[mode]}]"
                with self.subTest(vip=vip, close=close):
                    wrk = self.load(vip, close)
                    rounds = self.come_and_go(f"{mode}{family}", web, wrk)
                    result = self.finished(wrk)
                    self.assertGreaterEqual(rounds, 1)
                    print(f"{mode} IPv{family} {'close' if close else 'keepalive'}: {result.requests} requests, "
                          f"{rounds} rounds", flush=True)

    def test_nat(self):
        self.churn("nat")

    def test_fnat(self):
        self.churn("fnat")

    def test_dr(self):
        self.churn("dr")

    def test_ipip(self):
        self.churn("ipip")

    def test_reloads_of_the_file_leave_untouched_services_alone(self):
        loads = [self.load("10.1.1.1", False, 5), self.load("[2001:db8:1::4]", True, 5)]
        reloads = 0
        while any(wrk.running() for wrk in loads):
            reloads += 1
            weight = 1 + reloads % 7
            self.lbd.write([port(), *services(other_weight=weight)])
            self.lbd.process.signal(signal.SIGHUP)
            wait_for(lambda: self.lbd.backend("other", web4(1))["weight"] == weight, 5, "the reload")
        for wrk in loads:
            self.finished(wrk)
        self.assertGreater(reloads, 3)
        print(f"{reloads} reloads", flush=True)

    def test_a_deleted_backends_connections_go_to_another(self):
        """Without draining first: connections break, but only those; later ones do not, and nothing goes to it."""
        wrk = self.load("10.1.1.1", False, 3)
        wait_for(lambda: self.lbd.backend("nat4", web4(1))["active_connections"] > 0, 3, "connections")
        self.lbd.ctl("del", "backend", "nat4", web4(1))
        self.assertEqual(set(self.site.answers("http://10.1.1.1/", 30)), {"web2"})
        wrk.wait(60)
        self.lbd.ctl("add", "backend", "nat4", web4(1), "port", "80")
        self.assertSpread(self.site.answers("http://10.1.1.1/", 30), ("web1", "web2"))


if __name__ == "__main__":
    main()
