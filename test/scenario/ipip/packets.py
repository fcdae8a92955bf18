"""ipip: the packet inside another header, across the families too (RFC 2003, RFC 2473).

Traffic class and ECN are copied (RFC 6040 normal mode); DF of IPv4 too, and of an IPv6 packet it is always set, as nobody may
fragment that. The outer identification may be anything while DF is not set, as long as no two packets share it.
"""

from frames import FAMILIES, IP, V4, IPv6, ip_of, mac_of, routed, tcp, udp
from scapy.layers.l2 import Ether


def tunnelled(frame, source, destination):
    inner = ip_of(routed(frame))
    proto = 4 if isinstance(inner, IP) else 41
    tos = inner.tos if isinstance(inner, IP) else inner.tc
    if ":" in destination:
        outer = IPv6(src=source, dst=destination, hlim=64, tc=tos, fl=0, nh=proto)
    else:
        whole = not isinstance(inner, IP) or inner.flags.DF
        outer = IP(src=source, dst=destination, ttl=64, tos=tos, proto=proto, id=0, flags="DF" if whole else 0)
    return Ether(dst=mac_of(destination)) / outer / inner


def goes(s, frame, source4, source6, destination):
    source = source6 if ":" in destination else source4
    expected = tunnelled(frame, source, destination)
    outer = ip_of(expected)
    free = [("IP", "id")] if isinstance(outer, IP) and not outer.flags.DF else []
    s.forwards(frame, expected, free)


def packets(s):
    for family in FAMILIES:
        for sport in range(40000, 40040):
            frame = family.request(tcp(sport, 80, "PA", b"x" * (sport % 9)))
            goes(s, frame, "10.0.0.106", "2001:db8::106", s.oracle.backend("web", frame).address)
        for vip, destination in ((2, "10.0.0.12"), (3, "2001:db8::12")):
            for tos in (0x00, 0x01, 0x02, 0x03, 0x04, 0xB8, 0xFC, 0xFF):
                variants = [{"flags": 0, "id": 0xFFFF}, {"flags": "DF", "id": 5}] if family is V4 else [{"fl": 0x12345}]
                for fields in variants:
                    frame = family.request(udp(40000, 53), vip=vip, tos=tos, **fields)
                    goes(s, frame, "10.0.0.200", "2001:db8::200", destination)
    frame = V4.request(udp(40000, 53, chksum=0), vip=2)
    goes(s, frame, "10.0.0.200", "2001:db8::200", "10.0.0.12")
    s.check(check_identification)


def check_identification(pairs):
    ids = [seen[IP].id for _, seen in pairs if isinstance(ip_of(seen), IP) and seen[IP].proto == 4 and not seen[IP].flags.DF]
    assert len(ids) > 20 and len(set(ids)) == len(ids), f"outer identifications: {sorted(ids)}"
