"""Routers that speak BFD, in namespaces: FRR's bfdd, and BIRD.

Each runs from the lab's directory alone (configuration, sockets, pid files), and before ordinary processes: a router
has a machine of its own, and what a test wants to see is not that this one is short of CPU.
"""

import json
import re
import shutil
from pathlib import Path

from netlab import wait_for

FRR = Path("/usr/lib/frr")
FIRST = ["chrt", "--rr", "1"]


class Frr:
    """zebra and bfdd."""

    def __init__(self, namespace, config):
        self.namespace = namespace
        self.dir = namespace.lab.dir / f"frr-{namespace.short}"
        self.dir.mkdir()
        shutil.chown(self.dir, "frr", "frrvty")
        self.start("zebra", "")
        wait_for((self.dir / "zserv.api").exists, 10, "zebra's socket")
        self.config = config
        self.start_bfdd()

    def start(self, daemon, config, *options):
        (self.dir / f"{daemon}.conf").write_text("log stdout\n" + config)
        self.process = self.namespace.start(
            [*FIRST, FRR / daemon, "-u", "frr", "-g", "frr", "-P", "0", "-f", self.dir / f"{daemon}.conf", "-i",
             self.dir / f"{daemon}.pid", "-z", self.dir / "zserv.api", "--vty_socket", self.dir, *options],
            log=f"{daemon}-{self.namespace.short}.log")

    def start_bfdd(self):
        for path in ("bfdd.sock", "bfdd.vty", "bfdd.pid"):
            (self.dir / path).unlink(missing_ok=True)
        self.start("bfdd", self.config, "--bfdctl", self.dir / "bfdd.sock")
        wait_for((self.dir / "bfdd.vty").exists, 10, "bfdd's socket")

    def vtysh(self, *commands):
        words = [word for command in commands for word in ("-c", command)]
        return self.namespace.run(["vtysh", "--vty_socket", self.dir, *words]).stdout

    def configure(self, *lines):
        self.vtysh("configure terminal", "bfd", *lines)

    def peers(self):
        """By the peer's address."""
        return {peer["peer"]: peer for peer in json.loads(self.vtysh("show bfd peers json"))}

    def downs(self):
        return {peer["peer"]: peer["session-down"] for peer in json.loads(self.vtysh("show bfd peers counters json"))}

    def wait(self, address, status, timeout=5.0):
        wait_for(lambda: self.peers()[address]["status"] == status, timeout, f"FRR has {address} {status}", 0.05)


class Bird:
    def __init__(self, namespace, config):
        self.namespace = namespace
        self.config = namespace.lab.dir / f"bird-{namespace.short}.conf"
        self.socket = namespace.lab.dir / f"bird-{namespace.short}.ctl"
        self.write(config)
        self.start()

    def start(self):
        self.socket.unlink(missing_ok=True)
        self.process = self.namespace.start(
            [*FIRST, "bird", "-f", "-c", self.config, "-s", self.socket, "-P", self.socket.with_suffix(".pid")],
            log=f"bird-{self.namespace.short}.log")
        wait_for(lambda: self.socket.exists() and self.birdc("show status"), 10, "BIRD's socket")

    def write(self, config):
        self.config.write_text("router id 10.10.1.1;\nprotocol device { }\n" + config)

    def configure(self, config):
        self.write(config)
        self.birdc("configure")

    def birdc(self, command):
        return self.namespace.run(["birdc", "-s", self.socket, *command.split()], check=False).stdout

    def state(self, address):
        """('Up', seconds since it changed, transmit interval, detection time); None when it knows no such session."""
        line = re.search(rf"^{re.escape(address)}\s+\S+\s+(\w+)\s+(\S+)\s+([\d.]+)\s+([\d.]+)",
                         self.birdc("show bfd sessions"), re.M)
        return line and (line[1], line[2], float(line[3]), float(line[4]))

    def wait(self, address, state, timeout=5.0):
        wait_for(lambda: (self.state(address) or ("none",))[0] == state, timeout, f"BIRD has {address} {state}", 0.05)
