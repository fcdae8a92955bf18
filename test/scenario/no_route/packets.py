"""A port without a gateway: what is on the link is served, everything else has no route."""

from frames import FAMILIES, ICMP, V4, ip_of, routed, tcp
from scapy.layers.inet6 import ICMPv6EchoRequest


def packets(s):
    for family in FAMILIES:
        frame = family.request(tcp())
        s.forwards(frame, routed(frame, dst=family.backend(11), dport=8080))
        s.drops(family.request(tcp(), vip=2), "no_route")
        s.drops(family.request(tcp(), vip=3), "no_route")
        s.drops(family.reply(tcp(8080, 40000, "SA")), "no_route")
        # A client on the link has its replies.
        back = family.reply(tcp(8080, 40000, "SA"))
        ip_of(back).dst = family.backend(19)
        s.forwards(back, routed(back, src=family.vip(), sport=80))
        s.drops(family.request(ICMP() if family is V4 else ICMPv6EchoRequest()), "no_route")
