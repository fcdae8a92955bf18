#!/usr/bin/python3
"""From the health verdict that takes the last backend to the withdrawal on the wire.

    bench/macro/withdraw_delay.py [--services N] [--rounds N] [--build DIRECTORY]

One service loses its only backend, N rounds, beside so many other services. The verdict's time is that of the daemon's
log line ("backend … is down", milliseconds); the withdrawal's that of tcpdump on the router's side. Needs root, and
scripts/deps build lab test routers.
"""

import argparse
import os
import re
import sys
from datetime import datetime
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOP / "test/support"))
parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
parser.add_argument("--services", type=int, default=1000)
parser.add_argument("--rounds", type=int, default=20)
parser.add_argument("--build", type=Path, default=TOP / "build")
wanted = parser.parse_args()
os.environ["DPDK_LB_BUILD"] = str(wanted.build.resolve())
from dpdklb import service  # noqa: E402
from ecmp import CHECK, VIP, Ecmp  # noqa: E402
from netlab import Lab, wait_for  # noqa: E402
from servers import nginx  # noqa: E402
from topology import web4  # noqa: E402

UPDATE = 2


def updates(pcap):
    """When UPDATEs from the load balancer were on the wire."""
    from scapy.layers.inet import TCP
    from scapy.utils import PcapReader
    times = []
    with PcapReader(str(pcap)) as packets:
        for packet in packets:
            data = bytes(packet[TCP].payload)
            while len(data) >= 19 and data[:16] == b"\xff" * 16:
                length = int.from_bytes(data[16:18], "big")
                if data[18] == UPDATE and length > 23:
                    times.append(float(packet.time))
                data = data[length:]
    return times


def verdicts(log):
    return [datetime.fromisoformat(re.match(r"\S+", line)[0]).timestamp()
            for line in log.splitlines() if re.search(r"backend \S+ of web is down", line)]


def main():
    with Lab("withdraw-delay") as lab_:
        lab = Ecmp(lab_, lbs=1, webs=2)
        others = [service(f"other{n}", [f"10.2.{n // 250}.{n % 250 + 1}"], "ipip", [web4(2)])
                  for n in range(wanted.services)]
        services = [service("web", [VIP], "ipip", [web4(1)], health=CHECK), *others]
        lb = None
        server, delays = lab.site.nginx[0], []
        for number in range(wanted.rounds):
            if number % 2 == 0:  # anew: a backend that flaps is damped
                if lb is not None:
                    lb.stop()
                lb = lab.start(1, services)
                lab.wait_next_hops({1})
            pcap = lab_.dir / f"{number}.pcap"
            dump = lab.site.router.start(["tcpdump", "-U", "--immediate-mode", "-i", "br0", "-w", pcap, "src host 10.0.0.106 and tcp port 179"],
                                         log=f"tcpdump{number}.log")
            wait_for(lambda: "listening" in dump.output(), 5, "tcpdump")
            server.stop()
            lab.wait_next_hops(set())
            wait_for(lambda: updates(pcap), 5, "the UPDATE in tcpdump's file")
            dump.stop()
            server = nginx(lab.site.webs[0], f"again{number}")
            lab.wait_next_hops({1})
            verdict = verdicts(lb.process.output())[-1]
            delays.append((next(when for when in updates(pcap) if when >= verdict) - verdict) * 1000)
            print(f"  {delays[-1]:6.1f} ms", flush=True)
        delays.sort()
        print(f"{wanted.services} other services, {wanted.rounds} rounds: median {delays[len(delays) // 2]:.1f} ms, "
              f"longest {delays[-1]:.1f} ms")


main()
