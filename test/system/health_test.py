#!/usr/bin/python3
"""Health checks of the real daemon: backends that die by process, by link and by status, leave and come back, IPv4 and IPv6.

    client ── router ──┬── lb     dpdk-lb, all services below at once
                       ├── web1   nginx
                       ├── web2
                       └── web3

    VIP ending   1 web (nat, tcp)   2 full (fnat by the port's own address, tcp)   3 page (http)   4 panic (http, panic_threshold)
                 5 ping (icmp)      6 program (exec)   7 datagram (udp; two backends with a server)
"""

import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import DpdkLb, WrkResult, port, service, wrk_argv
from netlab import wait_for
from servers import udp_echo
from systemtest import SystemTest, main
from topology import Site, web4, web6

WEBS = ("web1", "web2", "web3")
INTERVAL, TIMEOUT, FALL = 0.5, 0.5, 3
SLACK = 3.0  # a busy machine; and what it takes to ask the console
TIMES = {"interval": "500ms", "timeout": "500ms", "rise": 2, "fall": FALL}
FAMILIES = (4, 6)
ECHO = 7
KINDS = ("web", "full", "page", "panic", "ping", "program", "datagram")


def backends(family):
    return [web4(n) if family == 4 else web6(n) for n in (1, 2, 3)]


def vip(family, number):
    return f"10.1.1.{number}" if family == 4 else f"2001:db8:1::{number}"


def url(family, number):
    return f"http://{vip(family, number)}/" if family == 4 else f"http://[{vip(family, number)}]/"


def services():
    page = {"type": "http", "path": "/files/ok", "host": "web.example", **TIMES}
    for family in FAMILIES:
        refused = backends(family)[1]
        kinds = {
            "web": ("nat", {"type": "tcp", **TIMES}),
            "full": ("fnat", {"type": "tcp", **TIMES}),
            "page": ("nat", page),
            "panic": ("nat", {**page, "path": "/files/panic", "panic_threshold": 0.5}),
            "ping": ("nat", {"type": "icmp", **TIMES}),
            "program": ("nat", {"type": "exec", "command": f'[ "$LB_ADDRESS $LB_PORT" != "{refused} 80" ]', **TIMES}),
        }
        for number, (name, (mode, health)) in enumerate(kinds.items(), 1):
            yield service(f"{name}{family}", [vip(family, number)], mode, backends(family), health=health)
        yield service(f"datagram{family}", [vip(family, 7)], "nat", backends(family), port=ECHO, protocol="udp",
                      health={"type": "udp", **TIMES})


