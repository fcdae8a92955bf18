"""ICMP errors about a service's flows, from both sides: each reaches the one whose packet it quotes, in that one's words.

RFC 792, RFC 4443, RFC 5508. Scapy makes what goes in and what must come out, so that each checksum is its own; of a quoted TCP or UDP
packet too, for a quote that is whole.
"""

from frames import FAMILIES, ICMP, TCP, UDP, V4, V6, Ether, Raw, ip_of, mac_of, routed, stack, tcp, udp
from scapy.layers.inet import IPOption_NOP, IPOption_RR
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6ParamProblem, ICMPv6TimeExceeded,
                                IPv6ExtHdrDestOpt, IPv6ExtHdrFragment)
from usual import GATEWAY_MAC

ROUTER = {V4: "198.51.100.1", V6: "2001:db8:5::1"}
SNAT = {V4: "10.0.0.107", V6: "2001:db8::107"}

KINDS = {
    V4: [lambda: ICMP(type=3, code=1), lambda: ICMP(type=3, code=3), lambda: ICMP(type=3, code=4, nexthopmtu=1280),
         lambda: ICMP(type=3, code=13), lambda: ICMP(type=11, code=0), lambda: ICMP(type=11, code=1),
         lambda: ICMP(type=12, code=0, ptr=20)],
    V6: [lambda: ICMPv6DestUnreach(code=0), lambda: ICMPv6DestUnreach(code=4), lambda: ICMPv6PacketTooBig(mtu=1280),
         lambda: ICMPv6TimeExceeded(code=0), lambda: ICMPv6TimeExceeded(code=1), lambda: ICMPv6ParamProblem(code=1, ptr=40)],
}


def header_size(family):
    return 20 if family is V4 else 40


def error(family, src, dst, icmp, quoted, size=None, hops=64):
    """A frame from the router, about the first `size` bytes of `quoted`."""
    return stack(Ether(src=GATEWAY_MAC, dst="02:70:63:61:70:00"), family.ip(src, dst, hops=hops), icmp, Raw(bytes(quoted)[:size]))


def tells(s, family, there, here, icmp, size=None, mac=None, free=()):
    """`there` and `here`: (source of the error, its destination, the quoted packet), as it comes and as it must go on."""
    src, dst, quoted = there
    frame = error(family, src, dst, icmp(), quoted, size)
    src, dst, quoted = here
    s.forwards(frame, routed(error(family, src, dst, icmp(), quoted, size), mac=mac), free=free)


def nat(s, family, icmp, transport, backend, size=None, **fields):
    """Both ways; `transport(sport, dport)`."""
    router, client, vip = ROUTER[family], family.client(), family.vip()
    server, port, vip_port = family.backend(backend), (8080 if backend == 11 else 5353), (80 if backend == 11 else 53)

    def packet(src, dst, sport, dport):
        return stack(family.ip(src, dst, **fields), transport(sport, dport))

    tells(s, family, (router, vip, packet(vip, client, vip_port, 40000)),
          (router, server, packet(server, client, port, 40000)), icmp, size)
    tells(s, family, (router, client, packet(client, server, 40000, port)),
          (vip, client, packet(client, vip, 40000, vip_port)), icmp, size)


def segment(data=b"data"):
    return lambda sport, dport: tcp(sport, dport, "PA", data)


def datagram(data=b"data", **fields):
    return lambda sport, dport: udp(sport, dport, data, **fields)


def packets(s):
    for family in FAMILIES:
        least = header_size(family) + 8
        for icmp in KINDS[family]:
            nat(s, family, icmp, segment(), 11)
            nat(s, family, icmp, datagram(), 12)
            # Half of a TCP checksum (9 more than least) is nothing that one could mend.
            for size in (least, least + 1, least + 8, least + 10, least + 12):
                nat(s, family, icmp, segment(), 11, size)
                nat(s, family, icmp, datagram(), 12, size)
        for length in (0, 1, 500, 1000):
            nat(s, family, KINDS[family][0], segment(b"x" * length), 11)
            nat(s, family, KINDS[family][0], datagram(b"x" * length), 12)
        direct(s, family)
        tunnels(s, family)
        refused(s, family)
    odd_quotes(s)


def odd_quotes(s):
    kind = KINDS[V4][2]
    for options in ([IPOption_NOP()] * 4, [IPOption_RR(routers=["0.0.0.0"] * 9)]):
        for size in (None, 68):
            nat(s, V4, kind, segment(), 11, size, options=options)
    nat(s, V4, kind, datagram(chksum=0), 12)
    nat(s, V4, kind, segment(), 11, flags="MF")
    nat(s, V4, kind, segment(), 11, hops=1)
    for headers in (lambda: IPv6ExtHdrDestOpt(), lambda: IPv6ExtHdrFragment(m=1, id=9), lambda: IPv6ExtHdrFragment(id=9)):
        nat(s, V6, KINDS[V6][2], lambda sport, dport, headers=headers: stack(headers(), tcp(sport, dport, "PA", b"data")), 11)


