"""What does not fit the port's MTU: an ICMP error from the VIP names the MTU that a packet may have, the tunnel's header off.

RFC 1191 section 4, RFC 4443 section 3.2. Without DF an IPv4 packet is dropped; nothing is fragmented.
"""

from frames import FAMILIES, ICMP, V4, Ether, Raw, ip_of, mac_of, routed, stack, tcp
from scapy.layers.inet6 import ICMPv6PacketTooBig

MTU = 1500
OVERHEAD = {1: 0, 2: 0, 3: 0, 4: 20, 5: 40}  # by VIP


def request(family, vip, length, **fields):
    """An IP packet of `length` bytes."""
    headers = (20 if family is V4 else 40) + 20
    return family.request(tcp(40000, 80, "A", b"x" * (length - headers)), vip=vip, **fields)


def error(family, frame, mtu):
    """RFC 1812 section 4.3.2.3 and RFC 4443 section 3.2 say how much is quoted; the hop limit may be a hop less already."""
    passed = bytes(ip_of(routed(frame)))
    if family is V4:
        icmp = stack(ICMP(type=3, code=4, nexthopmtu=mtu), Raw(passed[:576 - 28]))
        ip = V4.ip(V4.vip(), V4.client(), id=0, flags="DF")
    else:
        icmp = stack(ICMPv6PacketTooBig(mtu=mtu), Raw(passed[:1280 - 48]))
        ip = family.ip(family.vip(), family.client())
    ip.src = ip_of(frame).dst
    return stack(Ether(dst=mac_of(family.client())), ip, icmp)


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