class Health(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, webs=3)
        for web, server in zip(cls.site.webs, cls.site.nginx):
            for name in ("ok", "panic"):
                (server.prefix / "files" / name).write_text("ok\n")
        # A refusal for each check: a kernel sends one a second otherwise.
        cls.site.webs[2].sysctl({"net.ipv4.icmp_ratelimit": 0, "net.ipv6.icmp.ratelimit": 0})
        for number in (0, 1):
            udp_echo(cls.site.webs[number], WEBS[number], ECHO)
        cls.lbd = DpdkLb(cls.site.lb, [port(), *services()]).start()

    def setUp(self):
        """Each test starts from the same place: what can be up is up."""
        expected = {(f"{kind}{family}", address): "up" for kind in KINDS for family in FAMILIES for address in backends(family)}
        for family in FAMILIES:
            expected[f"program{family}", backends(family)[1]] = "down"
            expected[f"datagram{family}", backends(family)[2]] = "down"

        def settled():
            return {key: row["state"] for key, row in self.checks().items()} == expected

        try:
            wait_for(settled, 15, "every check's state")
        except TimeoutError:
            self.fail(self.lbd.ctl("show", "health").stdout + self.lbd.log())

    def checks(self):
        return {(row["service"], row["address"]): row for row in self.lbd.show("show", "health")}

    def state(self, name, address):
        return self.lbd.backend(name, address)["state"]

    def wait_down(self, names, number, since, reason):
        """Waits until the backend is down in each of these services; asserts that this was in time, and why it was."""
        for family in FAMILIES:
            address = backends(family)[number]
            for name in names:
                wait_for(lambda: self.state(f"{name}{family}", address) == "down", 10, f"{address} is down")
        self.assertLess(time.monotonic() - since, INTERVAL + TIMEOUT * FALL + SLACK)
        for family in FAMILIES:
            for name in names:
                row = self.checks()[f"{name}{family}", backends(family)[number]]
                self.assertRegex(row["reason"], reason)
                self.assertEqual(row["last"], "failed")

    def wait_up(self, names, number):
        for family in FAMILIES:
            for name in names:
                wait_for(lambda: self.state(f"{name}{family}", backends(family)[number]) == "active", 15,
                         f"{name}{family}: backend {number + 1} is back")

    def restart_nginx(self, number):
        server = self.site.nginx[number]
        self.site.webs[number].start(["nginx", "-p", f"{server.prefix}/", "-e", "error.log", "-c", "nginx.conf"])

    def test_a_killed_backend_leaves_and_comes_back(self):
        since = time.monotonic()
        self.site.nginx[0].kill()
        self.wait_down(("web", "full", "page"), 0, since, r"^connection refused$")
        for family in FAMILIES:
            for number in (1, 2):
                result = WrkResult(self.site.client.run(wrk_argv(url(family, number), 1, connections=20), timeout=20).stdout)
                self.assertNoErrors(result)
                self.assertSpread(self.site.answers(url(family, number)), WEBS[1:])
            # Its host is well, and says so.
            self.assertEqual(self.checks()[f"ping{family}", backends(family)[0]]["state"], "up")
            self.assertIn(f"is down: connection refused ({FALL} checks in a row)", self.lbd.log())
        # A reload does not forget.
        reloads = self.lbd.log().count("reloaded")
        self.lbd.process.signal(signal.SIGHUP)
        wait_for(lambda: self.lbd.log().count("reloaded") > reloads, 5, "the reload")
        self.assertEqual(self.state("web4", backends(4)[0]), "down")
        self.restart_nginx(0)
        self.wait_up(("web", "full", "page"), 0)
        for family in FAMILIES:
            self.assertSpread(self.site.answers(url(family, 1), 40), WEBS)

    def test_a_dead_host_leaves_and_comes_back(self):
        since = time.monotonic()
        self.site.router.ip("link set web3 down")
        # By silence, or once the kernel has given up on its neighbour.
        self.wait_down(("web", "full", "page", "ping"), 2, since, r"^(no answer within 500 ms|no route to host)$")
        for family in FAMILIES:
            self.assertSpread(self.site.answers(url(family, 1)), WEBS[:2])
        self.site.router.ip("link set web3 up")
        self.wait_up(("web", "full", "page", "ping"), 2)

    def test_a_wrong_status_is_a_failure(self):
        page = self.site.nginx[1].prefix / "files" / "ok"
        since = time.monotonic()
        page.unlink()
        self.wait_down(("page",), 1, since, r"^status 404$")
        for family in FAMILIES:
            self.assertSpread(self.site.answers(url(family, 3)), ("web1", "web3"))
            self.assertEqual(self.state(f"web{family}", backends(family)[1]), "active")
        page.write_text("ok\n")
        self.wait_up(("page",), 1)

    def test_more_failing_than_the_panic_threshold_keeps_all(self):
        pages = [server.prefix / "files" / "panic" for server in self.site.nginx]
        pages[0].unlink()
        self.wait_down(("panic",), 0, time.monotonic(), r"^status 404$")
        pages[1].unlink()

        def panic(family):
            return [self.lbd.backend(f"panic{family}", address)["health"] for address in backends(family)] == ["panic", "panic", "up"]

        for family in FAMILIES:
            wait_for(lambda: panic(family), 10, "panic")
            self.assertEqual({self.state(f"panic{family}", address) for address in backends(family)}, {"active"})
            self.assertSpread(self.site.answers(url(family, 4), 40), WEBS)
        self.assertIn("more than its panic_threshold: all are kept", self.lbd.log())
        pages[1].write_text("ok\n")
        for family in FAMILIES:
            wait_for(lambda: self.state(f"panic{family}", backends(family)[0]) == "down", 10, "the end of the panic")
        pages[0].write_text("ok\n")

    def test_reasons(self):
        rows = self.checks()
        for family in FAMILIES:
            first, second, third = backends(family)
            self.assertEqual(rows[f"web{family}", first]["reason"], "connected")
            self.assertEqual(rows[f"page{family}", first]["reason"], "status 200")
            self.assertEqual(rows[f"ping{family}", first]["reason"], "answered")
            self.assertEqual(rows[f"program{family}", first]["reason"], "exit status 0")
            self.assertEqual(rows[f"program{family}", second]["reason"], "exit status 1")
            self.assertIn(rows[f"datagram{family}", first]["reason"], ("answered", "no answer, no error"))
            self.assertEqual(rows[f"datagram{family}", third]["reason"], "connection refused")
        row = rows["web4", web4(1)]
        self.assertEqual((row["type"], row["port"], row["last"], row["panic"]), ("tcp", 80, "ok", False))
        self.assertGreater(row["checks"], row["failures"])
        text = self.lbd.ctl("show", "health", "program4").stdout
        self.assertEqual(text.split()[:8], ["SERVICE", "BACKEND", "TYPE", "STATE", "CHECKS", "FAILURES", "LAST", "REASON"])
        self.assertIn("10.0.0.12:80", text)
        self.assertNotIn("web4", text)


if __name__ == "__main__":
    main()
