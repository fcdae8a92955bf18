"""nat: fragments of TCP and UDP reach the oracle's backend, and those of replies the client, in any order."""

from frames import FAMILIES, UDP, V4, ip_of, routed, tcp, to_backend, udp
from pieces import check_joined, goes, orders, text


def packets(s):
    datagrams = {}

    def both_ways(family, whole, service, reply, size, order):
        """`whole` to a backend, then that one's answer."""
        there = to_backend(s, service, whole)
        ident = goes(s, whole, there, size, order)
        datagrams[ident] = (ip_of(there).src, ip_of(there).dst, bytes(whole.lastlayer()))
        back = reply(int(ip_of(there).dst.replace(":", ".").split(".")[-1]))
        here = routed(back, src=ip_of(whole).dst, sport=80 if service == "web" else 53)
        ident = goes(s, back, here, size, order[::-1])
        datagrams[ident] = (ip_of(whole).dst, ip_of(whole).src, bytes(back.lastlayer()))

    for family in FAMILIES:
        for number, order in enumerate(orders(5)):
            port = 40000 + number
            data = text(700 + number)
            both_ways(family, family.request(tcp(port, 80, "PA", data)), "web",
                      lambda backend: family.reply(tcp(8080, port, "PA", data), backend=backend), 160, order)
            both_ways(family, family.request(udp(port, 53, data)), "dns",
                      lambda backend: family.reply(udp(5353, port, data), backend=backend), 152, order)
            for vip in (2, 3):
                both_ways(family, family.request(udp(port + 100 * vip, 53, data), vip=vip), "shared",
                          lambda backend: family.reply(udp(53, port + 100 * vip, data), backend=backend), 152, order)
    # No checksum is none afterwards too (RFC 768).
    whole = V4.request(udp(41000, 53, text(400), chksum=0))
    there = to_backend(s, "dns", whole)
    assert there[UDP].chksum == 0
    goes(s, whole, there, 200, [1, 0, 2])
    s.check(lambda pairs: check_joined(datagrams, pairs))
