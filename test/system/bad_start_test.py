#!/usr/bin/python3
"""What is wrong is said with its mend, the exit status is 1 or 2, and nothing is left half started.

    lb [uplink] ── peer    a veth without anybody at the other end
"""

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from dpdklb import DAEMON, DpdkLb, port, service
from systemtest import SystemTest, main

WEB = service("web", ["10.1.1.1"], "nat", ["10.0.0.11"])


class BadStart(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lb, peer = cls.lab.namespace("lb"), cls.lab.namespace("peer")
        cls.lab.veth(cls.lb, "uplink", peer, "eth0", offloads=False, queues=2)

    def setUp(self):
        self.daemon = DpdkLb(self.lb, [port(), WEB])
        self.before = self.traces()

    def traces(self):
        """What a start could leave behind."""
        run = Path("/var/run/dpdk")
        return {
            "interfaces": self.lb.interfaces(),
            "addresses": self.lb.run(["ip", "-o", "addr"]).stdout.count("inet"),
            "qdiscs": self.lb.run(["tc", "qdisc"]).stdout,
            "nft": self.lb.run(["nft", "list", "ruleset"]).stdout,
            "socket": self.daemon.socket.exists(),
            "eal": sorted(run.glob(f"{self.daemon.name}*")) if run.exists() else [],
            "huge": sorted(Path("/dev/hugepages").glob(f"{self.daemon.name}*")),
        }

    def refused(self, *said, statuses=(2,), argv=None, wrapper=()):
        """Starting fails with one of `statuses`, and standard error holds each of `said`. Returns it."""
        done = self.lb.run([*wrapper, DAEMON, *(["-c", self.daemon.file] if argv is None else argv)], check=False)
        self.assertIn(done.returncode, statuses, done.stderr)
        for text in said:
            self.assertIn(text, done.stderr)
        self.assertNotIn("terminate called", done.stderr)
        self.assertEqual(self.traces(), self.before)
        return done.stderr

    def write(self, *parts):
        self.daemon.write(parts)
        return self.daemon.file.read_text().splitlines()

    def line(self, text):
        """file:line of the first line that holds `text`."""
        lines = self.daemon.file.read_text().splitlines()
        return f"{self.daemon.file.name}:{next(n for n, line in enumerate(lines, 1) if text in line)}"

    def test_no_file(self):
        self.refused("nosuch.toml", argv=["-c", self.lab.dir / "nosuch.toml"])

    def test_no_option(self):
        self.refused("-c", argv=[])

    def test_unknown_option(self):
        self.refused("--nosuch", argv=["-c", self.daemon.file, "--nosuch"])

    def test_wrong_eal_options(self):
        for words, named in ((["--bogus-eal"], "--bogus-eal"), (["-l", "nosuch"], "-l nosuch"), (["word"], "word")):
            with self.subTest(words=words):
                argv = [DAEMON, "-c", self.daemon.file, "--", *words]
                done = self.lb.run(argv, check=False)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertIn(f"behind `--` are wrong: {named}", done.stderr)
                self.assertEqual(self.traces(), self.before)

    def test_not_toml(self):
        self.write(port(), WEB, "[[service\nname = ")
        self.refused(self.daemon.file.name + ":")

    def test_unknown_key(self):
        self.write(port(), WEB.replace("scheduler =", "scheduller ="))
        self.refused(self.line("scheduller"), "scheduller")

    def test_bad_address(self):
        self.write(port(), WEB.replace('"10.0.0.11"', '"10.0.0.311"'))
        self.refused(self.line("10.0.0.311"), "10.0.0.311")

    def test_bad_prefix_and_bad_gateway_are_both_named_in_one_go(self):
        self.write(port(address=["10.0.0.106/33"], gateway=["10.0.0.x"]), WEB)
        self.refused(self.line("/33"), self.line("10.0.0.x"), "10.0.0.106/33", "10.0.0.x")

    def test_backend_of_the_other_family_in_nat(self):
        self.write(port(), service("web", ["10.1.1.1"], "nat", ["2001:db8::11"]))
        self.refused(self.daemon.file.name, "web")

    def test_wrong_type_and_wrong_word(self):
        self.write(port(), WEB.replace("ports = [80]", 'ports = "eighty"').replace('mode = "nat"', 'mode = "natt"'))
        self.refused(self.line("eighty"), self.line("natt"), "fnat")

    def test_ports_out_of_range_twice_the_same_name_and_no_port(self):
        self.write(port(), WEB.replace("ports = [80]", "ports = [70000]"), WEB)
        self.refused(self.line("70000"), "70000")
        self.write(port(), WEB, WEB)
        self.refused("web")
        self.write(WEB)
        self.refused("[[port]]")

    def test_missing_interface(self):
        self.write(port("net_af_packet0,iface=nosuch0"), WEB)
        self.refused("nosuch0", statuses=(1, 2))

    def test_missing_pci_device(self):
        self.write(port("0000:ff:1f.7"), WEB)
        self.refused("0000:ff:1f.7", statuses=(1, 2))

    def test_a_refusal_by_dpdk_ends_with_a_mend(self):
        self.write(port("net_af_packet0,iface=uplink,nosuch=1"), WEB)
        self.refused("nosuch", "; check the arguments of `device`", statuses=(1,))

    def test_unknown_driver(self):
        self.write(port("net_nosuch0"), WEB)
        self.refused("net_nosuch0", statuses=(1, 2))

    def test_core_that_is_not_there(self):
        self.daemon.keys["cores"] = str(os.cpu_count() + 60)
        self.write(port(), WEB)
        self.refused(str(os.cpu_count() + 60), statuses=(1, 2))

    def test_twin_name_is_taken(self):
        self.write(port(tap="uplink"), WEB)
        self.refused("uplink", statuses=(1, 2))

    def test_second_port_fails_and_the_first_is_undone(self):
        second = port("net_af_packet1,iface=nosuch0", name="second", tap="second0", address=["10.5.0.1/24"], gateway=[])
        self.write(port(), second, WEB)
        self.refused("nosuch0", statuses=(1, 2))

    def test_socket_in_use(self):
        self.daemon.start()
        self.addCleanup(self.daemon.stop)
        self.before = self.traces()
        self.daemon.keys["name"] += "b"
        self.write(port("net_null0", tap="", address=["10.7.0.1/24"], gateway=[]), WEB)
        self.refused(str(self.daemon.socket), statuses=(1, 2))
        self.assertEqual(self.daemon.ctl("show", "version").returncode, 0, "the running one was disturbed")

    def test_socket_path_that_cannot_be(self):
        self.daemon.keys["socket"] = "/proc/nosuch/lb.sock"
        self.write(port(), WEB)
        self.refused("/proc/nosuch", statuses=(1, 2))

    def test_a_file_where_the_socket_should_be_is_not_removed(self):
        self.daemon.socket.write_text("precious")
        self.addCleanup(self.daemon.socket.unlink)
        self.before = self.traces()
        self.refused(str(self.daemon.socket), statuses=(1, 2))
        self.assertEqual(self.daemon.socket.read_text(), "precious")

    def test_no_permission(self):
        # Where anybody may read: the checkout, and the programs in it, may be closed to others.
        program = self.lab.dir / "dpdk-lb"
        shutil.copy(DAEMON, program)
        program.chmod(0o755)
        self.daemon.file.chmod(0o644)
        done = self.lb.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                            program, "-c", self.daemon.file], check=False)
        self.assertIn(done.returncode, (1, 2), done.stderr)
        self.assertRegex(done.stderr, r"root|CAP_NET_ADMIN|sudo")
        self.assertEqual(self.traces(), self.before)

    def test_unreadable_file(self):
        self.daemon.file.chmod(0o600)
        program = self.lab.dir / "dpdk-lb"
        shutil.copy(DAEMON, program)
        program.chmod(0o755)
        done = self.lb.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                            program, "-c", self.daemon.file], check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(self.daemon.file.name, done.stderr)

    def checked(self, *said, device=None):
        """--check, and a start, both find it: status 1, the same words, a mend."""
        if device:
            self.write(port(device, tap="", gateway=[]), WEB)
        done = self.lb.run([DAEMON, "-c", self.daemon.file, "--check"], check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        for text in said:
            self.assertRegex(done.stdout, f"error: .*{text}.*; ")
        self.refused(statuses=(1,))

    def test_check_finds_missing_files(self):
        nowhere = self.lab.dir / "nowhere"
        self.checked("rx_pcap: .*nowhere", device=f"net_pcap0,rx_pcap={nowhere},tx_pcap=/dev/null")
        self.checked("tx_pcap: .*nowhere", device=f"net_pcap0,rx_pcap=/dev/null,tx_pcap={nowhere}/out.pcap")
        self.checked("nowhere", device=f"net_memif0,socket={nowhere}/memif.sock,socket-abstract=no")

    def test_check_finds_a_file_where_the_socket_should_be(self):
        self.daemon.socket.write_text("precious")
        self.addCleanup(self.daemon.socket.unlink)
        self.before = self.traces()
        self.checked("is no socket")

    def test_check_finds_a_socket_below_a_file(self):
        self.daemon.keys["socket"] = f"{self.daemon.file}/run/lb.sock"
        self.write(port(), WEB)
        self.checked("is no directory")

    def test_check_finds_buffers_beyond_the_memory(self):
        self.daemon.keys.update(mbufs=131072, memory_mb=256)
        self.write(port(), WEB)
        self.checked("do not hold mbufs = 131072")

    def test_check_says_the_same_and_starts_nothing(self):
        self.assertEqual(self.lb.run([DAEMON, "-c", self.daemon.file, "--check"]).returncode, 0)
        self.assertEqual(self.traces(), self.before)
        self.write(port("net_af_packet0,iface=nosuch0"), WEB.replace("scheduler =", "scheduller ="))
        said = self.refused("scheduller", argv=["-c", self.daemon.file, "--check"])
        self.assertIn(self.line("scheduller"), said)
        self.write(port("net_af_packet0,iface=nosuch0"), WEB)
        done = self.lb.run([DAEMON, "-c", self.daemon.file, "--check"], check=False)
        self.assertIn(done.returncode, (1, 2))
        self.assertIn("nosuch0", done.stdout + done.stderr)


if __name__ == "__main__":
    main()
