#!/usr/bin/python3
"""The file while connections run: reload, dry run, commit confirmed; drains of a backend, of all, and at the end.

    client   connections that stay open, curl
       │
     router ──┬── lb           dpdk-lb
              ├── web1, web2   nginx
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import CONSOLE, DpdkLb, port, service
from netlab import wait_for
from systemtest import SystemTest, main
from topology import Site, web4

VIP = "10.1.1.1"
HOLD = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], 80, timeout=5)
connection.connect()
connection.auto_open = 0
for _ in sys.stdin:
    connection.request("GET", "/")
    print(connection.getresponse().read().decode().strip(), flush=True)
"""


class Held:
    """One connection to the VIP that stays open; ask() sends a request on it."""
    made = 0

    def __init__(self, test):
        Held.made += 1
        self.process = test.site.client.start([sys.executable, "-c", HOLD, VIP], stdin=subprocess.PIPE,
                                              log=f"held-{Held.made}.log")
        test.addCleanup(self.close)
        self.web = self.ask()

    def ask(self):
        before = self.process.output().count("\n")
        self.process.popen.stdin.write(b"\n")
        self.process.popen.stdin.flush()

        def answered():
            if not self.process.running():
                raise RuntimeError(f"the connection broke:\n{self.process.output()}")
            return self.process.output().count("\n") > before
        wait_for(answered, 10, "an answer on a connection that stays open")
        return self.process.output().splitlines()[-1]

    def close(self):
        self.process.stop()
        self.process.popen.stdin.close()


