"""dr: fragments go as they are, a hop less to live, to the MAC of the oracle's backend, in any order."""

from frames import FAMILIES, ip_of, mac_of, routed, tcp, udp
from pieces import check_joined, goes, orders, text


def packets(s):
    datagrams = {}
    for family in FAMILIES:
        for number in range(8):
            for order in orders(5):
                data = text(700 + number)
                whole = family.request(tcp(40000 + number, 80, "PA", data), tos=number)
                mac = mac_of(s.oracle.backend("web", whole).address)
                datagrams[goes(s, whole, routed(whole, mac=mac), 152, order)] = (ip_of(whole).src, family.vip(), data)
            whole = family.request(udp(40000 + number, 1 + number, data))
            ident = goes(s, whole, routed(whole, mac=mac_of(family.backend(14))), 152, order)
            datagrams[ident] = (ip_of(whole).src, family.vip(), data)
    s.check(lambda pairs: check_joined(datagrams, pairs))
