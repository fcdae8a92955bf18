"""Fragments to a VIP have no ports to look up: dropped, the first one too. Others are the kernel's."""

from frames import FAMILIES, V4, V6, Raw, routed, stack, tcp, udp
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop

PIECE = b"x" * 64


def packets(s):
    for vip, reason in ((1, "fragment"), (2, "fragment"), (99, "no_twin")):
        for flags, offset in (("MF", 0), ("MF", 1), ("MF", 8191), (0, 1), (0, 8189), ("MF+DF", 0)):
            for payload in (tcp(), udp(data=PIECE), Raw(PIECE)):
                proto = {"proto": 6} if isinstance(payload, Raw) else {}
                s.drops(V4.request(payload, vip=vip, flags=flags, frag=offset, **proto), reason)
        for more, offset in ((1, 0), (1, 1), (0, 1), (0, 8191)):
            for make in (lambda: tcp(), lambda: udp(data=PIECE), lambda: Raw(PIECE)):
                header = IPv6ExtHdrFragment(m=more, offset=offset, id=9, nh=6)
                s.drops(V6.request(stack(header, make()), vip=vip), reason)
                header = IPv6ExtHdrFragment(m=more, offset=offset, id=9, nh=60)
                s.drops(V6.request(stack(IPv6ExtHdrHopByHop(), header, IPv6ExtHdrDestOpt(), make()), vip=vip), reason)
    # A backend's fragments are not translated.
    s.drops(V4.reply(tcp(8080, 40000, data=PIECE), flags="MF"), "no_twin")
    s.drops(V6.reply(stack(IPv6ExtHdrFragment(m=1), tcp(8080, 40000, data=PIECE))), "no_twin")
    # DF is none, nor are the reserved bits.
    frame = V4.request(tcp(), flags="DF")
    s.forwards(frame, routed(frame, dst=V4.backend(11), dport=8080))
    frame = V6.request(stack(IPv6ExtHdrFragment(res1=0xFF, res2=3), tcp()))
    s.forwards(frame, routed(frame, dst=V6.backend(11), dport=8080))
    for family in FAMILIES:
        frame = family.request(udp(data=PIECE))
        s.forwards(frame, routed(frame, dst=family.backend(12), dport=8080))
