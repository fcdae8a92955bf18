"""Packets of more than one usual buffer, by ports of large MTUs; of a reply that does not fit the clients' port, its backend is
told, or it is fragmented."""

from errors import too_big
from frames import FAMILIES, V4, ip_of, routed, tcp

OUTSIDE, INSIDE = 4000, 9000  # MTUs


def packets(s):
    for family in FAMILIES:
        backend, headers = ("192.168.5.1", 40) if family is V4 else ("2001:db8:5::1", 60)

        def reply(length, backend=backend, headers=headers, family=family):
            back = family.reply(tcp(8080, 40000, "A", data=b"y" * (length - headers)))
            ip_of(back).src = backend
            return back

        for length in (1500, 1501, 1900, 2000, 2048, 2100, OUTSIDE):
            frame = family.request(tcp(data=b"x" * (length - headers)))
            s.forwards(frame, routed(frame, mac="02:00:00:00:05:01", dst=backend, dport=8080), out="inside")
            back = reply(length)
            s.forwards(back, routed(back, src=family.vip(), sport=80), port="inside", out="outside")
        for length in (OUTSIDE + 1, INSIDE):
            back = reply(length)
            if family is V4:
                s.splits(back, routed(back, src=family.vip(), sport=80), 2 if length < INSIDE else 3, OUTSIDE, port="inside",
                         out="outside")
                ip_of(back := reply(length)).flags = "DF"
            told = too_big(family, ip_of(routed(back)), OUTSIDE, "192.168.5.106" if family is V4 else "2001:db8:5::106")
            told.dst = "02:00:00:00:05:01"
            s.reports_too_big(back, told, port="inside", out="inside")
