"""IPv6 packets that no correct sender makes, or whose headers nobody can see through: each is dropped under its own name."""

from frames import V4, V6, Raw, routed, stack, tcp, udp
from scapy.layers.inet6 import (ICMPv6EchoRequest, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting, PadN)


def good(s):
    frame = V6.request(tcp())
    s.forwards(frame, routed(frame, dst=V6.backend(11), dport=8080))


def cut(s):
    payloads = ((1, tcp(data=b"data")), (1, udp()), (2, tcp()), (1, ICMPv6EchoRequest(data=b"data")),
                (1, stack(IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(segleft=0), IPv6ExtHdrFragment(), tcp())))
    for vip, payload in payloads:
        frame = bytes(V6.request(payload, vip=vip))
        for size in range(14, len(frame)):
            s.drops(frame[:size], "truncated")


def header(s):
    for version in (0, 4, 5, 7, 15):
        s.drops(V6.request(tcp(), version=version), "bad_header")
    for length in (21, 100, 0xFFFF):
        s.drops(V6.request(tcp(), plen=length), "truncated")
    for length in range(20):
        s.drops(V6.request(tcp(), plen=length), "bad_length")
    # The other family's packet under this one's type.
    frame = V4.request(tcp())
    frame.type = 0x86DD
    s.drops(stack(frame, Raw(b"\0" * 40)), "bad_header")


def transport(s):
    for words in (0, 4, 6, 15):
        s.drops(V6.request(tcp(dataofs=words)), "bad_length")
    for length in range(8):
        s.drops(V6.request(udp(), plen=length), "bad_length")
    for length in (0, 7, 17, 0xFFFF):
        s.drops(V6.request(udp(len=length)), "bad_length")
    for length in range(8):
        s.drops(V6.request(ICMPv6EchoRequest(data=b"data"), plen=length), "bad_length")


def destination_options(count):
    return [IPv6ExtHdrDestOpt() for _ in range(count)]


def chain(s):
    for count in (9, 10, 30, 100):
        s.drops(V6.request(stack(*destination_options(count), tcp())), "bad_extension")
    # RFC 8200 section 4.1: hop-by-hop options come first or not at all.
    s.drops(V6.request(stack(IPv6ExtHdrDestOpt(), IPv6ExtHdrHopByHop(), tcp())), "bad_extension")
    s.drops(V6.request(stack(IPv6ExtHdrHopByHop(), IPv6ExtHdrHopByHop(), tcp())), "bad_extension")
    # Section 4.4: it has a way to go yet.
    for left in (1, 2, 255):
        routing = IPv6ExtHdrRouting(segleft=left, addresses=["2001:db8::99", "2001:db8::98"])
        s.drops(V6.request(stack(routing, tcp())), "bad_extension")
        s.drops(V6.request(stack(routing.copy(), tcp()), vip=2), "bad_extension")
    # The header ends behind the packet.
    for length in (7, 100, 255):
        s.drops(V6.request(stack(IPv6ExtHdrDestOpt(len=length, options=[PadN(optdata=b"\0" * 4)]), tcp())), "truncated")
    # The packet ends within its headers.
    for length in range(48):
        s.drops(V6.request(stack(*destination_options(6), tcp()), plen=length), "truncated")
    s.drops(V6.request(stack(*destination_options(6), tcp()), plen=48), "bad_length")
    # Nothing follows (59), or what cannot be read without a key (50).
    for protocol in (50, 51, 59, 135, 139, 140, 253):
        s.drops(V6.request(stack(IPv6ExtHdrDestOpt(nh=protocol), Raw(b"\0" * 24))), "no_service")


def packets(s):
    for part in (cut, header, transport, chain):
        part(s)
        good(s)
