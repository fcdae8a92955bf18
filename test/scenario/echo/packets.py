"""ping to a VIP: answered from the VIP (RFC 792, RFC 4443 section 4.2), unless icmp_echo is off; other ICMP is not."""

from frames import FAMILIES, ICMP, V4, V6, Ether, Raw, ip_of, mac_of, stack
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NS, IPv6ExtHdrFragment

SIZES = (0, 1, 2, 3, 56, 57, 1000, 1400, 1472)


def ask(family, data, client=1, address=None, **fields):
    echo = ICMP(id=0x1234, seq=9) if family is V4 else ICMPv6EchoRequest(id=0x1234, seq=9)
    frame = family.request(stack(echo, Raw(data)) if data else echo, client=client, **fields)
    ip_of(frame).dst = address or family.vip()
    return frame


def answer(family, frame, data, hops=64, **fields):
    echo = ICMP(type=0, id=0x1234, seq=9) if family is V4 else ICMPv6EchoReply(id=0x1234, seq=9)
    asked = ip_of(frame)
    ip = family.ip(asked.dst, asked.src, hops=hops, **fields)
    return stack(Ether(dst=mac_of(asked.src)), ip, *([echo, Raw(data)] if data else [echo]))


def answered(s, family, data, address=None, **fields):
    frame = ask(family, data, address=address, **fields)
    fields.pop("hops", None)
    s.forwards(frame, answer(family, frame, data, **fields), free=[("IP", "id")])


def packets(s):
    for family in FAMILIES:
        for size in SIZES:
            if family is V4 or size <= 1452:
                answered(s, family, bytes(number % 251 for number in range(size)))
        for data in (b"\xff" * 8, b"\x00" * 8, b"\xf7\xff\xed\xcb\xff\xf6\x00\x00"):
            answered(s, family, data)
        answered(s, family, b"data", hops=255)
        answered(s, family, b"data", hops=1)
        answered(s, family, b"data", tos=0xB8)
        for address in ("10.1.1.3", "10.1.2.1", "10.1.2.200") if family is V4 else ("2001:db8:1::3", "2001:db8:1:2::5"):
            answered(s, family, b"data", address)
        s.drops(ask(family, b"data", address=family.vip(2)), "icmp_unhandled")
        s.drops(ask(family, b"data", address=family.vip(99)), "no_twin")
        s.drops(ask(family, b"data", address=family.address), "no_twin")
    answered(s, V4, b"data", flags="DF")
    for kind in (0, 5, 9, 13, 15, 17):
        s.drops(V4.request(ICMP(type=kind)), "icmp_unhandled")
    quoted = IP(src=V4.vip(), dst=V4.client()) / TCP()
    s.drops(V4.request(ICMP(type=5, code=1) / quoted), "icmp_unhandled")
    s.drops(V6.request(ICMPv6EchoReply(id=1)), "icmp_unhandled")
    # The kernel's side, which is not there.
    s.drops(V6.request(ICMPv6ND_NS(tgt=V6.vip()), hops=255), "no_twin")
    # An ICMP message is 8 bytes at least; and part of one is none.
    s.drops(short_echo(), "bad_length")
    s.drops(V4.request(ICMP() / Raw(b"x" * 8), flags="MF"), "fragment")
    s.drops(V6.request(IPv6ExtHdrFragment(m=1, nh=58) / Raw(b"\x80\0" + b"x" * 14)), "fragment")
    # The other family's ICMP is a protocol like any.
    s.drops(V4.request(Raw(b"\x80\x00" + b"\0" * 6), proto=58), "no_service")
    s.drops(V6.request(Raw(b"\x08\x00" + b"\0" * 6), nh=1), "no_service")


def short_echo():
    return V4.request(Raw(b"\x08\x00\xf7\xff\x00\x00\x00"), proto=1)
