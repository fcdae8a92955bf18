#!/usr/bin/python3
"""Metrics of a real daemon: a real Prometheus scrapes them, its promtool checks them, the dashboard's queries find data, and the
numbers are those of the console and of the traffic sent. rte_telemetry by dpdk-telemetry.py. Hostile clients of both.

    client ── router ──┬── lb     dpdk-lb, two workers; Prometheus
                       ├── web1
                       └── web2
"""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.parse
from pathlib import Path

SUPPORT = Path(__file__).resolve().parents[1] / "support"
sys.path.insert(0, str(SUPPORT))
from dpdklb import DpdkLb, port, service, table
from metrics_oracle import families
from netlab import wait_for
from systemtest import SystemTest, main
from topology import Site, web4, web6

TOP = Path(__file__).resolve().parents[2]
DASHBOARD = TOP / "config/grafana-dashboard.json"
URL4, URL6 = "http://10.1.1.1/", "http://[2001:db8:1::1]/"
LISTEN, OTHER = "127.0.0.1:9477", "127.0.0.1:9478"
CHECK = {"type": "tcp", "interval": "1s", "timeout": "1s"}

# Listens on a port until its standard input ends.
HOLDER = ("import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])));"
          " print('ready', flush=True); sys.stdin.read()")


def metrics(listen):
    return table("[metrics]", {"listen": listen})


