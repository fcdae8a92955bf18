"""Topologies in network namespaces, for the system tests and scripts/quickstart. Standard library only; needs root.

    with Lab("modes") as lab:
        client, lb = lab.namespace("client"), lab.namespace("lb")
        lab.veth(client, "eth0", lb, "uplink", offloads=False, queues=2)
        client.addresses("eth0", "10.0.9.2/24", "2001:db8:9::2/64")
        client.run(["ping", "-c1", "10.0.9.1"])

Names carry the pid and the start time of the process that made them (dlb-PID-START-NAME), so that runs at the same
time do not meet, and so that the next run clears away what a killed one left. Everything goes again at the end
of the `with`, whichever way it ends: return, exception, SIGINT, SIGTERM or SIGHUP. Only processes started here, or found inside
a namespace made here, are ever ended, each by its pid.
"""

import atexit
import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

NETNS = Path("/run/netns")
NAME = re.compile(r"dlb-(\d+)-(\d+)-")
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def wait_for(condition, timeout=5.0, what="", interval=0.02):
    """Calls `condition` until it returns something true, and returns that. Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {timeout:g} s: {what or condition}")
        time.sleep(interval)


def start_time(pid):
    """When `pid` started, in clock ticks since boot; None when there is no such process. Tells a reused pid."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def command(*argv, check=True, timeout=30, input=None, env=None):
    """Runs a command to its end; text in and out. With `check`, a failure raises with what the command said."""
    done = subprocess.run(argv, text=True, input=input, timeout=timeout, env=env, errors="replace",
                          stdin=subprocess.DEVNULL if input is None else None,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class Process:
    """A process in a namespace, leader of a group of its own; standard output and error go to one log file."""

    def __init__(self, argv, log, survive=False, stdin=None, env=None):
        self.argv = [str(word) for word in argv]
        self.log = Path(log)

        def die_with_parent():
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(
                self.argv, stdin=stdin if stdin is not None else subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, env=env, preexec_fn=None if survive else die_with_parent)
        self.pid = self.popen.pid
        self.started = start_time(self.pid)

    def running(self):
        return self.popen.poll() is None

    def output(self):
        return self.log.read_text(errors="replace")

    def signal(self, number):
        if self.running():
            os.kill(self.pid, number)

    def wait(self, timeout=10.0):
        """The exit status; a negative number for a signal."""
        return self.popen.wait(timeout)

    def stop(self, timeout=5.0):
        """SIGTERM, after `timeout` SIGKILL, then the rest of its group. Returns the exit status."""
        self.signal(signal.SIGTERM)
        try:
            self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            pass
        self.kill()
        return self.popen.returncode

    def kill(self):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait(10)


class Namespace:
    """One network namespace. IPv6 addresses are usable at once (no duplicate address detection) unless `stock`."""

    def __init__(self, lab, name, stock=False):
        self.lab, self.short = lab, name
        self.name = f"{lab.prefix}{name}"
        command("ip", "netns", "add", self.name)
        self.ip("link set lo up")
        quiet = {"net.ipv6.conf.{}.router_solicitations": 0, "net.ipv6.conf.{}.accept_ra": 0,
                 "net.ipv6.conf.{}.accept_dad": 0}
        if not stock:
            self.sysctl({key.format(scope): value for key, value in quiet.items() for scope in ("all", "default")})
        self.sysctl({f"net.ipv4.conf.{scope}.rp_filter": 0 for scope in ("all", "default")})

    def argv(self, words):
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def run(self, words, **options):
        """Runs a command in here to its end; see command()."""
        return command(*self.argv(words), **options)

    def start(self, words, log=None, **options):
        """Starts a process in here that the lab ends; its output goes to `log` in the lab's directory."""
        log = self.lab.dir / (log or f"{self.short}-{Path(str(words[0])).name}-{len(self.lab.processes)}.log")
        process = Process(self.argv(words), log, survive=self.lab.keep, **options)
        self.lab.processes.append(process)
        return process

    def ip(self, *lines, family=None):
        """Lines for `ip`, in one go: ip("link set eth0 up", "route add default via 10.0.0.1"). `family`: 4 or 6."""
        options = [f"-{family}"] if family else []
        command("ip", *options, "-n", self.name, "-batch", "-", input="\n".join(lines) + "\n")

    def sysctl(self, values):
        self.run(["sysctl", "-q", "-w", *(f"{key}={value}" for key, value in values.items())])

    def addresses(self, device, *addresses):
        """Gives `device` its addresses ("10.0.0.1/24", "2001:db8::1/64") and sets it up."""
        self.ip(f"link set {device} up",
                *(f"addr add {a} dev {device}{' nodad' if ':' in a else ''}" for a in addresses))

    def offloads_off(self, device):
        """For a device whose other end is DPDK: whole packets with whole checksums only."""
        self.run(["ethtool", "-K", device, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off"])

    def bridge(self, name, *ports):
        self.ip(f"link add {name} type bridge stp_state 0 mcast_snooping 0", f"link set {name} up",
                *(f"link set {port} master {name}" for port in ports), *(f"link set {port} up" for port in ports))

    def interfaces(self):
        return set(re.findall(r"^\d+: ([^:@]+)", self.run(["ip", "-o", "link"]).stdout, re.M))

    def pids(self):
        return [int(pid) for pid in command("ip", "netns", "pids", self.name, check=False).stdout.split()]

    def delete(self):
        _delete_namespace(self.name)


def _delete_namespace(name):
    """Ends what still runs in the namespace, by pid, and removes it."""
    for pid in command("ip", "netns", "pids", name, check=False).stdout.split():
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(pid), signal.SIGKILL)
    command("ip", "netns", "del", name, check=False)


def owner_is_gone(name):
    """Whether the run that named something so has ended."""
    match = NAME.match(name)
    return bool(match) and start_time(int(match[1])) != int(match[2])


def clear_leftovers():
    """Removes namespaces and directories of earlier runs whose process is gone. Returns their names."""
    gone = []
    if NETNS.is_dir():
        for name in sorted(os.listdir(NETNS)):
            if owner_is_gone(name):
                _delete_namespace(name)
                gone.append(name)
    for path in Path(tempfile.gettempdir()).glob("dlb-*-*-*"):
        if owner_is_gone(path.name):
            shutil.rmtree(path, ignore_errors=True)
            gone.append(path.name)
    return gone


def leftovers(prefix, directory):
    """What is there of a lab that was made with keep=(prefix, directory)."""
    spaces = sorted(name for name in os.listdir(NETNS) if name.startswith(prefix)) if NETNS.is_dir() else []
    return spaces + [directory] * Path(directory).exists()


def take_down(prefix, directory):
    """Ends such a lab: SIGTERM to what runs in its namespaces, and after a while SIGKILL."""
    spaces = [name for name in leftovers(prefix, directory) if name != directory]

    def pids():
        return [int(pid) for name in spaces
                for pid in command("ip", "netns", "pids", name, check=False).stdout.split()]

    for pid in pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        wait_for(lambda: not pids(), 10, "the end of every process")
    for name in spaces:
        _delete_namespace(name)
    shutil.rmtree(directory, ignore_errors=True)


def _interrupt(number, _frame):
    # As Ctrl-C does: unittest lets it through, and the labs are closed on the way out.
    raise KeyboardInterrupt(signal.Signals(number).name)


@atexit.register
def _close_all():
    for lab in reversed(list(Lab._open)):
        lab.close()


class Lab:
    """The namespaces, processes and files of one run.

    `keep`: a (prefix, directory) pair for a lab that may outlive this process: its processes do not die with it.
    """

    _open = []  # innermost last; what an exit has to close

    def __init__(self, name, keep=None):
        if os.geteuid() != 0:
            raise PermissionError("network namespaces need root")
        clear_leftovers()
        self.keep = keep is not None
        self.prefix = keep[0] if keep else f"dlb-{os.getpid()}-{start_time(os.getpid())}-{name}{len(Lab._open)}-"
        self.dir = Path(keep[1]) if keep else Path(tempfile.mkdtemp(prefix=self.prefix))
        self.dir.mkdir(parents=True, exist_ok=True)
        self.dir.chmod(0o755)
        self.namespaces, self.processes, self._undo = {}, [], []
        Lab._open.append(self)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)

    def release(self):
        """The lab stays when this process ends."""
        Lab._open.remove(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def namespace(self, name, stock=False):
        self.namespaces[name] = Namespace(self, name, stock)
        return self.namespaces[name]

    def veth(self, a, a_device, b, b_device, offloads=True, queues=1, mtu=1500):
        """A cable between two namespaces, both ends up. `offloads=False` where DPDK sits at one end."""
        many = f"numrxqueues {queues} numtxqueues {queues}"
        command("ip", "link", "add", *f"{a_device} mtu {mtu} {many} netns {a.name} type veth "
                f"peer name {b_device} mtu {mtu} {many} netns {b.name}".split())
        for namespace, device in ((a, a_device), (b, b_device)):
            if not offloads:
                namespace.offloads_off(device)
            namespace.ip(f"link set {device} up")

    def on_close(self, undo):
        """`undo()` runs at the end, before the namespaces go; the last one first."""
        self._undo.append(undo)

    def close(self):
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            while self._undo:
                with contextlib.suppress(Exception):
                    self._undo.pop()()
            for process in reversed(self.processes):
                process.signal(signal.SIGTERM)
            for process in reversed(self.processes):
                process.stop()
            for namespace in self.namespaces.values():
                namespace.delete()
            shutil.rmtree(self.dir, ignore_errors=True)
            self.processes, self.namespaces = [], {}
            if self in Lab._open:
                Lab._open.remove(self)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)
