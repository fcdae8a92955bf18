"""Real routers and lib/bgp's speaker (bgp_peer) in network namespaces, for the interop tests.

    with Lab("frr") as lab:
        net = Link(lab)                      # rtr 10.10.1.1, fd10:1::1 -- lb 10.10.1.2, fd10:1::2
        frr = Frr(net.rtr, BGPD_CONF)
        lb = Speaker(net.lb, asn=65021, peers=[dict(address="10.10.1.1", asn=65000)])
        lb.up("10.10.1.1")

Nothing that Debian installs as a service is used or touched: each daemon runs in the foreground, with files of its own.
"""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from netlab import Lab, command, owner_is_gone, wait_for  # noqa: E402, F401

BUILD = Path(os.environ.get("DPDK_LB_BUILD", Path(__file__).resolve().parents[2] / "build"))
_number = itertools.count(1)

RTR, LB = "10.10.1.1", "10.10.1.2"
RTR6, LB6 = "fd10:1::1", "fd10:1::2"


class Link:
    """The router and the load balancer on one cable."""

    def __init__(self, lab):
        self.lab = lab
        self.rtr, self.lb = lab.namespace("rtr"), lab.namespace("lb")
        lab.veth(self.rtr, "r-lb", self.lb, "eth0")
        self.rtr.addresses("r-lb", f"{RTR}/24", f"{RTR6}/64")
        self.lb.addresses("eth0", f"{LB}/24", f"{LB6}/64")
        self.rtr.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1,
                         "net.ipv4.fib_multipath_hash_policy": 1})

    def fib(self, prefix):
        """The kernel's route, one line for each next hop; "" where there is none."""
        family = ["-6"] if ":" in prefix else []
        return self.rtr.run(["ip", *family, "route", "show", prefix]).stdout.strip()

    def wait_fib(self, prefix, there=True, timeout=10):
        return wait_for(lambda: (self.fib(prefix) != "") == there, timeout,
                        f"{prefix} {'in' if there else 'out of'} the router's FIB")


class FibMonitor:
    """What the kernel of a namespace says of its routes, from now on."""

    def __init__(self, namespace):
        self.process = namespace.start(["stdbuf", "-oL", "ip", "monitor", "route"])
        # A route that comes and goes again shows that the monitor listens.
        def listens():
            namespace.ip("route add blackhole 192.0.2.254", "route del blackhole 192.0.2.254")
            return "192.0.2.254" in self.process.output()
        wait_for(listens, 5, "ip monitor", interval=0.05)

    def of(self, prefix):
        return [line for line in self.process.output().splitlines() if f"{prefix} " in line + " "]


class Speaker:
    """bgp_peer, asked and told over its standard input and output."""

    def __init__(self, namespace, asn=65021, router_id="10.0.0.106", log_name=None, **config):
        self.namespace = namespace
        number = next(_number)
        path = namespace.lab.dir / f"bgp_peer-{number}.json"
        path.write_text(json.dumps(dict(asn=asn, router_id=router_id, **config)))
        path.chmod(0o600)
        self.log = namespace.lab.dir / f"bgp_peer-{number}.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                namespace.argv([BUILD / "test/interop/bgp_peer", path]), text=True, bufsize=1,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        namespace.lab.on_close(self.kill)

    def do(self, what, **options):
        self.process.stdin.write(json.dumps({"do": what, **options}) + "\n")
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"bgp_peer is gone: {self.log.read_text()}")
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def announce(self, prefix, **options):
        self.do("announce", prefix=prefix, **options)

    def withdraw(self, prefix):
        self.do("withdraw", prefix=prefix)

    def neighbors(self):
        return {n["address"]: n for n in self.do("state")["neighbors"]}

    def neighbor(self, address):
        return self.neighbors().get(address, {"state": "none"})

    def up(self, address, timeout=15):
        """Waits until the session is up, and returns its state."""
        try:
            return wait_for(lambda: self.neighbor(address)["state"] == "Established" and self.neighbor(address),
                            timeout, f"a session with {address}", interval=0.05)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.neighbor(address)}\n{self.log.read_text()}") from None

    def error(self, address, part, timeout=15):
        """Waits until the last error with a neighbour contains `part`, and returns the neighbour's state."""
        try:
            return wait_for(lambda: part in self.neighbor(address).get("last_error", "") and self.neighbor(address),
                            timeout, part, interval=0.05)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.neighbor(address)}\n{self.log.read_text()}") from None

    def heard(self, address):
        return {route["prefix"]: route for route in self.do("heard", neighbor=address)}

    def leave(self, what, **options):
        """"drain" or "upgrade", until the program has ended."""
        self.do(what, **options)
        assert self.process.wait(20) == 0, self.log.read_text()

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()


