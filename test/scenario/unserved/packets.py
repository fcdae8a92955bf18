"""A VIP, but no service on that port or protocol: no_service. A service without a backend for the client: no_backend. Neither:
it is the kernel's, which has no twin here."""

from frames import FAMILIES, V4, Ether, Raw, ip_of, routed, tcp, udp
from scapy.layers.inet6 import ICMPv6ND_RS
from scapy.layers.l2 import ARP


def packets(s):
    for family in FAMILIES:
        proto = "proto" if family is V4 else "nh"
        frame = family.request(tcp())
        s.forwards(frame, routed(frame, dst=family.backend(11), dport=8080))
        for port in (0, 79, 81, 8080, 65535):
            s.drops(family.request(tcp(40000, port)), "no_service")
        s.drops(family.request(udp(40000, 80)), "no_service")
        for protocol in (2, 4, 41, 47, 50, 51, 89, 132, 136):
            s.drops(family.request(Raw(b"\0" * 32), **{proto: protocol}), "no_service")
        s.drops(family.request(tcp(), vip=2), "no_backend")
        s.drops(family.request(udp(), vip=4), "no_backend")
        s.drops(family.request(tcp(), vip=5), "no_backend")
        for payload in (tcp(), udp(), tcp(40000, 179)):
            s.drops(family.request(payload, vip=99), "no_twin")
            frame = family.request(payload)
            ip_of(frame).dst = family.address
            s.drops(frame, "no_twin")
        # From a backend, but not from its port.
        s.drops(family.reply(tcp(22, 40000)), "no_twin")
        s.drops(family.reply(udp(8080, 40000)), "no_twin")
        # To all on the link.
        frame = family.request(tcp())
        frame.dst = "ff:ff:ff:ff:ff:ff"
        s.drops(frame, "no_twin")
    frame = V4.request(tcp(), vip=3)
    s.forwards(frame, routed(frame, dst=V4.backend(13)))
    s.drops(FAMILIES[1].request(tcp(), vip=3), "no_backend")
    s.drops(Ether(dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:01") / ARP(pdst=V4.vip()), "no_twin")
    solicitation = FAMILIES[1].ip("fe80::1", "ff02::2", hops=255) / ICMPv6ND_RS()
    s.drops(Ether(dst="33:33:00:00:00:02", src="02:00:00:00:00:01") / solicitation, "no_twin")
    for kind in (0x88CC, 0x8847, 0x0003, 0x86DE):
        s.drops(Ether(dst="02:70:63:61:70:00", src="02:00:00:00:00:01", type=kind) / Raw(b"\0" * 46), "no_twin")
    s.shows("show flows count", check_flows)


def check_flows(document):
    assert document == {"flows": 3}, "flows of what was forwarded, and no others"
