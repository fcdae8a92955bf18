#!/usr/bin/python3
"""dpdk-lbctl and the command line: every command of this version, JSON with the promised keys, exit statuses.

    client ── router ──┬── lb     dpdk-lb, two workers
                       ├── web1
                       └── web2
"""

import json
import os
import random
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import CONSOLE, DAEMON, DpdkLb, port, service
from netlab import wait_for
from systemtest import SystemTest, main
from terminal import Terminal
from topology import CLIENT4, CLIENT6, Site, web4, web6

URL4, URL6 = "http://10.1.1.1/", "http://[2001:db8:1::1]/"


class Console(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, webs=2, queues=2)
        cls.parts = [port(),
                     service("web", ["10.1.1.1", "2001:db8:1::1"], "nat",
                             [web(n) for n in (1, 2) for web in (web4, web6)]),
                     service("quiet", ["10.1.3.0/24", "2001:db8:1:3::/64"], "ipip", [web4(1)], port=0)
                     .replace("ports = [0]", "ports = []")]
        cls.lbd = DpdkLb(cls.site.lb, cls.parts, cores="0-1").start()
        cls.show, cls.ctl = cls.lbd.show, cls.lbd.ctl
        for url in (URL4, URL6):
            wait_for(lambda: cls.site.curl(url, timeout=1, check=False), 10, f"a first answer from {url}")
            cls.site.answers(url, 30)

    def assertKeys(self, row, *keys):
        self.assertEqual(set(keys) - set(row), set(), row)

    # Documents.

    def test_show_backends(self):
        rows = self.show("show", "backends")
        self.assertEqual(len(rows), 5)
        for row in rows:
            self.assertKeys(row, "service", "address", "port", "weight", "state", "health", "active_connections",
                            "packets", "bytes")
            self.assertIn(row["state"], ("active", "draining", "down"))
        web = self.show("show", "backends", "web")
        self.assertEqual([row["address"] for row in web], [web4(1), web6(1), web4(2), web6(2)])
        for url in (URL4, URL6):
            self.assertSpread(self.site.answers(url, 40), ("web1", "web2"))
        after = self.show("show", "backends", "web")
        for old, new in zip(web, after):
            self.assertGreater(new["packets"], old["packets"])
            self.assertGreater(new["bytes"] - old["bytes"], 40 * (new["packets"] - old["packets"]))

    def test_show_services(self):
        rows = {row["name"]: row for row in self.show("show", "services")}
        self.assertEqual(set(rows), {"web", "quiet"})
        for row in rows.values():
            self.assertKeys(row, "name", "vip", "protocol", "ports", "mode", "scheduler", "announced", "backends_up",
                            "backends", "packets", "bytes")
        web = rows["web"]
        self.assertEqual((web["vip"], web["protocol"], web["ports"], web["mode"], web["scheduler"]),
                         (["10.1.1.1", "2001:db8:1::1"], "tcp", [80], "nat", "maglev"))
        self.assertEqual((web["backends"], web["backends_up"]), (4, 4))
        self.assertEqual((rows["quiet"]["vip"], rows["quiet"]["ports"]), (["10.1.3.0/24", "2001:db8:1:3::/64"], []))
        self.assertGreater(web["packets"], 0)
        one = self.show("show", "service", "web")
        self.assertEqual((one[0] if isinstance(one, list) else one)["name"], "web")

    def test_show_ports(self):
        rows = self.show("show", "ports")
        self.assertEqual([row["name"] for row in rows], ["uplink"])
        stats = self.show("show", "port", "uplink", "stats")
        self.assertKeys(stats, "name", "rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_missed", "tx_dropped",
                        "rx_pps", "tx_pps")
        self.assertGreater(stats["rx_packets"], 0)
        self.assertGreater(len(self.show("show", "port", "uplink", "xstats")), 0)

    def test_show_workers(self):
        rows = self.show("show", "workers")
        self.assertEqual([row["core"] for row in rows], [0, 1])
        for row in rows:
            self.assertKeys(row, "core", "packets", "cycles_per_packet", "busy")
            self.assertTrue(0 <= row["busy"] <= 1, row)
        self.assertGreater(sum(row["packets"] for row in rows), 0)

    def test_show_flows(self):
        self.site.answers(URL4, 5)
        count = self.show("show", "flows", "count")
        self.assertGreater(count["flows"], 0)
        flows = self.show("show", "flows", "service", "web", "limit", "3")
        self.assertEqual(len(flows), 3)

    def test_show_drops(self):
        drops = self.show("show", "drops")
        self.assertGreater(len(drops), 5)
        self.assertTrue(all(isinstance(count, int) for count in drops.values()), drops)
        # A packet to a VIP that no backend serves has a name for its end.
        self.ctl("add", "service", "empty", "vip", "10.1.9.9", "protocol", "tcp", "port", "80", "mode", "nat",
                 "scheduler", "maglev")
        self.addCleanup(self.ctl, "del", "service", "empty")
        before = sum(self.show("show", "drops").values())
        self.site.curl("http://10.1.9.9/", timeout=1, check=False)
        self.assertGreater(sum(self.show("show", "drops").values()), before)

    def test_the_other_documents(self):
        for words in ("show version", "show uptime", "show neighbors", "show routes", "show memory", "show log 5",
                      "show config"):
            with self.subTest(words=words):
                self.show(*words.split())
                self.assertTrue(self.ctl(*words.split()).stdout.strip())
        self.assertIn(web4(1), json.dumps(self.show("show", "neighbors")))

    def test_explain(self):
        for source, destination, webs in ((f"{CLIENT4}:40000", "10.1.1.1:80", (web4(1), web4(2))),
                                          (f"[{CLIENT6}]:40000", "[2001:db8:1::1]:80", (web6(1), web6(2)))):
            with self.subTest(destination=destination):
                told = self.show("explain", "tcp", source, destination)
                self.assertKeys(told, "service", "backend", "source", "mode", "next_hop", "verdict")
                self.assertEqual((told["service"], told["mode"], told["source"]), ("web", "nat", "scheduler"))
                self.assertIn(told["backend"]["address"], webs)
                self.assertEqual(told["backend"]["port"], 80)
                self.assertTrue(self.ctl("explain", "tcp", source, destination).stdout.strip())
        self.assertNotEqual(self.show("explain", "tcp", f"{CLIENT4}:40000", "10.1.1.1:81").get("service"), "web")

    def test_explain_tells_the_truth(self):
        """The backend that explain names before the packet is the one that answers, and then the flow is known."""
        for family in (4, 6):
            source, vip = ((CLIENT4, "10.1.1.1") if family == 4 else (f"[{CLIENT6}]", "[2001:db8:1::1]"))
            for local_port in range(41000 + 100 * family, 41010 + 100 * family):
                ends = (f"{source}:{local_port}", f"{vip}:80")
                told = self.show("explain", "tcp", *ends)
                answer = self.site.curl(f"http://{vip}/", "--local-port", local_port)
                name = {web4(1): "web1", web6(1): "web1", web4(2): "web2", web6(2): "web2"}[told["backend"]["address"]]
                self.assertEqual(answer, name)
            self.assertEqual(self.show("explain", "tcp", *ends)["source"], "flow")

    def test_explain_knows_replies(self):
        self.ctl("add", "service", "full", "vip", "10.1.4.7", "port", "80", "mode", "fnat")
        self.addCleanup(self.ctl, "del", "service", "full")
        self.ctl("add", "backend", "full", web4(1), "port", "80")
        self.site.curl("http://10.1.4.7/", "--local-port", 43000)
        flow, = self.show("show", "flows", "service", "full")
        told = self.show("explain", "tcp", f"{web4(1)}:80", flow["snat"])
        self.assertEqual((told["service"], told["source"], told["verdict"]), ("full", "flow", "replied"), told)
        self.assertIn("its source becomes 10.1.4.7:80, its destination 10.0.9.2:43000", told["steps"])
        # The port's own address is the kernel's where no flow claims it.
        self.assertEqual(self.show("explain", "tcp", f"{web4(1)}:80", "10.0.0.106:65000")["verdict"], "punted")
        told = self.show("explain", "tcp", "127.0.0.1:5", "10.1.1.1:80")
        self.assertEqual(told["verdict"], "bad_header")
        self.assertIn("127.0.0.1 can be no host's address", told["steps"])

    def test_show_bgp_without_bgp(self):
        self.assertEqual(self.show("show", "bgp"), {"asn": 0, "router_id": "", "neighbors": []})
        self.assertEqual(self.show("show", "bgp", "routes"), [])
        self.assertEqual(self.ctl("show", "bgp").stdout, "BGP is not enabled\n")
        self.assertIn("10.0.0.109", self.refused(1, "show", "bgp", "neighbor", "10.0.0.109"))

    # Live.

    def test_watch(self):
        watch = self.site.lb.start([CONSOLE, "-s", self.lbd.socket, "--json", "watch", "0.2", "show", "uptime"], log="watch")
        wait_for(lambda: watch.output().count("\n") >= 3, 10, "three documents")
        self.assertEqual(watch.stop(), 0)
        times = [json.loads(line)["uptime_s"] for line in watch.output().splitlines()[:3]]
        self.assertEqual(times, sorted(times))

    def test_top(self):
        terminal = Terminal([CONSOLE, "-s", self.lbd.socket, "top", "-d", "0.5"], env={"TERM": "linux"})
        self.addCleanup(terminal.close)
        terminal.wait("BACKEND OF quiet")
        terminal.type("/web\r")
        terminal.wait("BACKEND OF web")
        terminal.wait(f"{web4(1)}:80")
        self.assertIn(self.lbd.name, terminal.lines()[0])

        def row():
            return next(line.split() for line in terminal.lines() if line.startswith("web"))

        def answers_are_counted():
            self.site.answers(URL4, 20)
            terminal.read()
            return row()[-1] not in ("-", "0")
        wait_for(answers_are_counted, 15, "new flows of web in top")
        self.assertIn("4/4", row())
        terminal.type("q")
        self.assertEqual(terminal.status(), 0)

    # Edits.

    def test_add_set_drain_del_backend(self):
        self.ctl("add", "service", "edit", "vip", "10.1.4.1", "protocol", "tcp", "port", "80", "mode", "nat",
                 "scheduler", "maglev")
        self.addCleanup(self.ctl, "del", "service", "edit", check=False)
        url = "http://10.1.4.1/"
        self.ctl("add", "backend", "edit", web4(1), "port", "80", "weight", "2")
        row = self.lbd.backend("edit", web4(1))
        self.assertEqual((row["port"], row["weight"], row["state"]), (80, 2, "active"))
        wait_for(lambda: self.site.curl(url, timeout=1, check=False) == "web1", 5, "an answer by the new service")
        self.ctl("add", "backend", "edit", web4(2), "port", "80")
        self.assertSpread(self.site.answers(url, 40), ("web1", "web2"))
        self.ctl("drain", "backend", "edit", web4(1))
        self.assertEqual(self.lbd.backend("edit", web4(1))["state"], "draining")
        self.assertEqual(set(self.site.answers(url, 20)), {"web2"})
        self.ctl("undrain", "backend", "edit", web4(1))
        self.assertEqual(self.lbd.backend("edit", web4(1))["state"], "active")
        self.assertSpread(self.site.answers(url, 40), ("web1", "web2"))
        self.ctl("set", "backend", "edit", web4(2), "port", "80", "weight", "0")
        self.assertEqual(self.lbd.backend("edit", web4(2))["weight"], 0)
        self.assertEqual(set(self.site.answers(url, 20)), {"web1"})
        self.ctl("del", "backend", "edit", web4(2), "port", "80")
        self.assertIsNone(self.lbd.backend("edit", web4(2)))
        self.ctl("del", "service", "edit")
        self.assertNotIn("edit", [row["name"] for row in self.show("show", "services")])

    def test_one_port_of_a_backend_with_two(self):
        self.ctl("add", "service", "two", "vip", "10.1.5.1", "protocol", "tcp", "port", "80", "mode", "nat",
                 "scheduler", "maglev")
        self.addCleanup(self.ctl, "del", "service", "two")
        for number in ("80", "8080"):
            self.ctl("add", "backend", "two", web4(1), "port", number)
        self.assertEqual(self.ctl("del", "backend", "two", web4(1), check=False).returncode, 1)
        self.ctl("del", "backend", "two", web4(1), "port", "80")
        self.assertEqual([row["port"] for row in self.show("show", "backends", "two")], [8080])

    # Errors and exit statuses.

    def refused(self, status, *words):
        done = self.ctl(*words, check=False)
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        return done.stderr

    def test_errors_are_one_line_and_status_1_or_2(self):
        self.assertIn("nosuch", self.refused(1, "show", "service", "nosuch"))
        self.assertIn("nosuch", self.refused(1, "add", "backend", "nosuch", "10.0.0.9"))
        self.assertIn("10.0.0.99", self.refused(1, "del", "backend", "web", "10.0.0.99"))
        self.refused(1, "add", "backend", "web", web4(1), "port", "80")  # it is there already
        self.refused(2, "show", "nosuch")
        self.refused(2, "nosuch")
        self.refused(2, "add", "backend", "web", "10.0.0.999")
        self.refused(2, "add", "backend", "web", "10.0.0.9", "port", "70000")
        self.refused(2, "explain", "tcp", "10.0.0.1", "10.1.1.1:80")

    def test_ten_thousand_hostile_lines_of_a_script(self):
        pid = self.lbd.process.pid
        words = ["show", "sh", "backends", "port", "service", "web", "explain", "tcp", "10.0.0.1:1", "[::1]:80", "help", "?",
                 "'", '"', "\\", "%n%s", "$(id)", "--json", "-1", "99999999999999999999", "x" * 3000, "\x1b[2J", "\xff", "\0",
                 "set", "paging", "add", "backend"]
        chance = random.Random(5)

        def held():
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            return len(os.listdir(f"/proc/{pid}/fd")), pages * os.sysconf("SC_PAGE_SIZE")

        def script(lines):
            text = "".join(" ".join(chance.choices(words, k=chance.randrange(1, 9))) + "\n" for _ in range(lines))
            done = subprocess.run([CONSOLE, "-s", self.lbd.socket], input=text.encode("latin-1"), capture_output=True, timeout=80)
            self.assertIn(done.returncode, (1, 2))
            errors = done.stderr.decode("latin-1").splitlines()
            numbers = [int(re.match(r"error: line (\d+): ", line)[1]) for line in errors]
            self.assertEqual(numbers, sorted(set(numbers)))  # one line each
            self.assertGreater(len(numbers), lines // 2)
        script(1000)
        files, memory = held()
        script(9000)
        wait_for(lambda: held()[0] <= files, 5, "the script's socket is closed")
        self.assertLess(held()[1], memory + (16 << 20))
        self.show("show", "version")

    def test_no_daemon_at_the_socket(self):
        nowhere = self.lab.dir / "nowhere.sock"
        done = self.site.lb.run([CONSOLE, "-s", nowhere, "show", "version"], check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nowhere.sock", done.stderr)
        self.assertEqual(self.site.lb.run([CONSOLE, "--nosuch"], check=False).returncode, 2)

    def test_socket_is_for_its_owner_alone(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.lbd.socket).st_mode), 0o600)

    def test_help_names_every_command(self):
        text = self.ctl("help").stdout
        for word in ("show", "add", "del", "set", "drain", "undrain", "reload", "explain", "start", "stop", "clear",
                     "quit", "shutdown"):
            self.assertIn(word, text)

    def test_clear_stats(self):
        self.ctl("clear", "stats")
        self.assertLess(self.show("show", "port", "uplink", "stats")["rx_packets"], 100)
        self.site.answers(URL4, 30)
        self.assertGreater(self.show("show", "port", "uplink", "stats")["rx_packets"], 100)

    def test_clear_stats_clears_what_the_control_thread_dropped(self):
        # 10.0.0.200 is nobody: the packet waits for its MAC, then is given up.
        self.ctl("add", "service", "lost", "vip", "10.1.9.1", "protocol", "tcp", "port", "80", "mode", "nat",
                 "scheduler", "maglev")
        self.addCleanup(self.ctl, "del", "service", "lost")
        self.ctl("add", "backend", "lost", "10.0.0.200", "port", "80")
        self.site.curl("http://10.1.9.1/", timeout=0.5, check=False)
        wait_for(lambda: self.show("show", "drops")["no_neighbor"], 5, "a drop without neighbour")
        self.ctl("clear", "stats")
        self.assertEqual(self.show("show", "drops")["no_neighbor"], 0)

    # The daemon's own command line.

    def test_version_and_help(self):
        version = self.site.lb.run([DAEMON, "--version"]).stdout
        self.assertRegex(version, r"dpdk-lb \d+\.\d+")
        self.assertIn("--check", self.site.lb.run([DAEMON, "--help"]).stdout)
        self.assertRegex(self.site.lb.run([CONSOLE, "--version"]).stdout, r"dpdk-lbctl \d+\.\d+")
        self.assertIn("--json", self.site.lb.run([CONSOLE, "--help"]).stdout)

    def test_dump_config(self):
        text = self.site.lb.run([DAEMON, "-c", self.lbd.file, "--dump-config"]).stdout
        dumped = tomllib.loads(text)
        self.assertEqual((dumped["lb"]["name"], dumped["lb"]["idle"], dumped["lb"]["hugepages"]),
                         (self.lbd.name, "adaptive", False))
        self.assertEqual(dumped["port"][0]["mtu"], 1500)
        self.assertEqual([entry["name"] for entry in dumped["service"]], ["web", "quiet"])
        self.assertEqual(dumped["service"][0]["timeout"]["tcp_established"], "15m")
        self.assertEqual(len(dumped["service"][0]["backend"]), 4)
        again = self.lab.dir / "again.toml"
        again.write_text(text)
        self.assertEqual(self.site.lb.run([DAEMON, "-c", again, "--dump-config"]).stdout, text)
        self.assertEqual(tomllib.loads(self.ctl("show", "config").stdout), dumped)


if __name__ == "__main__":
    main()