class Reload(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, webs=2)

    daemons = 0

    def setUp(self):
        Reload.daemons += 1  # each test a log of its own
        self.daemon = DpdkLb(self.site.lb, [port(), self.web()], name=f"lb{Reload.daemons}")
        self.addCleanup(self.daemon.stop)
        self.daemon.start()
        wait_for(lambda: self.site.curl(f"http://{VIP}/", timeout=1, check=False), 10, "a first answer")

    def web(self, *weights, **keys):
        backends = [{"address": web4(n), "port": 80, "weight": weight}
                    for n, weight in enumerate(weights or (1, 1), 1) if weight is not None]
        return service("web", [VIP], "nat", backends, **{"scheduler": "rr", **keys})

    def write(self, *weights, **keys):
        self.daemon.write([port(), self.web(*weights, **keys)])

    def weights(self):
        return {row["address"]: row["weight"] for row in self.daemon.show("show", "backends", "web")}

    def held_on_both(self):
        held = [Held(self) for _ in range(4)]
        self.assertEqual({each.web for each in held}, {"web1", "web2"})
        return held

    def go_on(self, held):
        for each in held:
            self.assertEqual(each.ask(), each.web)

    def ctl(self, *words, check=True, timeout=30):
        return self.site.lb.run([CONSOLE, "-s", self.daemon.socket, *words], check=check, timeout=timeout)

    # The file.

    def test_sighup_and_reload_keep_the_flows_of_what_stays(self):
        held = self.held_on_both()
        self.write(1, 5)
        self.daemon.process.signal(signal.SIGHUP)
        wait_for(lambda: self.weights()[web4(2)] == 5, 5, "the reload by signal")
        self.go_on(held)
        self.write(3, 4)
        self.assertEqual(self.ctl("reload").stdout, "the configuration file is applied\n")
        self.assertEqual(self.weights(), {web4(1): 3, web4(2): 4})
        self.go_on(held)

    def test_a_dry_run_shows_all_and_changes_nothing(self):
        held = self.held_on_both()
        self.ctl("set", "backend", "web", web4(2), "weight", "9")
        before = self.weights()
        self.write(None, 1, scheduler="maglev")
        lines = self.ctl("reload", "--dry-run").stdout.splitlines()
        self.assertEqual(lines[:3], ["~ service web scheduler rr -> maglev",
                                     f"~ backend web {web4(2)}:80 weight 9 -> 1 (set by hand)",
                                     f"- backend web {web4(1)}:80"], lines)
        self.assertIn("50.0 % of new flows go elsewhere", lines[3])
        self.assertIn("1 backend that goes (", lines[3])
        plan = self.daemon.show("reload", "--dry-run")
        self.assertEqual(plan["moves"][0]["new_flows"], 0.5)
        self.assertGreaterEqual(plan["moves"][0]["ending_flows"],
                                sum(each.web == "web1" for each in held))
        self.assertEqual(self.weights(), before)
        self.go_on(held)

    def test_one_error_changes_nothing(self):
        held = self.held_on_both()
        self.write(7, 7, schedular="maglev")
        for words in (("reload",), ("reload", "--dry-run"), ("commit", "confirmed", "60s")):
            refused = self.ctl(*words, check=False)
            self.assertEqual((refused.returncode, refused.stdout), (1, ""), words)
            self.assertIn("schedular", refused.stderr)
            self.assertEqual(refused.stderr.count("\n"), 1, refused.stderr)
        self.assertEqual(self.ctl("rollback", check=False).returncode, 1)
        self.assertEqual(self.weights(), {web4(1): 1, web4(2): 1})
        self.go_on(held)

    def test_what_needs_a_restart_is_refused(self):
        self.daemon.keys["memory_mb"] = 512
        self.write(7, 7)
        refused = self.ctl("reload", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("lb.memory_mb cannot change while dpdk-lb runs", refused.stderr)
        self.assertEqual(self.weights(), {web4(1): 1, web4(2): 1})

    def test_changes_by_hand_are_shown_and_overwritten(self):
        self.assertEqual(self.ctl("show", "changes").stdout, "services and backends are those of the file\n")
        self.ctl("set", "backend", "web", web4(1), "weight", "6")
        self.ctl("drain", "backend", "web", web4(2))
        self.ctl("add", "backend", "web", "10.0.0.99", "port", "80")
        self.assertEqual(self.ctl("show", "changes").stdout.splitlines(),
                         [f"~ backend web {web4(1)}:80 weight 1 -> 6",
                          f"~ backend web {web4(2)}:80 draining false -> true", "+ backend web 10.0.0.99:80"])
        self.assertEqual(self.ctl("reload", "--dry-run").stdout.splitlines()[:3],
                         [f"~ backend web {web4(1)}:80 weight 6 -> 1 (set by hand)",
                          f"~ backend web {web4(2)}:80 draining true -> false (set by hand)",
                          "- backend web 10.0.0.99:80 (added by hand)"])
        self.ctl("reload")
        self.assertEqual(self.weights(), {web4(1): 1, web4(2): 1})
        self.assertEqual(self.daemon.backend("web", web4(2))["state"], "active")
        self.assertEqual(self.ctl("show", "changes").stdout, "services and backends are those of the file\n")

    # Commit.

    def by_hand(self):
        """A state that no file has."""
        self.ctl("set", "backend", "web", web4(1), "weight", "6")
        self.ctl("drain", "backend", "web", web4(2))

    def assertByHand(self):
        self.assertEqual(self.weights(), {web4(1): 6, web4(2): 1})
        self.assertEqual(self.daemon.backend("web", web4(2))["state"], "draining")

    def test_a_commit_is_taken_back_unless_confirmed(self):
        held = [each for each in self.held_on_both() if each.web == "web1"]
        self.by_hand()
        self.write(3)
        start = time.monotonic()
        self.ctl("commit", "confirmed", "2s")
        self.assertEqual(self.weights(), {web4(1): 3})
        self.assertIsNotNone(self.daemon.show("show", "changes")["unconfirmed_ms"])
        wait_for(lambda: self.weights() == {web4(1): 6, web4(2): 1}, 10, "the rollback")
        self.assertGreaterEqual(time.monotonic() - start, 1.9)
        self.assertByHand()
        self.assertIn("not confirmed in time", self.daemon.log())
        self.assertIn(f"~ backend web {web4(1)}:80 weight 1 -> 6", self.ctl("show", "changes").stdout)
        self.go_on(held)

    def test_a_confirmed_commit_stays(self):
        self.write(3, 4)
        self.ctl("commit", "confirmed", "1s")
        self.ctl("commit")
        self.assertEqual(self.ctl("commit", check=False).returncode, 1)
        self.assertIsNone(self.daemon.show("show", "changes")["unconfirmed_ms"])
        time.sleep(1.2)  # that nothing happens cannot be waited for
        self.assertEqual(self.weights(), {web4(1): 3, web4(2): 4})
        self.assertNotIn("rolled back", self.daemon.log())

    def test_rollback_at_once_and_no_second_commit_meanwhile(self):
        self.by_hand()
        self.write(3, 4)
        self.ctl("commit", "confirmed", "60s")
        for words in (("reload",), ("commit", "confirmed", "60s")):
            refused = self.ctl(*words, check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("waits to be confirmed; `commit` keeps it, `rollback` takes it back", refused.stderr)
        self.daemon.process.signal(signal.SIGHUP)
        wait_for(lambda: "waits to be confirmed" in self.daemon.log(), 5, "the refusal of SIGHUP")
        self.assertEqual(self.weights(), {web4(1): 3, web4(2): 4})
        self.ctl("rollback")
        self.assertByHand()
        self.ctl("reload")
        self.assertEqual(self.weights(), {web4(1): 3, web4(2): 4})

    # Drains.

    def test_drain_backend_waits_for_its_connections(self):
        held = self.held_on_both()
        on_web1 = [each for each in held if each.web == "web1"]
        # Connections of earlier requests are closed, which the next look sees.
        wait_for(lambda: self.daemon.backend("web", web4(1))["active_connections"] == len(on_web1), 5,
                 "only the held connections to be open")
        self.assertIn(f"{len(on_web1)} connections are open", self.ctl("drain", "backend", "web", web4(1)).stdout)
        late = self.ctl("drain", "backend", "web", web4(1), "wait", "500ms", check=False)
        self.assertEqual(late.returncode, 1)
        self.assertIn(f"{len(on_web1)} connections are open after 500ms", late.stderr)
        self.go_on(held)
        waiting = self.site.lb.start([CONSOLE, "-s", self.daemon.socket, "drain", "backend", "web", web4(1), "wait",
                                      "60s"], log="drain.log")
        for each in on_web1:
            self.assertTrue(waiting.running(), waiting.output())
            each.close()
        self.assertEqual(waiting.wait(20), 0, waiting.output())
        self.assertIn("no connection is left", waiting.output())
        self.assertEqual(set(self.site.answers(f"http://{VIP}/", 10)), {"web2"})

    def test_a_client_that_leaves_a_wait_leaves_nothing(self):
        held = self.held_on_both()
        waiting = self.site.lb.start([CONSOLE, "-s", self.daemon.socket, "drain", "backend", "web", web4(1), "wait",
                                      "1h"], log="left.log")
        wait_for(lambda: self.daemon.backend("web", web4(1))["state"] == "draining", 5, "the drain")

        def sockets():
            return len(self.site.lb.run(["ss", "-xH", "state", "established", "src", str(self.daemon.socket)]).stdout
                       .splitlines())
        wait_for(lambda: sockets() == 1, 5, "one console")
        waiting.kill()
        wait_for(lambda: sockets() == 0, 5, "the console's end")
        self.go_on(held)

    def test_routes_by_hand(self):
        def why():
            return self.daemon.show("show", "service", "web")["not_announced"]
        self.assertEqual(why(), "BGP is not enabled")
        self.ctl("withdraw", VIP)
        self.assertEqual(why(), "withdrawn by hand")
        self.assertIn("no: withdrawn by hand", self.ctl("show", "services").stdout)
        self.ctl("reload")
        self.assertEqual(why(), "withdrawn by hand", "a reload leaves routes by hand alone")
        self.assertIn(f"VIP {VIP} is withdrawn by hand", self.ctl("reload", "--dry-run").stdout)
        self.ctl("drain")
        self.assertEqual(why(), "the load balancer is drained")
        self.assertEqual(sum(self.site.answers(f"http://{VIP}/", 10).values()), 10)
        self.ctl("undrain")
        self.ctl("announce", VIP)
        self.ctl("set", "backend", "web", web4(1), "weight", "0")
        self.ctl("set", "backend", "web", web4(2), "weight", "0")
        self.assertEqual(why(), "fewer than min_backends usable: 0 of 1")
        self.assertEqual(self.ctl("withdraw", "10.9.9.9", check=False).returncode, 1)

    def test_sigterm_drains_first_and_a_second_one_does_not_wait(self):
        self.daemon.keys["drain_time"] = "60s"
        self.write(1, 1)
        self.ctl("reload")  # drain_time can change at run time
        held = self.held_on_both()
        self.daemon.process.signal(signal.SIGTERM)
        wait_for(lambda: self.daemon.show("show", "service", "web")["not_announced"]
                 == "the load balancer is drained", 5, "the drain")
        self.assertEqual(self.ctl("undrain", check=False).returncode, 1)
        self.go_on(held)
        self.assertEqual(sum(self.site.answers(f"http://{VIP}/", 10).values()), 10)
        self.daemon.process.signal(signal.SIGTERM)
        self.assertEqual(self.daemon.process.wait(5), 0)


if __name__ == "__main__":
    main()
