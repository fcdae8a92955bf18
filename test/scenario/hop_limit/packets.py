"""TTL and hop limit: one less in every mode and direction; at the end of it the sender is told."""

from errors import expired
from frames import FAMILIES, ICMP, V4, IP, mac_of, routed, stack, tcp
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest
from scapy.layers.l2 import Ether


def packets(s):
    for family in FAMILIES:
        for hops in (2, 3, 64, 128, 255):
            frame = family.request(tcp(), hops=hops)
            s.forwards(frame, routed(frame, dst=family.backend(11), dport=8080))
            frame = family.request(tcp(), vip=2, hops=hops)
            s.forwards(frame, routed(frame, mac=mac_of(family.backend(13))))
            back = family.reply(tcp(8080, 40000, "SA"), hops=hops)
            s.forwards(back, routed(back, src=family.vip(), sport=80))
        for vip, hops in ((1, 0), (2, 1), (3, 0), (4, 1)):
            frame = family.request(tcp(50000), client=9, vip=vip, hops=hops)
            s.reports_expired(frame, expired(family, frame))
        # The client's address is not ours to speak from.
        back = family.reply(tcp(8080, 40000, "SA"), hops=1)
        s.reports_expired(back, expired(family, back, family.address))
    # What is for the VIP itself has arrived.
    frame = V4.request(ICMP(id=1, seq=1), hops=1)
    s.forwards(frame, stack(Ether(dst=mac_of(V4.client())), IP(src=V4.vip(), dst=V4.client(), ttl=64), ICMP(type=0, id=1, seq=1)))
    v6 = FAMILIES[1]
    frame = v6.request(ICMPv6EchoRequest(id=1, seq=1), hops=1)
    s.forwards(frame, stack(Ether(dst=mac_of(v6.client())), v6.ip(v6.vip(), v6.client()), ICMPv6EchoReply(id=1, seq=1)))
    s.shows("show flows count", check_flows)


def check_flows(document):
    assert document == {"flows": 4}, "no flow of a packet that did not pass"