def direct(s, family):
    """The backend has the VIP: it gets the packet as it is, by its MAC or in its tunnel."""
    vip = family.vip(3)
    for icmp in KINDS[family]:
        frame = error(family, ROUTER[family], vip, icmp(), stack(family.ip(vip, family.client()), tcp(80, 40000, "A")))
        s.forwards(frame, routed(frame, mac=mac_of(family.backend(13))))


def tunnels(s, family):
    icmp = KINDS[family][2]
    for size in (None, header_size(family) + 8):
        vip = family.vip(4)
        quoted = stack(family.ip(vip, family.client()), tcp(80, 40000, "A", b"x" * 64))
        frame = error(family, ROUTER[family], vip, icmp(), quoted, size)
        outer = V4.ip(V4.address, "10.0.0.14", id=0, flags=0 if family is V4 else "DF", proto=4 if family is V4 else 41)
        s.forwards(frame, stack(Ether(dst=mac_of("10.0.0.14")), outer, ip_of(routed(frame))),
                   free=[("IP", "id")] if family is V4 else [])
        vip = family.vip(5)
        quoted = stack(family.ip(vip, family.client()), tcp(80, 40000, "A", b"x" * 64))
        frame = error(family, ROUTER[family], vip, icmp(), quoted, size)
        gue = Raw(bytes([0, 4 if family is V4 else 41, 0, 0]))
        outer = stack(V6.ip(V6.address, "2001:db8::15", nh=17), UDP(sport=50000, dport=6080), gue, ip_of(routed(frame)))
        s.forwards(frame, stack(Ether(dst=mac_of("2001:db8::15")), outer), free=[("UDP", "sport")])


def refused(s, family):
    kind, router, vip, client, server = KINDS[family][0], ROUTER[family], family.vip(), family.client(), family.backend(11)
    answer = stack(family.ip(vip, client), tcp(80, 40000, "A"))

    def drops(quoted, reason, size=None, dst=vip, hops=64, icmp=kind):
        s.drops(error(family, router, dst, icmp(), quoted, size, hops), reason)

    for size in (0, 1, header_size(family) - 1, header_size(family), header_size(family) + 7):
        drops(answer, "icmp_malformed", size)
    drops(b"\xff" * 64, "icmp_malformed")
    drops(stack(family.ip(vip, client), tcp(81, 40000, "A")), "icmp_no_flow")
    drops(stack(family.ip(vip, client), udp(80, 40000)), "icmp_no_flow")
    drops(stack(family.ip(client, vip), tcp(80, 40000)), "icmp_no_flow")
    drops(stack(family.ip(family.vip(6), client), tcp(80, 40000)), "icmp_no_flow", dst=family.vip(6))  # fnat, and no flow
    drops(stack(family.ip(SNAT[family], family.backend(16)), tcp(60000, 8080)), "icmp_no_flow", dst=SNAT[family])
    later = ({"frag": 8} if family is V4 else {})
    drops(stack(family.ip(vip, client, **later), *([] if family is V4 else [IPv6ExtHdrFragment(offset=8)]), tcp(80, 40000)),
          "icmp_no_flow")
    drops(answer, "ttl_expired", hops=1)
    damaged = error(family, router, vip, kind(), answer)
    damaged = Ether(bytes(damaged))
    data = bytearray(bytes(damaged))
    data[-1] ^= 1
    s.drops(bytes(data), "bad_checksum")
    # The kernel's, which is not here: about flows of nobody's.
    drops(stack(family.ip(client, server), tcp(40000, 22)), "no_twin", dst=client)
    drops(stack(family.ip(family.address, server), tcp(40000, 8080)), "no_twin", dst=family.address)
    frame = family.request(tcp(50000), vip=6)
    s.forwards(frame, routed(frame, src=SNAT[family], dst=family.backend(16), dport=8080), free=[("TCP", "sport")])


def replies(s, sent):
    """fnat: what port the flow has is known from the first run."""
    for frame, seen in sent:
        if seen is None or ip_of(seen).src not in SNAT.values() or not seen.haslayer(TCP):
            continue
        family = V4 if ip_of(seen).src == SNAT[V4] else V6
        router, vip, client, server, snat = ROUTER[family], family.vip(6), family.client(), family.backend(16), SNAT[family]
        port = seen[TCP].sport
        for icmp in KINDS[family]:
            for size in (None, header_size(family) + 8, header_size(family) + 18):
                tells(s, family, (router, vip, stack(family.ip(vip, client), tcp(80, 50000, "A", b"data"))),
                      (snat, server, stack(family.ip(server, snat), tcp(8080, port, "A", b"data"))), icmp, size)
                tells(s, family, (router, snat, stack(family.ip(snat, server), tcp(port, 8080, "A", b"data"))),
                      (vip, client, stack(family.ip(client, vip), tcp(50000, 80, "A", b"data"))), icmp, size)
