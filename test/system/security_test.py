#!/usr/bin/python3
"""Root is given up after the start: user, capabilities, the socket, and a clean end without root. The log's formats.

    client ── router ──┬── lb     dpdk-lb, started as root with user = "nobody"
                       ├── web1
                       └── web2
"""

import json
import pwd
import re
import shutil
import signal
import stat
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import CONSOLE, DAEMON, DpdkLb, port, service
from netlab import wait_for
from systemtest import SystemTest, main
from topology import Site, web4, web6

URLS = ("http://10.1.1.1/", "http://[2001:db8:1::1]/")
NOBODY = pwd.getpwnam("nobody")
DAEMON_USER = pwd.getpwnam("daemon")  # somebody else
NET_BIND_SERVICE, NET_ADMIN, NET_RAW = 10, 12, 13
KEPT = 1 << NET_BIND_SERVICE | 1 << NET_ADMIN | 1 << NET_RAW


def threads_of(pid):
    """Each thread's /proc status as a dict."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        found.append(dict(line.split(":\t", 1) for line in lines if ":\t" in line))
    return found


class OnTheSite(SystemTest):
    queues = 2
    number = 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, webs=2, queues=cls.queues)
        # Where anybody may read: the checkout, and the programs in it, may be closed to others.
        cls.console = cls.lab.dir / "dpdk-lbctl"
        shutil.copy(CONSOLE, cls.console)
        cls.console.chmod(0o755)

    def services(self, *webs):
        return [service("web", ["10.1.1.1", "2001:db8:1::1"], "nat", [web(n) for n in webs for web in (web4, web6)])]

    def lbd(self, device="net_af_packet0,iface=uplink", user="nobody", **keys):
        # A name, and so a log, for each test.
        OnTheSite.number += 1
        self.daemon = DpdkLb(self.site.lb, [], f"lb{OnTheSite.number}", cores="0-1", user=user, **keys)
        # A directory that dpdk-lb makes.
        directory = self.lab.dir / f"run-{self._testMethodName}"
        self.daemon.socket = directory / "lb.sock"
        self.daemon.keys["socket"] = str(self.daemon.socket)
        self.device = device
        self.write(1, 2)
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        self.addCleanup(self.daemon.stop)
        return self.daemon

    def write(self, *webs):
        self.daemon.write([port(self.device), *self.services(*webs)])

    def forwards(self):
        # "forwards" is logged once root is given up.
        wait_for(lambda: "forwards:" in self.daemon.log(), 10, "the start's last line in the log")

    def carries(self, *webs):
        for url in URLS:
            wait_for(lambda: self.site.curl(url, timeout=1, check=False), 10, f"a first answer from {url}")
            wait_for(lambda: set(self.site.answers(url, 20)) == set(webs), 10, f"answers of {webs} from {url}")

    def as_user(self, account, *words):
        ids = ["--reuid", account.pw_uid, "--regid", account.pw_gid, "--clear-groups"]
        return self.site.lb.run(["setpriv", *ids, self.console, "-s", self.daemon.socket, *words], check=False)

    def ends_clean(self):
        self.daemon.process.signal(signal.SIGTERM)
        self.assertEqual(self.daemon.process.wait(10), 0, self.daemon.log())
        self.assertFalse(self.daemon.socket.exists())
        self.assertNotIn("uplink0", self.site.lb.interfaces())
        self.assertNotRegex(self.site.lb.run(["ip", "link", "show", "uplink"]).stdout, r"\bxdp\b|xdp/id")
        self.assertEqual(self.site.lb.run(["nft", "list", "ruleset"]).stdout, "")
        left = Path("/var/run/dpdk") / self.daemon.name  # the directory may stay: it lies in one of root's
        self.assertEqual(list(left.iterdir()) if left.exists() else [], [])
        if left.exists():
            left.rmdir()
        self.assertNotRegex(self.daemon.log(), r"(?i)not permitted|permission denied")

    def has_given_up_root(self, uid, gid, kept=KEPT):
        threads = threads_of(self.daemon.process.pid)
        self.assertGreater(len(threads), 2, "control, two workers, and DPDK's own")
        for status in threads:
            with self.subTest(thread=status["Name"]):
                self.assertEqual(status["Uid"].split(), [str(uid)] * 4)
                self.assertEqual(status["Gid"].split(), [str(gid)] * 4)
                if uid:
                    self.assertNotIn("0", status["Groups"].split())
                for key in ("CapPrm", "CapEff", "CapBnd"):
                    self.assertEqual(int(status[key], 16), kept, key)
                self.assertEqual(int(status["CapInh"], 16), 0)
                self.assertEqual(int(status["CapAmb"], 16), 0)
                self.assertEqual(status["NoNewPrivs"], "1")


class AfPacket(OnTheSite):
    def test_user(self):
        """Every thread is nobody's; traffic, neighbours, reload, the console and the end all go without root."""
        self.lbd().start()
        self.forwards()
        self.has_given_up_root(NOBODY.pw_uid, NOBODY.pw_gid)
        self.carries("web1", "web2")
        learnt = {row["address"] for row in self.daemon.show("show", "neighbors") if row["mac"]}
        self.assertLessEqual({web4(1), web6(2)}, learnt)
        self.write(1)
        self.daemon.ctl("reload")
        self.carries("web1")
        self.write(2)
        self.daemon.process.signal(signal.SIGHUP)
        self.carries("web2")
        self.assertNotRegex(self.daemon.log(), r" (warning|error) ")
        self.ends_clean()

    def test_the_socket_is_the_users_alone(self):
        self.lbd().start()
        self.forwards()
        status = self.daemon.socket.stat()
        self.assertEqual((status.st_uid, status.st_gid), (NOBODY.pw_uid, NOBODY.pw_gid))
        self.assertEqual(stat.S_IMODE(status.st_mode), 0o600)
        self.assertEqual(self.as_user(NOBODY, "show", "version").returncode, 0)
        refused = self.as_user(DAEMON_USER, "show", "version")
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, r"(?i)permission")
        self.ends_clean()

    def test_without_a_user_capabilities_go_all_the_same(self):
        self.lbd(user="").start()
        self.forwards()
        self.has_given_up_root(0, 0)
        self.assertEqual(self.daemon.socket.stat().st_uid, 0)
        self.assertEqual(self.as_user(NOBODY, "show", "version").returncode, 1)
        self.carries("web1", "web2")
        self.write(1)
        self.daemon.ctl("reload")
        self.carries("web1")
        self.ends_clean()

    def test_routes_of_the_kernel_are_followed(self):
        self.lbd().start()
        self.forwards()
        self.site.lb.ip("route add 192.0.2.0/24 via 10.0.0.1 dev uplink0")
        wait_for(lambda: any(row["prefix"] == "192.0.2.0/24" for row in self.daemon.show("show", "routes")), 5,
                 "the route in `show routes`")
        self.ends_clean()

    def test_what_the_user_cannot_reach_is_said(self):
        self.lbd()
        directory = self.daemon.socket.parent
        directory.mkdir()  # root's
        self.daemon.file.chmod(0o600)
        self.daemon.start()
        self.forwards()
        self.assertRegex(self.daemon.log(), f"warning .*{self.daemon.file} cannot be read by user 'nobody'.*chmod")
        self.assertRegex(self.daemon.log(), f"warning .*{self.daemon.socket} cannot be removed.*chown nobody {directory}")
        self.assertEqual(self.daemon.socket.stat().st_uid, NOBODY.pw_uid)
        self.assertEqual(self.daemon.ctl("reload", check=False).returncode, 1)
        self.assertEqual(self.daemon.stop(), 0)
        # What it left is no obstacle to the next.
        self.daemon.file.chmod(0o644)
        self.daemon.start()
        self.forwards()

    def test_a_user_that_is_not(self):
        self.lbd(user="no-such-user")
        for words in ([], ["--check"]):
            done = self.site.lb.run([DAEMON, "-c", self.daemon.file, *words], check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("there is no user 'no-such-user'", done.stdout + done.stderr)
            self.assertIn("useradd", done.stdout + done.stderr)
        self.assertFalse(self.daemon.socket.exists())

    def test_only_root_can_become_another(self):
        self.lbd(user="daemon")
        program = self.lab.dir / "dpdk-lb"
        shutil.copy(DAEMON, program)
        program.chmod(0o755)
        ids = ["--reuid", NOBODY.pw_uid, "--regid", NOBODY.pw_gid, "--clear-groups"]
        done = self.site.lb.run(["setpriv", *ids, program, "-c", self.daemon.file, "--check"], check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no permission to become 'daemon'", done.stdout)
        self.assertRegex(done.stdout, r"setcap cap_setgid,cap_setuid,cap_net_admin,cap_net_raw\+ep \S+/dpdk-lb`")

    def test_the_log_as_json(self):
        self.lbd(log_format="json").start()
        self.forwards()
        lines = [json.loads(line) for line in self.daemon.process.output().splitlines()]
        self.assertEqual({tuple(line) for line in lines}, {("time", "level", "message")})
        self.assertTrue(any("forwards" in line["message"] and line["level"] == "info" for line in lines))
        self.assertTrue(any("forwards" in line for line in self.daemon.ctl("show", "log").stdout.splitlines()))
        # A reload changes it.
        self.daemon.keys["log_format"] = "text"
        self.write(1)
        self.daemon.ctl("reload")
        self.assertRegex(self.daemon.process.output().splitlines()[-1], r"^\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d info ")

    def test_a_flood_is_limited_and_counted(self):
        self.lbd().start()
        self.forwards()
        self.daemon.file.write_text("[lb]\nname = 5\n")
        for _ in range(60):
            self.assertEqual(self.daemon.ctl("reload", check=False).returncode, 1)
        alike = r"(?m)^\S+ error \S+:2: lb.name: name is 5"
        self.assertRegex(self.daemon.process.output(), alike)
        wait_for(lambda: "more like this suppressed" in self.daemon.process.output(), 15, "the count in the log")
        log = self.daemon.process.output()
        told = len(re.findall(alike, log))
        counted = sum(map(int, re.findall(r"error … (\d+) more like this suppressed: \S+:2: lb.name", log)))
        self.assertLess(told, 60)
        self.assertEqual(told + counted, 60)

    def test_the_log_to_the_journal(self):
        self.lbd()
        # The journal's stream is known by its device and inode; here it is the log file.
        log = self.lab.dir / f"{self.daemon.file.stem}.log"
        log.touch()
        status = log.stat()
        self.daemon.start(wrapper=["env", f"JOURNAL_STREAM={status.st_dev}:{status.st_ino}"])
        self.forwards()
        self.assertRegex(self.daemon.process.output().splitlines()[-1], r"^<6>dpdk-lb .* forwards: ")


class AfXdp(OnTheSite):
    queues = 1

    def test_user(self):
        """The XDP program goes with the process, without root."""
        self.lbd("net_af_xdp0,iface=uplink").start()
        self.forwards()
        self.has_given_up_root(NOBODY.pw_uid, NOBODY.pw_gid)
        self.assertRegex(self.site.lb.run(["ip", "link", "show", "uplink"]).stdout, r"\bxdp|xdp/id")
        self.carries("web1", "web2")
        self.ends_clean()
        # libbpf's and libxdp's own words are none of the log.
        for line in self.daemon.log().splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\S+ (info|warning) ")


class Tap(SystemTest):
    def test_user(self):
        lb = self.lab.namespace("lb", stock=True)
        daemon = DpdkLb(lb, [port("net_tap0,iface=dtap0")], user="nobody")
        self.addCleanup(daemon.stop)
        daemon.start()
        wait_for(lambda: "forwards:" in daemon.log(), 10, "the start's last line in the log")
        self.assertLessEqual({"dtap0", "uplink0"}, lb.interfaces())
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(lb.interfaces() & {"dtap0", "uplink0"}, set())
        self.assertNotRegex(daemon.log(), r"(?i)not permitted|permission denied")


if __name__ == "__main__":
    main()
