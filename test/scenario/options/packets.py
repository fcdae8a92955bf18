"""IPv4 options and IPv6 extension headers: ports are found behind them, and they pass as they are."""

from frames import IP, V4, V6, IPv6, Ether, ip_of, mac_of, routed, stack, tcp, udp
from scapy.layers.inet import IPOption_LSRR, IPOption_NOP, IPOption_RR, IPOption_Router_Alert, IPOption_Timestamp
from scapy.layers.inet6 import (IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN,
                                RouterAlert)

OPTIONS = {
    "nop": lambda: [IPOption_NOP()] * 4,
    "router alert": lambda: [IPOption_Router_Alert()],
    "record route": lambda: [IPOption_RR(routers=["0.0.0.0"] * 9)],
    "timestamp": lambda: [IPOption_Timestamp(internet_address="192.0.2.9", timestamp=7)],
    "source route without stops": lambda: [IPOption_LSRR(routers=[])],
}
HEADERS = {
    "hop by hop": lambda: [IPv6ExtHdrHopByHop(options=[RouterAlert()])],
    "destination": lambda: [IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)])],
    "long destination": lambda: [IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 254), PadN(optdata=b"\0" * 100)])],
    "routing, at its end": lambda: [IPv6ExtHdrRouting(segleft=0, addresses=["2001:db8::99"])],
    "atomic fragment": lambda: [IPv6ExtHdrFragment(id=7)],  # RFC 6946
    "all": lambda: [IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(segleft=0), IPv6ExtHdrFragment(id=1),
                    IPv6ExtHdrDestOpt()],
    "eight": lambda: [IPv6ExtHdrHopByHop(), *(IPv6ExtHdrDestOpt() for _ in range(7))],
}


def requests(s, family, make):
    """`make(payload, vip)` gives a frame with the options or headers in question."""
    frame = make(tcp(40000, 80, "PA", b"data"), 1)
    s.forwards(frame, routed(frame, dst=family.backend(11), dport=8080))
    frame = make(udp(), 1)
    s.forwards(frame, routed(frame, dst=family.backend(12), dport=8080))
    frame = make(tcp(), 2)
    s.forwards(frame, routed(frame, mac=mac_of(family.backend(13))))
    frame = make(udp(40000, 99), 1)
    s.drops(frame, "no_service")


def packets(s):
    for options in OPTIONS.values():
        requests(s, V4, lambda payload, vip: V4.request(payload, vip=vip, options=options()))
        back = V4.reply(tcp(8080, 40000, "SA"), options=options())
        s.forwards(back, routed(back, src=V4.vip(), sport=80))
        frame = V4.request(tcp(), client=4, vip=3, options=options(), flags="DF")
        tunnel(s, frame)
    for headers in HEADERS.values():
        requests(s, V6, lambda payload, vip: V6.request(stack(*headers(), payload), vip=vip))
        back = V6.reply(stack(*headers(), tcp(8080, 40000, "SA")))
        s.forwards(back, routed(back, src=V6.vip(), sport=80))
        tunnel(s, V6.request(stack(*headers(), tcp()), client=4, vip=3))


def tunnel(s, frame):
    inner = ip_of(routed(frame))
    destination = s.oracle.backend("tunnel", frame).address
    if ":" in destination:
        outer = IPv6(src=V6.address, dst=destination, hlim=64, nh=4 if isinstance(inner, IP) else 41)
    else:
        outer = IP(src=V4.address, dst=destination, ttl=64, id=0, flags="DF", proto=4 if isinstance(inner, IP) else 41)
    s.forwards(frame, stack(Ether(dst=mac_of(destination)), outer, inner))
