"""Which backend a packet gets, from the file and the packet alone.

The flow's hash as lib/net/flow_key.hpp documents it, the table as lib/lb/maglev.hpp does, by test/support/maglev_oracle.py.
"""

import ipaddress
import struct
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


class Oracle:
    def __init__(self, config):
        self.services = {service["name"]: service for service in config.get("service", [])}

    def candidates(self, service, version):
        """Who takes new flows of clients of this IP version: in a tunnel any family does."""
        entry = self.services[service]
        backends = [Backend(one["address"], one.get("port", 0), one.get("weight", 1)) for one in entry["backend"]]
        return tuple(one for one in backends if one.weight > 0
                     and (entry["mode"] in TUNNELS or ipaddress.ip_address(one.address).version == version))

    def backend(self, service, frame):
        backends = self.candidates(service, 4 if frame.haslayer(IP) else 6)
        if len(backends) == 1:
            return backends[0]
        table = maglev(backends)
        slot = ((xxhash.xxh3_64_intdigest(flow_key(frame)) >> 32) * len(table)) >> 32
        return backends[table[slot]]
