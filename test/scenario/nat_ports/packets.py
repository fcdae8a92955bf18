"""Which service a VIP and port lead to: the exact port before every port, the longer prefix before the shorter."""

from frames import FAMILIES, V4, ip_of, routed, tcp, udp


def packets(s):
    for family in FAMILIES:
        def request(vip, port, family=family):
            frame = family.request(tcp(40000, port))
            ip_of(frame).dst = vip
            return frame

        def goes(vip, port, backend, backend_port, family=family):
            frame = request(vip, port)
            s.forwards(frame, routed(frame, dst=family.backend(backend), dport=backend_port))

        net, inside = ("10.1.2.{}", "10.1.{}.9") if family is V4 else ("2001:db8:1:2::{}", "2001:db8:1:{}::9")
        for port in (1, 22, 79, 81, 443, 65535):
            goes(family.vip(1), port, 11, port)
        goes(family.vip(1), 80, 12, 8080)
        goes(net.format(1), 80, 13, 8080)
        goes(net.format(254), 80, 13, 8080)
        goes(net.format(7), 80, 15, 8080)
        goes(inside.format(3), 80, 14, 8080)
        goes(inside.format(200), 81, 14, 8080)
        # A VIP's flows in a prefix come back from the address that was asked.
        frame = request(net.format(99), 80)
        s.forwards(frame, routed(frame, dst=family.backend(13), dport=8080))
        s.drops(family.reply(tcp(8080, 9, "SA"), backend=13), "no_flow")
        frame = request(net.format(98), 80)
        ip_of(frame).src = family.client(50)
        s.forwards(frame, routed(frame, dst=family.backend(13), dport=8080))
        back = family.reply(tcp(8080, 40000, "SA"), backend=13, client=50)
        s.forwards(back, routed(back, src=net.format(98), sport=80))
        # Replies of a service on every port.
        back = family.reply(tcp(443, 40000, "SA"), backend=11)
        s.forwards(back, routed(back, src=family.vip(1)))
        s.drops(family.request(udp(40000, 80)), "no_service")