class Frr:
    """zebra and bgpd of Debian's frr; and bfdd, where it is wanted."""

    def __init__(self, namespace, bgpd, bfdd=None):
        self.namespace, lab = namespace, namespace.lab
        self.name = f"{lab.prefix}{next(_number)}"
        for top, group in (("/etc/frr", "frr"), ("/var/run/frr", "frrvty")):
            for left in (p for p in Path(top).glob("dlb-*") if owner_is_gone(p.name)):
                shutil.rmtree(left, ignore_errors=True)  # of a run that was killed
            path = Path(top) / self.name
            path.mkdir(parents=True)
            shutil.chown(path, "frr", group)
            lab.on_close(lambda path=path: shutil.rmtree(path, ignore_errors=True))
        (Path("/etc/frr") / self.name / "vtysh.conf").touch()
        # 8.4.4 leaves next-hop groups in the kernel short after a link flap.
        self._start("zebra", "no zebra nexthop kernel enable\n", ["-s", "90000000"])
        if bfdd is not None:
            self._start("bfdd", bfdd, [])
        self._start("bgpd", bgpd, ["-p", "179"])

    def _start(self, daemon, text, options):
        config = self.namespace.lab.dir / f"{self.name}-{daemon}.conf"
        config.write_text(text)
        config.chmod(0o644)
        # A router has a machine of its own: what a test looks for is not that this one is short of CPU.
        first = ["chrt", "--rr", "1"] if daemon == "bfdd" else []
        self.process = self.namespace.start(
            [*first, f"/usr/lib/frr/{daemon}", "-N", self.name, "-u", "frr", "-g", "frr", "-A", "127.0.0.1",
             "-f", config, "-i", f"/var/run/frr/{self.name}/{daemon}.pid", "--log", "stdout", *options])
        wait_for((Path("/var/run/frr") / self.name / f"{daemon}.vty").exists, 10, f"FRR's {daemon}")

    def vtysh(self, *lines):
        words = [word for line in lines for word in ("-c", line)]
        return self.namespace.run(["vtysh", "-N", self.name, *words]).stdout

    def json(self, line):
        return json.loads(self.vtysh(line + " json") or "{}")

    def neighbor(self, address):
        return self.json(f"show bgp neighbors {address}")[address]

    def route(self, prefix):
        """The one path of a prefix; None where there is none."""
        family = "ipv6" if ":" in prefix else "ipv4"
        paths = self.json(f"show bgp {family} unicast {prefix}").get("paths", [])
        return paths[0] if paths else None


class Bird:
    """Debian's bird2."""

    def __init__(self, namespace, text):
        lab = namespace.lab
        self.namespace, self.control = namespace, lab.dir / f"bird-{next(_number)}.ctl"
        config = self.control.with_suffix(".conf")
        config.write_text(text)
        self.process = namespace.start(["bird", "-f", "-c", config, "-s", self.control,
                                        "-P", self.control.with_suffix(".pid")])
        wait_for(self.control.exists, 10, "BIRD's control socket")

    def birdc(self, line):
        return self.namespace.run(["birdc", "-s", self.control, *line.split()], check=False).stdout


class Gobgp:
    """Debian's gobgpd, with its console client."""

    def __init__(self, namespace, text):
        lab = namespace.lab
        self.namespace, self.number = namespace, next(_number)
        config = lab.dir / f"gobgp-{self.number}.toml"
        config.write_text(text)
        self.process = namespace.start(["gobgpd", "-f", config, "-t", "toml", "-p", "--api-hosts", "127.0.0.1:50051"])
        wait_for(lambda: self.gobgp("global", check=False).returncode == 0, 15, "gobgpd", interval=0.1)

    def gobgp(self, *words, check=True):
        return self.namespace.run(["gobgp", "-u", "127.0.0.1", *words], check=check)


class Exabgp:
    """Debian's exabgp: it routes nothing, and says all that it hears as JSON."""

    def __init__(self, namespace, neighbor):
        base = namespace.lab.dir / f"exabgp-{next(_number)}"
        self.path, script, config = (base.with_suffix(end) for end in (".json", ".sh", ".conf"))
# The shell keeps its standard output: a helper that closes it is dead to ExaBGP.
        script.write_text(f"#!/bin/sh\ncat >{self.path}\n:\n")
        script.chmod(0o755)
        config.write_text(f"process heard {{ run {script}; encoder json; }}\n{neighbor}")
        env = dict(os.environ, **{"exabgp.daemon.user": "root", "exabgp.api.cli": "false", "exabgp.api.ack": "false"})
        self.process = namespace.start(["exabgp", config], env=env)

    def heard(self):
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        messages = []
        for line in lines:
            with contextlib.suppress(json.JSONDecodeError):  # the last line may still be on its way
                messages.append(json.loads(line))
        return messages


def is_installed(*programs):
    return all(shutil.which(p) or Path(p).exists() for p in programs)


def needs(*programs):
    """Exit status 77, a skip, where a program is missing."""
    if not is_installed(*programs):
        print(f"skipped: {' and '.join(programs)} are needed: scripts/deps interop")
        sys.exit(77)


__all__ = [name for name in dir() if not name.startswith("_") and name != "command"]
