"""What does not fit the port's MTU: an ICMP error from the VIP names the MTU that a packet may have, the tunnel's header off.

RFC 1191 section 4, RFC 4443 section 3.2. Without DF an IPv4 packet is fragmented as a router does (RFC 791 section 3.2), a tunnel's
outside (RFC 2003 section 5.1, RFC 2473 section 7.2 (b)).
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
    without_df(s)


def without_df(s):
    for length in (MTU + 1, 2000):  # packet buffers take little more
        frame = request(V4, 1, length)
        s.splits(frame, routed(frame, dst=V4.backend(11), dport=8080), 2, MTU)
        frame = request(V4, 2, length)
        s.splits(frame, routed(frame, src=V4.address, dst=V4.backend(12), dport=8080), 2, MTU, free=[("TCP", "sport")])
        frame = request(V4, 3, length)
        s.splits(frame, routed(frame, mac=mac_of(V4.backend(13))), 2, MTU)
    for length in (MTU - 19, MTU, 1900):
        frame = request(V4, 4, length)
        outer = V4.ip(V4.address, "10.0.0.14", id=0, proto=4)
        s.splits(frame, stack(Ether(dst=mac_of("10.0.0.14")), outer, ip_of(routed(frame))), 2, MTU, free=[("IP", "id")])
    for length in (MTU - 39, MTU, 1900):
        frame = request(V4, 5, length)
        outer = FAMILIES[1].ip(FAMILIES[1].address, "2001:db8::14", nh=4)
        s.splits(frame, stack(Ether(dst=mac_of("2001:db8::14")), outer, ip_of(routed(frame))), 2, MTU)
    # As it comes from a link of a larger MTU.
    reply = V4.reply(tcp(8080, 40000, "A", b"x" * 1960))
    s.splits(reply, routed(reply, src=V4.vip(), sport=80), 2, MTU)
