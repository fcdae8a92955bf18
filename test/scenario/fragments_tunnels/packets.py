"""ipip, gue and vxlan: each fragment gets an outer header of its own, and a datagram's all have the same backend and UDP port.

The outer DF is the inner one's (RFC 2003 section 3.1): not set around IPv4's fragments, so their outer identifications differ.
"""

from pathlib import Path

import tunnels
from frames import FAMILIES, IP, UDP, V4, Ether, IPv6, Raw, ip_of, tcp, udp
from pieces import check_joined, cut, orders, passes, text
from scapy.layers.vxlan import VXLAN
from scenario import load

ipip = load(Path(__file__).resolve().parents[1] / "ipip" / "packets.py")
SIZE = 152
CLIENTS = 6


def packets(s):
    datagrams = {}
    for family in FAMILIES:
        for number in range(CLIENTS):
            for order in orders(5):
                data = text(690 + number)
                port = 40000 + number
                for name, whole in (("ipip", family.request(tcp(port, 80, "PA", data))),
                                    ("vxlan", family.request(udp(port, 53, data))),
                                    ("gue", family.request(udp(port, 53, data), vip=2, tos=5))):
                    ident = tunnelled(s, name, whole, order)
                    datagrams[ident] = (ip_of(whole).src, ip_of(whole).dst, data)
    s.check(lambda pairs: check_joined(datagrams, pairs, inner_of))
    s.check(check_ports)
    s.check(tunnels.check_identification)


def tunnelled(s, name, whole, order):
    service = s.oracle.services[name]
    backend = s.oracle.backend(name, whole).address

    def outer(fragment):
        if name == "ipip":
            source = next(one for one in (V4.address, FAMILIES[1].address) if (":" in one) == (":" in backend))
            return ipip.tunnelled(fragment, source, backend)
        return tunnels.tunnelled(service, fragment, backend)

    def free(frame):
        ip = frame.payload
        fields = [("IP", "id")] if isinstance(ip, IP) and not ip.flags.DF else []
        fields += [("UDP", "sport")] if name != "ipip" else []
        return fields + ([("Ether", "src", 2)] if name == "vxlan" else [])

    return passes(s, whole, SIZE, order, lambda ident: [outer(fragment) for fragment in cut(whole, SIZE, ident)], free)


def inner_of(frame):
    """The IP packet in the tunnel."""
    outer = frame.payload
    if not outer.haslayer(UDP) or isinstance(outer.payload, (IP, IPv6)):
        return outer.payload
    if outer.haslayer(VXLAN):
        return outer[VXLAN][Ether].payload
    data = bytes(outer[UDP].payload)[4:]  # behind GUE's header
    return IP(data) if data[0] >> 4 == 4 else IPv6(data)


def check_ports(pairs):
    """Of the outer UDP header: one a flow."""
    ports = {}
    for _, seen in pairs:
        outer = seen.payload
        if isinstance(outer.payload, UDP):
            inner = inner_of(seen)
            ident = inner.id if isinstance(inner, IP) else inner.payload.id
            ports.setdefault((type(inner), ident), set()).add(outer.payload.sport)
    assert len(ports) == 2 * 2 * 4 * CLIENTS and all(len(several) == 1 for several in ports.values()), f"outer ports: {ports}"
