"""dpdk-lb under test: its file, its process, its console."""

import json
import os
import re
import subprocess

from netlab import wait_for
from servers import BUILD

DAEMON = BUILD / "app/dpdk-lb/dpdk-lb"
CONSOLE = BUILD / "app/dpdk-lbctl/dpdk-lbctl"


def quoted(value):
    """A Python value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {quoted(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(quoted, value)) + "]"
    return str(value)


def table(header, keys):
    return "\n".join([header, *(f"{key} = {quoted(value)}" for key, value in keys.items()), ""])


def service(name, vip, mode, backends, port=80, **keys):
    """A [[service]] with its backends: addresses, or dicts of backend keys."""
    keys = {"name": name, "vip": vip, "protocol": "tcp", "ports": [port], "mode": mode, "scheduler": "maglev", **keys}
    text = table("[[service]]", keys)
    for backend in backends:
        backend = backend if isinstance(backend, dict) else {"address": backend, "port": port}
        text += table("  [[service.backend]]", backend)
    return text


def port(device="net_af_packet0,iface=uplink", **keys):
    keys = {"name": "uplink", "device": device, "address": ["10.0.0.106/24", "2001:db8::106/64"],
            "gateway": ["10.0.0.1", "2001:db8::1"], "tap": "uplink0", **keys}
    return table("[[port]]", keys)


def bgp(neighbors, asn=65021, **keys):
    """[bgp] with its neighbours: dicts of keys."""
    text = table("[bgp]", {"asn": asn, **keys})
    for neighbor in neighbors:
        text += table("  [[bgp.neighbor]]", neighbor)
    return text


class DpdkLb:
    """One daemon in one namespace. `parts`: [[port]] and [[service]] texts; `lb`: keys of [lb]."""

    def __init__(self, namespace, parts, name="lb1", **lb):
        self.namespace, self.lab = namespace, namespace.lab
        # The name is the EAL's file prefix too: one run must not meet another.
        self.name = f"{name}-{os.getpid()}"
        self.socket = self.lab.dir / f"{name}.sock"
        self.file = self.lab.dir / f"{name}.toml"
        self.keys = {"name": self.name, "cores": "0", "control_core": 0, "idle": "adaptive",
                     "socket": str(self.socket), "hugepages": False, "memory_mb": 256, "flow_table_size": 65536,
                     "mbufs": 8192, "drain_time": "100ms", **lb}
        self.process = None
        self.write(parts)

    def write(self, parts):
        self.file.write_text(table("[lb]", self.keys) + "\n" + "\n".join(parts))

    def start(self, *options, wait=True, timeout=20, wrapper=()):
        self.process = self.namespace.start([*wrapper, DAEMON, "-c", self.file, *options], log=f"{self.file.stem}.log")
        if wait:
            wait_for(self.answers, timeout, f"{self.name} answers on its socket")
        return self

    def answers(self):
        if not self.process.running():
            raise RuntimeError(f"dpdk-lb ended with {self.process.popen.returncode}:\n{self.log()}")
        return self.socket.exists() and self.ctl("show", "version", check=False).returncode == 0

    def log(self):
        return self.process.output()[-6000:] if self.process else ""

    def stop(self, timeout=10):
        """SIGTERM; the exit status. None where it never started."""
        return self.process.stop(timeout) if self.process else None

    def ctl(self, *words, check=True):
        """One console command; the finished process."""
        return self.namespace.run([*self.ctl_argv(), *words], check=check, timeout=10)

    def ctl_argv(self):
        return [CONSOLE, "-s", self.socket]

    def show(self, *words):
        """The JSON document of a `show` (or explain)."""
        return json.loads(self.ctl("--json", *words).stdout)

    def backend(self, service_name, address):
        """The row of `show backends`; None when there is none."""
        rows = [row for row in self.show("show", "backends", service_name) if row["address"] == address]
        return rows[0] if rows else None

    def ready(self, service_name, count, timeout=10):
        """Waits until the next hops of `count` backends of the service are known: the first packet finds its way."""
        def active():
            rows = self.show("show", "backends", service_name)
            return sum(row["state"] == "active" for row in rows) >= count
        wait_for(active, timeout, f"{count} active backends of {service_name}")


def start(argv, **options):
    """dpdk-lb to its end, outside of any lab: for --version and bad starts."""
    return subprocess.run([DAEMON, *map(str, argv)], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30, **options)


class WrkResult:
    """What wrk printed, as numbers. `errors`: connect, read, write, timeout and non-2xx, all together."""

    def __init__(self, text):
        self.text = text
        found = re.search(r"(\d+) requests in", text)
        self.requests = int(found[1]) if found else 0
        sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
        status = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        self.errors = (sum(map(int, sockets.groups())) if sockets else 0) + (int(status[1]) if status else 0)
        if not found:
            self.errors += 1


def wrk_argv(url, seconds, connections=200, close=False):
    return ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s",
            *(["-H", "Connection: close"] if close else []), url]
