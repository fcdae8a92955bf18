"""dr: the packet goes as it is, a hop less to live, to the MAC of the oracle's backend."""

from frames import FAMILIES, V4, mac_of, routed, tcp, udp


def packets(s):
    for family in FAMILIES:
        for sport in range(40000, 40050):
            frame = family.request(tcp(sport, 80, "PA", b"x" * (sport % 50)), tos=sport % 256)
            s.forwards(frame, routed(frame, mac=mac_of(s.oracle.backend("web", frame).address)))
        for port in (53, 1, 65535):
            frame = family.request(udp(40000, port))
            s.forwards(frame, routed(frame, mac=mac_of(family.backend(14))))
    frame = V4.request(udp(40001, chksum=0), id=7, flags="DF")
    s.forwards(frame, routed(frame, mac=mac_of(V4.backend(14))))
