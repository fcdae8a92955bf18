"""Two ports: a packet leaves by the port whose route has its next hop, with that port's MAC, and fits that port's MTU."""

from errors import too_big
from frames import FAMILIES, V4, Ether, ip_of, mac_of, routed, stack, tcp


def packets(s):
    for family in FAMILIES:
        first, second = ("192.168.5.1", "192.168.5.2") if family is V4 else ("2001:db8:5::1", "2001:db8:5::2")
        for client in range(1, 11):
            frame = family.request(tcp(), client=client)
            s.forwards(frame, routed(frame, mac="02:00:00:00:05:01", dst=first, dport=8080), out="inside")
            frame = family.request(tcp(), client=client, vip=2)
            s.forwards(frame, routed(frame, mac=mac_of(family.backend(11))))
            frame = family.request(tcp(), client=client, vip=3)
            s.forwards(frame, routed(frame, mac="02:00:00:00:05:02"), out="inside")
            back = family.reply(tcp(8080, 40000, "SA"), client=client)
            ip_of(back).src = first
            s.forwards(back, routed(back, src=family.vip(), sport=80), port="inside", out="outside")
        # A client on the backends' link.
        frame = family.request(tcp())
        ip_of(frame).src = second
        s.forwards(frame, routed(frame, mac="02:00:00:00:05:01", dst=first, dport=8080), port="inside")
        frame = family.request(tcp(), client=99, vip=4)
        outer = V4.ip("192.168.5.106", "192.168.5.2", id=0, flags=0 if family is V4 else "DF", proto=4 if family is V4 else 41)
        s.forwards(frame, stack(Ether(dst="02:00:00:00:05:02"), outer, ip_of(routed(frame))), out="inside",
                   free=[("IP", "id")] if family is V4 else [])
        mtu_of_the_way_out(s, family, first)


def mtu_of_the_way_out(s, family, backend):
    headers = 40 if family is V4 else 60
    flags = {"flags": "DF"} if family is V4 else {}
    frame = family.request(tcp(data=b"x" * (1400 - headers)), **flags)
    s.forwards(frame, routed(frame, mac="02:00:00:00:05:01", dst=backend, dport=8080), out="inside")
    frame = family.request(tcp(data=b"x" * (1401 - headers)), **flags)
    s.reports_too_big(frame, too_big(family, ip_of(routed(frame)), 1400))
