"""ipip with a prefix as tunnel_source: the flow's hash fills its host bits, so that a backend's RSS spreads the tunnel's packets.

The source of each flow as lib/rewrite/tunnel.hpp documents it, from the flow's hash in Python: the same for all of a flow's packets,
inside the prefix, neither its first nor its last address where there are others; checksums are scapy's.
"""

import ipaddress
from collections import defaultdict

import xxhash
from frames import FAMILIES, IP, IPv6, ip_of, mac_of, routed, tcp, udp
from oracle import flow_key
from scapy.layers.l2 import Ether

FLOWS = 400  # of each family


def source_of(service, frame, version):
    prefix = next(one for one in map(ipaddress.ip_network, service["tunnel_source"]) if one.version == version)
    bits = min(prefix.max_prefixlen - prefix.prefixlen, 32)
    low = xxhash.xxh3_64_intdigest(flow_key(frame)) & 0xFFFFFFFF
    return str(prefix[low >> 31 if bits == 1 else 1 + (low * (2**bits - 2) >> 32)])


def goes(s, name, frame):
    inner = ip_of(routed(frame))
    backend = s.oracle.backend(name, frame).address
    proto = 4 if isinstance(inner, IP) else 41
    version = 6 if ":" in backend else 4
    source = source_of(s.oracle.services[name], frame, version)
    if version == 6:
        s.forwards(frame, Ether(dst=mac_of(backend)) / IPv6(src=source, dst=backend, hlim=64, fl=0, nh=proto) / inner)
    else:
        whole = not isinstance(inner, IP) or inner.flags.DF
        outer = IP(src=source, dst=backend, ttl=64, proto=proto, id=0, flags="DF" if whole else 0)
        s.forwards(frame, Ether(dst=mac_of(backend)) / outer / inner, [] if whole else [("IP", "id")])


def packets(s):
    for family in FAMILIES:
        for number in range(FLOWS):
            for flags in ("S", "A", "PA"):
                goes(s, "web", family.request(tcp(1024 + number, 80, flags), client=1 + number % 100))
            goes(s, "few", family.request(udp(1024 + number, 53), vip=2))
    s.check(check_spread)


def check_spread(pairs):
    sources = defaultdict(set)  # by backend
    flows = defaultdict(set)
    for frame, seen in pairs:
        outer = seen.payload  # ip_of() would find an inner one
        sources[outer.dst].add(outer.src)
        flows[flow_key(frame)].add(outer.src)
    assert all(len(one) == 1 for one in flows.values()), "a flow has one source"
    for backend, at_least, at_most in (("10.0.0.11", FLOWS * 0.8, 2 * FLOWS), ("2001:db8::11", FLOWS * 0.8, 2 * FLOWS),
                                       ("10.0.0.12", 2, 2), ("2001:db8::12", 2, 2)):
        assert at_least <= len(sources[backend]) <= at_most, f"{backend}: {len(sources[backend])} sources"
