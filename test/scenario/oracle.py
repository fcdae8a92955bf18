"""Which backend a packet gets, from the file and the packet alone, and for schedulers that take turns or count from the flows
before it.

The flow's hash as lib/net/flow_key.hpp documents it, the table as lib/lb/maglev.hpp does, by test/support/maglev_oracle.py; the
schedulers as lib/lb/scheduler.hpp does.
"""

import ipaddress
import math
import struct
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import xxhash
from maglev_oracle import populate
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6

TUNNELS = ("ipip", "gre", "gue", "fou", "vxlan")


@dataclass(frozen=True)
class Backend:
    address: str
    port: int
    weight: int


@lru_cache
def maglev(backends):
    """The table of these backends, as places in `backends`."""
    return populate([(ipaddress.ip_address(one.address), one.port, one.weight) for one in backends])


def flow_key(frame):
    """source, destination, source port, destination port, protocol, three zeros: as they stand in the packet."""
    ip = frame[IP] if frame.haslayer(IP) else frame[IPv6]
    ports = frame[TCP] if frame.haslayer(TCP) else frame[UDP]
    addresses = b"".join(ipaddress.ip_address(address).packed for address in (ip.src, ip.dst))
    return addresses + struct.pack("!HHBxxx", ports.sport, ports.dport, 6 if frame.haslayer(TCP) else 17)


def share(digest, size):
    """An even share of [0, size) by the upper half of a hash."""
    return ((digest >> 32) * size) >> 32


def in_order(backends):
    """As rr, wrr and lc go round them."""
    return sorted(backends, key=lambda one: (ipaddress.ip_address(one.address).version,
                                             ipaddress.ip_address(one.address).packed, one.port))


def turns(backends):
    """One pass of wrr: in each round a member earns its weight, and is served for each time it has the highest weight."""
    divisor = math.gcd(*(one.weight for one in backends))
    highest = max(one.weight for one in backends)
    passed, credit = [], dict.fromkeys(backends, 0)
    while len(passed) < sum(one.weight for one in backends) // divisor:
        for one in backends:
            credit[one] += one.weight
            if credit[one] >= highest:
                credit[one] -= highest
                passed.append(one)
    return passed


class Oracle:
    def __init__(self, config):
        self.services = {service["name"]: service for service in config.get("service", [])}
        self.turn = Counter()       # by service and IP version
        self.open = Counter()       # by service and backend: flows given out, none of which has ended

    def candidates(self, service, version):
        """Who takes new flows of clients of this IP version: in a tunnel any family does."""
        entry = self.services[service]
        backends = [Backend(one["address"], one.get("port", 0), one.get("weight", 1)) for one in entry["backend"]]
        return tuple(one for one in backends if one.weight > 0
                     and (entry["mode"] in TUNNELS or ipaddress.ip_address(one.address).version == version))

    def backend(self, service, frame):
        """Of a new flow; a second call for the same flow is another flow to the schedulers that take turns or count."""
        version = 4 if frame.haslayer(IP) else 6
        backends = self.candidates(service, version)
        chosen = self.scheduled(service, version, backends, frame)
        self.open[service, chosen] += 1
        return chosen

    def scheduled(self, service, version, backends, frame):
        kind = self.services[service].get("scheduler", "maglev")
        if len(backends) == 1:
            return backends[0]
        if kind == "sh":
            client = ipaddress.ip_address((frame[IP] if version == 4 else frame[IPv6]).src).packed
            return self.by_hash(backends, client)
        if kind in ("rr", "wrr"):
            order = in_order(backends) if kind == "rr" else turns(in_order(backends))
            self.turn[service, version] += 1
            return order[(self.turn[service, version] - 1) % len(order)]
        if kind in ("lc", "wlc"):
            return self.by_load(service, version, in_order(backends), kind == "wlc")
        return self.by_hash(backends, flow_key(frame))

    def by_load(self, service, version, order, weighted):
        """The least loaded; of several, the next after the one chosen last."""
        start = self.turn[service, version] % len(order)
        order = order[start:] + order[:start]

        def load(one):
            connections = self.open[service, one]
            return (connections + 1) / one.weight if weighted else connections

        chosen = min(order, key=load)
        self.turn[service, version] = start + order.index(chosen) + 1
        return chosen

    @staticmethod
    def by_hash(backends, key):
        table = maglev(backends)
        return backends[table[share(xxhash.xxh3_64_intdigest(key), len(table))]]