class Metrics(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, webs=2, queues=2)
        backends = [web(n) for n in (1, 2) for web in (web4, web6)]
        cls.parts = [port(), service("web", ["10.1.1.1", "2001:db8:1::1"], "nat", backends),
                     service("checked", ["10.1.2.1"], "nat", [web4(1)]).replace(
                         "  [[service.backend]]", table("  [service.health]", CHECK) + "  [[service.backend]]", 1)]
        cls.lbd = DpdkLb(cls.site.lb, [*cls.parts, metrics(LISTEN)], cores="0-1").start()
        cls.show, cls.ctl = cls.lbd.show, cls.lbd.ctl
        for url in (URL4, URL6):
            wait_for(lambda: cls.site.curl(url, timeout=1, check=False), 10, f"a first answer from {url}")

    def get(self, path="/metrics", listen=LISTEN, check=True):
        return self.site.lb.run(["curl", "-sS", "-m", 5, f"http://{listen}{path}"], check=check, timeout=10).stdout

    def scrape(self):
        """{(name, label, value, …): number}"""
        return {(name, *(word for pair in sorted(labels.items()) for word in pair)): value
                for name, family in families(self.get()).items() for labels, value in family["samples"]}

    def settled(self, *words):
        """A `show` whose answer no longer changes: what was sent has come."""
        last = []

        def same():
            last.append(self.show(*words))
            return len(last) > 1 and last[-1] == last[-2]
        wait_for(same, 10, f"a steady {' '.join(words)}", interval=0.2)
        return last[-1]

    # Prometheus' text.

    def test_text_is_in_order(self):
        """By Prometheus' own checker, which also knows its customs: units, suffixes, help."""
        text = self.get()
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, timeout=30,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((checked.returncode, checked.stdout), (0, ""))
        self.assertGreater(len(families(text)), 40)

    def test_agrees_with_the_traffic(self):
        before = self.scrape()
        for url in (URL4, URL6):
            self.site.answers(url, 40)
        self.settled("show", "backends", "web")
        after = self.scrape()

        def grown(*key):
            return after[key] - before[key]
        self.assertEqual(grown("dpdk_lb_service_new_flows_total", "service", "web"), 80)
        packets = grown("dpdk_lb_service_packets_total", "service", "web")
        self.assertGreaterEqual(packets, 80 * 5, "SYN, ACK, request, FIN, ACK")
        backends = [key for key in after if key[0] == "dpdk_lb_backend_packets_total" and "web" in key]
        self.assertEqual(len(backends), 4)
        self.assertEqual(sum(grown(*key) for key in backends), packets)
        self.assertGreaterEqual(grown("dpdk_lb_port_receive_packets_total", "port", "uplink"), packets)
        verdicts = sum(value for key, value in after.items()
                       if key[0] == "dpdk_lb_worker_verdicts_total" and "forwarded" in key)
        self.assertGreaterEqual(verdicts, packets)
        self.assertGreater(after["dpdk_lb_flows",], 0)

    def test_agrees_with_the_console(self):
        self.site.answers(URL4, 20)
        self.site.curl("http://10.1.1.1:81/", timeout=1, check=False)
        self.settled("show", "backends")

        def console():
            told = {}
            for row in self.show("show", "services"):
                for key in ("packets", "bytes", "new_flows"):
                    told[f"dpdk_lb_service_{key}_total", "service", row["name"]] = row[key]
                told["dpdk_lb_service_backends_up", "service", row["name"]] = row["backends_up"]
            for row in self.show("show", "backends"):
                address = f"[{row['address']}]" if ":" in row["address"] else row["address"]
                labels = ("backend", f"{address}:{row['port']}", "service", row["service"])
                for key in ("packets", "bytes"):
                    told[f"dpdk_lb_backend_{key}_total", *labels] = row[key]
                told["dpdk_lb_backend_weight", *labels] = row["weight"]
                told["dpdk_lb_backend_state", *labels, "state", row["state"]] = 1
            for reason, count in self.show("show", "drops").items():
                told["dpdk_lb_drops_total", "reason", reason] = count
            for row in self.show("show", "workers"):
                told["dpdk_lb_worker_packets_total", "core", str(row["core"]), "worker", str(row["id"])] = row["packets"]
            for row in self.show("show", "ports"):
                told["dpdk_lb_port_receive_packets_total", "port", row["name"]] = row["rx_packets"]
                told["dpdk_lb_port_transmit_packets_total", "port", row["name"]] = row["tx_packets"]
            for row in self.show("show", "memory"):
                if row["unit"] == "mbufs":
                    told["dpdk_lb_mempool_size_mbufs", "pool", row["name"]] = row["size"]
            return told

        # The kernels talk too (ARP, ND): each number is between what the console says before and after.
        before, scraped, after = console(), self.scrape(), console()
        self.assertGreater(len(before), 50)
        self.assertGreater(before["dpdk_lb_drops_total", "reason", "no_service"], 0)
        for key, value in before.items():
            self.assertIn(key, scraped)
            self.assertTrue(value <= scraped[key] <= after[key], f"{key}: {value} {scraped[key]} {after[key]}")

    def test_follows_the_state(self):
        def state():
            return {key[-1]: value for key, value in self.scrape().items()
                    if key[0] == "dpdk_lb_service_backends" and "web" in key}
        self.assertEqual(state(), {"active": 4, "draining": 0, "down": 0})
        self.ctl("drain", "backend", "web", web4(2))
        self.addCleanup(self.ctl, "undrain", "backend", "web", web4(2))
        self.assertEqual(state(), {"active": 3, "draining": 1, "down": 0})
        labels = ("backend", f"{web4(2)}:80", "service", "web")
        self.assertIn(("dpdk_lb_backend_state", *labels, "state", "draining"), self.scrape())

    # A real Prometheus, and the dashboard.

    def prometheus(self):
        config = self.lab.dir / "prometheus.yml"
        config.write_text("global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
                          f"scrape_configs: [{{job_name: dpdk-lb, static_configs: [{{targets: ['{LISTEN}']}}]}}]\n")
        process = self.site.lb.start(["prometheus", f"--config.file={config}", "--web.listen-address=127.0.0.1:9090",
                                      f"--storage.tsdb.path={self.lab.dir}/prometheus"], log="prometheus.log")
        self.addCleanup(process.stop)

        def ready():
            if not process.running():
                raise RuntimeError(f"Prometheus ended:\n{process.output()[-3000:]}")
            return "Ready" in self.get("/-/ready", listen="127.0.0.1:9090", check=False)
        wait_for(ready, 30, "Prometheus is ready")
        return process

    def query(self, expression):
        answer = json.loads(self.get("/api/v1/query?" + urllib.parse.urlencode({"query": expression}),
                                     listen="127.0.0.1:9090"))
        self.assertEqual(answer["status"], "success", f"{expression}: {answer.get('error')}")
        return answer["data"]["result"]

    def dashboard_queries(self):
        dashboard = json.loads(DASHBOARD.read_text())
        texts = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                metric = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
                texts.append((f"${variable['name']}", f"count by ({metric[2]}) ({metric[1]})"))
        for title, text in texts:
            for variable, value in (("$__rate_interval", "5s"), ("$instance", ".*"), ("$service", ".*")):
                text = text.replace(variable, value)
            self.assertNotIn("$", text, title)
            yield title, text

    def test_dashboard(self):
        """Each query finds data in what a real Prometheus scraped, but those about checks where there are none."""
        queries = list(self.dashboard_queries())
        self.assertGreater(len(queries), 30)
        names = set(families(self.get()))
        for _, text in queries:
            for name in re.findall(r"\bdpdk_lb_\w+", text):
                self.assertTrue(name in names or name.startswith("dpdk_lb_health_"), name)
        has_checks = any(name.startswith("dpdk_lb_health_") for name in names)
        must = [(title, text) for title, text in queries if has_checks or "dpdk_lb_health_" not in text]
        self.prometheus()
        self.ctl("drain", "backend", "web", web4(2))
        self.addCleanup(self.ctl, "undrain", "backend", "web", web4(2))

        empty = []

        def all_have_data():
            self.site.answers(URL4, 10)
            self.site.curl("http://10.1.1.1:81/", timeout=0.2, check=False)
            empty[:] = [title for title, text in must if not self.query(text)]
            return not empty
        try:
            wait_for(all_have_data, 40, interval=0.5)
        except TimeoutError:
            self.fail(f"no data for {empty}")
        for title, text in queries:
            self.query(text)
        self.assertEqual(self.query("up")[0]["value"][1], "1")
        flows = self.query('dpdk_lb_service_new_flows_total{service="web"}')[0]
        self.assertGreater(float(flows["value"][1]), 0)
        self.assertIn("no_service", {row["metric"]["reason"] for row in self.query("dpdk_lb_drops_total > 0")})

    # The listener.

    def hold(self, number):
        process = subprocess.Popen(self.site.lb.argv([sys.executable, "-c", HOLDER, number]), text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def reload(self, listen):
        self.lbd.write([*self.parts, metrics(listen)])
        self.ctl("reload")

    def test_reload_moves_it(self):
        self.addCleanup(self.reload, LISTEN)
        self.reload(OTHER)
        self.assertIn("dpdk_lb_info", self.get(listen=OTHER))
        self.assertEqual(self.get(check=False), "")
        self.reload("")
        self.assertEqual(self.get(listen=OTHER, check=False), "")
        holder = self.hold(9478)
        self.reload(OTHER)
        self.assertIn("cannot listen on 127.0.0.1:9478: Address already in use; `ss -ltnp 'sport = :9478'`", self.lbd.log())
        self.site.answers(URL4, 3)
        holder.communicate()
        wait_for(lambda: "dpdk_lb_info" in self.get(listen=OTHER, check=False), 10, "the port is taken once it is free")

    def test_starts_with_its_port_taken(self):
        other = DpdkLb(self.site.lb, [port("net_null0", tap="", gateway=[]), metrics(LISTEN)], name="lb2")
        other.start()
        self.addCleanup(other.stop)
        wait_for(lambda: "cannot listen on 127.0.0.1:9477" in other.log(), 5, "a warning")
        self.assertEqual(other.show("show", "services"), [])
        self.assertEqual(other.stop(), 0)

    def test_hostile_clients(self):
        """10,000 of them: no crash, no hang, no descriptor left, no memory without bound."""
        def resident():
            return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
        pid = self.lbd.process.pid
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        hostile = [sys.executable, SUPPORT / "http_hostile.py", *LISTEN.split(":")]
        self.site.lb.run([*hostile, 500, 7], timeout=60)
        memory = resident()
        done = self.site.lb.run([*hostile, 10000], timeout=120)
        statuses = json.loads(done.stdout)
        for status in ("200", "400", "404", "405", "431"):
            self.assertGreater(statuses.get(status, 0), 20, statuses)
        self.assertLess(statuses.get("closed", 0), 500, statuses)
        wait_for(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= descriptors, 10, "their descriptors are closed")
        self.assertLess(resident() - memory, 4096, "kB")
        self.assertIn("dpdk_lb_info", self.get())
        self.assertSpread(self.site.answers(URL4, 10), ("web1", "web2"))

    # rte_telemetry.

    def telemetry(self, *commands):
        done = subprocess.run(["dpdk-telemetry.py", "-f", self.lbd.name], input="\n".join(commands) + "\nquit\n", text=True,
                              timeout=20, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
        decoder, answers, text = json.JSONDecoder(), [], done.stdout[done.stdout.index("{"):]
        while (start := text.find("{")) >= 0:
            answer, end = decoder.raw_decode(text[start:])
            answers.append(answer)
            text = text[start + end:]
        return [next(iter(answer.values())) for answer in answers[-len(commands):]]

    def test_telemetry(self):
        commands, info, services, backends, workers, drops, ports = self.telemetry(
            "/", "/dpdk_lb/info", "/dpdk_lb/services", "/dpdk_lb/backends,web", "/dpdk_lb/workers", "/dpdk_lb/drops",
            "/dpdk_lb/ports")
        for name in ("info", "services", "backends", "workers", "drops", "ports"):
            self.assertIn(f"/dpdk_lb/{name}", commands)
        self.assertEqual(info["name"], self.lbd.name)
        self.assertEqual({key: row["name"] for key, row in services.items()}, {"0": "web", "1": "checked"})
        rows = self.show("show", "backends", "web")
        for key in ("address", "port", "state", "packets", "bytes"):
            self.assertEqual([row[key] for row in backends.values()], [row[key] for row in rows])
        self.assertEqual([row["core"] for row in workers.values()], [0, 1])
        self.assertEqual(set(drops), set(self.show("show", "drops")))
        self.assertEqual(ports["0"]["name"], "uplink")
        bad, none, page, end = self.telemetry("/dpdk_lb/backends,wbe", "/dpdk_lb/backends", "/dpdk_lb/backends,web,3",
                                              "/dpdk_lb/backends,web,4")
        self.assertIn("no service 'wbe'", bad["error"])
        self.assertIn("name a service", none["error"])
        self.assertEqual({key: row["address"] for key, row in page.items()}, {"3": web6(2)})
        self.assertEqual(end, {})

    def test_telemetry_of_hostile_clients(self):
        path = f"/var/run/dpdk/{self.lbd.name}/dpdk_telemetry.v2"
        questions = [b"/dpdk_lb/backends," + bytes([n % 256]) * (n % 900) for n in range(300)]
        questions += [b"/dpdk_lb/services,%d" % (10 ** n) for n in range(30)] + [b"", b"\x00", b"/dpdk_lb/", b"," * 1000]
        for question in questions:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
                connection.settimeout(10)
                # DPDK lets ten in at a time, and frees a place a moment after its client has left.
                wait_for(lambda: self.greeted(connection, path), 10, "a place at the telemetry's table")
                connection.send(question)
                if question:
                    connection.recv(65536)
        self.assertEqual(self.telemetry("/dpdk_lb/info")[0]["name"], self.lbd.name)

    def greeted(self, connection, path):
        try:
            connection.connect(path)
        except OSError:
            return False
        return bool(connection.recv(65536))


class Ends(SystemTest):
    def test_nothing_is_left(self):
        """The telemetry's socket and directory go with the daemon, also while a client is connected."""
        lb = self.lab.namespace("lb")
        daemon = DpdkLb(lb, [port("net_null0", tap="", gateway=[]), metrics(LISTEN)]).start()
        directory = Path(f"/var/run/dpdk/{daemon.name}")
        self.assertTrue((directory / "dpdk_telemetry.v2").is_socket())
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(str(directory / "dpdk_telemetry.v2"))
            connection.send(b"/dpdk_lb/info")
            self.assertEqual(daemon.stop(), 0, daemon.log())
        self.assertFalse(directory.exists(), list(directory.parent.iterdir()))


if __name__ == "__main__":
    main()
