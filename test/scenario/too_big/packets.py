"""What does not fit the port's MTU: an ICMP error from the VIP names the MTU that a packet may have, the tunnel's header off.

RFC 1191 section 4, RFC 4443 section 3.2. Without DF an IPv4 packet is dropped; nothing is fragmented.
"""

from frames import FAMILIES, V4, Ether, ip_of, mac_of, routed, stack, tcp
from mtu import MTU, error, sized

OVERHEAD = {1: 0, 2: 0, 3: 0, 4: 20, 5: 40}  # by VIP


def request(family, vip, length, **fields):
    return sized(family, length, tcp(40000, 80, "A"), vip=vip, **fields)


def packets(s):
    for family in FAMILIES:
        flags = {"flags": "DF"} if family is V4 else {}
        for vip, overhead in OVERHEAD.items():
            frame = request(family, vip, MTU - overhead + 1, **flags)
            s.reports_too_big(frame, error(family, frame, MTU - overhead))
        frame = request(family, 1, MTU, **flags)
        s.forwards(frame, routed(frame, dst=family.backend(11), dport=8080))
        frame = request(family, 3, MTU, **flags)
        s.forwards(frame, routed(frame, mac=mac_of(family.backend(13))))
        for vip, overhead, address, source in ((4, 20, "10.0.0.14", "10.0.0.106"), (5, 40, "2001:db8::14", "2001:db8::106")):
            frame = request(family, vip, MTU - overhead, **flags)
            protocol = 4 if family is V4 else 41
            outer = (V4.ip(source, address, id=0, flags="DF", proto=protocol) if vip == 4
                     else FAMILIES[1].ip(source, address, nh=protocol))
            s.forwards(frame, stack(Ether(dst=mac_of(address)), outer, ip_of(routed(frame))))
    for vip, overhead in OVERHEAD.items():
        s.drops(request(V4, vip, MTU - overhead + 1), "too_big")
