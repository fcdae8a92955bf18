#!/usr/bin/python3
"""What a reload of a large file costs the packets of a service that it leaves alone. Needs root; no other load.

    client ── router ──┬── lb     dpdk-lb: control on one core, the worker on another
                       └── web1   UDP echo

A constant rate of datagrams passes the balancer and comes back, with reloads back to back and without, by turns. Client,
echo server and worker share the worker's core, so that the control thread has its own and what is seen is the data path's.

    bench/macro/reload_cost.py [--services 1000] [--backends 100] [--seconds 5] [--rounds 6] [--rate 1000]
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "test/support"))
from dpdklb import CONSOLE, DpdkLb, port, service
from netlab import Lab, wait_for
from servers import udp_echo
from topology import Site, web4

VIP = "10.1.1.1"
CONTROL, WORKER = 0, 1  # cores
LOAD = """
import json, select, socket, sys, time
vip, rate, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((vip, 53))
s.setblocking(False)
step, count, sent, delays = 1e9 / rate, int(rate * seconds), 0, []
begin = time.monotonic_ns()
end = begin + (seconds + 1) * 1e9
while (now := time.monotonic_ns()) < end and len(delays) < count:
    due = begin + sent * step
    if sent < count and now >= due:
        s.send(str(time.monotonic_ns()).encode())
        sent += 1
        continue
    wait = (due - now) / 1e9 if sent < count else 0.1
    if select.select([s], [], [], max(wait, 0))[0]:
        data = s.recv(2048)
        delays.append((time.monotonic_ns() - int(data.split()[-1])) / 1e3)
print(json.dumps({"sent": sent, "lost": sent - len(delays), "delays": delays}))
"""


def large_file(options, weight):
    """Services that carry nothing, of backends behind the router."""
    for n in range(options.services):
        yield service(f"s{n}", [f"10.1.{100 + n // 250}.{1 + n % 250}"], "ipip",
                      [{"address": f"172.20.{b // 250}.{1 + b % 250}", "weight": weight} for b in range(options.backends)])


def write(daemon, options, weight, extra=1):
    carrying = service("carrying", [VIP], "nat", [{"address": web4(1), "port": 53}], port=53, protocol="udp")
    other = service("other", ["10.1.2.1"], "nat", [{"address": web4(1), "port": 99, "weight": extra}], port=99)
    daemon.write([port(), carrying, other, *large_file(options, weight)])


def reload(daemon):
    """One reload by the console; seconds until every worker goes by it."""
    start = time.monotonic()
    daemon.namespace.run([CONSOLE, "-s", daemon.socket, "reload"], timeout=120)
    return time.monotonic() - start


def percentile(values, share):
    values = sorted(values)
    return round(values[min(int(len(values) * share), len(values) - 1)])


def measure(site, options, disturb):
    """One phase: the load's own count, and how often `disturb` ran meanwhile."""
    load = site.client.start(["taskset", "-c", WORKER, sys.executable, "-c", LOAD, VIP, options.rate, options.seconds],
                             log=f"load-{time.monotonic_ns()}.log")
    times = 0
    while load.running():
        if disturb:
            disturb()
            times += 1
        else:
            load.wait(options.seconds + 30)
    return {**json.loads(load.output().splitlines()[-1]), "reloads": times}


def show(name, phases):
    delays = [delay for phase in phases for delay in phase["delays"]]
    by_phase = [percentile(phase["delays"], 0.999) for phase in phases]
    print(f"{name:20} sent {sum(p['sent'] for p in phases)}, lost {sum(p['lost'] for p in phases)}, "
          f"reloads {sum(p['reloads'] for p in phases)}; us: p50 {percentile(delays, 0.5)}, "
          f"p99 {percentile(delays, 0.99)}, p99.9 {percentile(delays, 0.999)} (by phase {by_phase}), max {round(max(delays))}",
          flush=True)


def durations(daemon, options):
    for name, change in (("nothing changed", lambda n: None),
                         ("one service changed", lambda n: write(daemon, options, 1, 2 + n % 2)),
                         ("every service changed", lambda n: write(daemon, options, 2 + n % 2))):
        seconds = []
        for n in range(3):
            change(n)
            seconds.append(reload(daemon))
        print(f"reload, {name:22} {', '.join(f'{s:.2f} s' for s in seconds)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("services", 1000), ("backends", 100), ("seconds", 5), ("rounds", 6), ("rate", 1000)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("reload_cost.py makes network namespaces: run it as root")
    with Lab("reloadcost") as lab:
        site = Site(lab, webs=1, start_nginx=False)
        echo = udp_echo(site.webs[0], "web1")
        os.sched_setaffinity(echo.pid, {WORKER})
        daemon = DpdkLb(site.lb, [], cores=str(WORKER), control_core=CONTROL)
        write(daemon, options, 1)
        daemon.start(timeout=120)
        wait_for(lambda: measure(site, argparse.Namespace(rate=100, seconds=1), None)["lost"] == 0, 30, "the way to the echo")
        durations(daemon, options)
        quiet, reloading, turn = [], [], 0

        def change_one():
            nonlocal turn
            turn += 1
            write(daemon, options, 1, 2 + turn % 2)
            reload(daemon)

        for _ in range(options.rounds):
            quiet.append(measure(site, options, None))
            reloading.append(measure(site, options, change_one))
        show("no reload", quiet)
        show("reload after reload", reloading)
        daemon.stop()


if __name__ == "__main__":
    main()
