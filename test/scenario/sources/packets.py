"""A source address that is no single host's: nobody to answer, and no ICMP error may go there (RFC 1122 section 3.2.2, RFC 4443
section 2.4). Its neighbours are hosts like any."""

from frames import FAMILIES, ICMP, V4, Ether, ip_of, mac_of, routed, stack, tcp, udp
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest

NOBODY = {4: ("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "224.0.0.1", "239.255.255.255", "255.255.255.255"),
          6: ("::", "::1", "ff02::1", "ff0e::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}
SOMEBODY = {4: ("1.0.0.1", "126.255.255.255", "128.0.0.1", "223.255.255.255", "240.0.0.1", "255.255.255.254"),
            6: ("::2", "0:0:0:1::", "0:0:0:1::1", "1::1", "fc00::1", "::100:0:0:1", "::1:0:1")}


def packets(s):
    for family in FAMILIES:
        flags = {"flags": "DF"} if family is V4 else {}
        ask, answer = (ICMP(id=1), ICMP(type=0, id=1)) if family is V4 else (ICMPv6EchoRequest(id=1), ICMPv6EchoReply(id=1))

        def of(source, payload, family=family, **fields):
            frame = family.request(payload, **fields)
            ip_of(frame).src = source
            return frame

        for source in NOBODY[family.version]:
            s.drops(of(source, tcp()), "bad_header")
            s.drops(of(source, udp(), vip=2), "bad_header")
            s.drops(of(source, ask.copy()), "bad_header")
            s.drops(of(source, tcp(data=b"x" * 1500), **flags), "bad_header")
            s.drops(of(source, udp(), vip=99), "no_twin")  # DHCP and neighbour discovery use such: the kernel's matter
        for source in SOMEBODY[family.version]:
            frame = of(source, tcp())
            s.forwards(frame, routed(frame, dst=family.backend(11), dport=8080))
            frame = of(source, udp(), vip=2)
            s.forwards(frame, routed(frame, mac=mac_of(family.backend(12))))
            frame = of(source, ask.copy())
            reply = stack(Ether(dst=mac_of(source)), family.ip(family.vip(), source), answer.copy())
            s.forwards(frame, reply, free=[("IP", "id")])
