"""IPv4 and Ethernet frames that no correct sender makes: each is dropped under its own name, and the next good one passes."""

import struct

from frames import ICMP, V4, Dot1Q, Ether, Raw, ip_of, routed, stack, tcp, udp


def good(s):
    frame = V4.request(tcp())
    s.forwards(frame, routed(frame, dst=V4.backend(11), dport=8080))


def cut(s):
    """At each byte."""
    for vip, payload in ((1, tcp(data=b"data")), (1, udp()), (2, tcp()), (1, ICMP() / Raw(b"data"))):
        frame = bytes(V4.request(payload, vip=vip))
        for size in range(14 + 1, len(frame)):
            s.drops(frame[:size], "truncated")
    for size in range(1, 14):
        s.drops(frame[:size], "truncated")
    s.drops(frame[:14], "truncated")
    tagged = bytes(Ether(dst="02:70:63:61:70:00", src="02:00:00:00:00:01") / Dot1Q(vlan=0) / ip_of(V4.request(tcp())))
    for size in range(14, len(tagged)):
        s.drops(tagged[:size], "truncated")


def header(s):
    for version in (0, 3, 5, 6, 15):
        s.drops(V4.request(tcp(), version=version), "bad_header")
    for words in range(5):
        s.drops(V4.request(tcp(), ihl=words), "bad_header")
    for words in (11, 12, 15):  # more than the 40 bytes that the packet has
        s.drops(V4.request(tcp(), ihl=words), "bad_header")
    for length in (0, 1, 19):
        s.drops(V4.request(tcp(), len=length), "bad_header")
    for length in (41, 100, 0xFFFF):
        s.drops(V4.request(tcp(), len=length), "truncated")
    right = Ether(bytes(V4.request(tcp()))).payload.chksum
    for bit in range(16):
        s.drops(V4.request(tcp(), chksum=right ^ 1 << bit), "bad_checksum")
    s.drops(V4.request(tcp(), chksum=0), "bad_checksum")
    # Options beyond the length that the header names are the segment's first bytes.
    s.drops(V4.request(tcp(), len=24, ihl=6, chksum=header_checksum(24, 6)), "bad_length")


def header_checksum(length, words):
    """Of a header whose options are the TCP ports."""
    data = bytearray(bytes(V4.request(tcp(), len=length, ihl=words, chksum=0))[14:14 + 4 * words])
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def transport(s):
    for length in range(20, 40):  # the IP packet ends within the TCP header
        s.drops(V4.request(tcp(), len=length), "bad_length")
    for words in (0, 4, 6, 15):
        s.drops(V4.request(tcp(dataofs=words)), "bad_length")
    for length in range(20, 28):
        s.drops(V4.request(udp(), len=length), "bad_length")
    for length in (0, 7, 17, 0xFFFF):
        s.drops(V4.request(udp(len=length)), "bad_length")
    for length in range(20, 28):
        s.drops(V4.request(ICMP() / Raw(b"data"), len=length), "bad_length")
    # RFC 768 does not say that a datagram fills its packet.
    frame = V4.request(udp(len=12))
    s.forwards(frame, routed(frame, dst=V4.backend(12), dport=8080))


def packets(s):
    for part in (cut, header, transport):
        part(s)
        good(s)
    # Larger than a packet buffer, and than any MTU here.
    s.drops(V4.request(tcp(data=b"x" * 4000)), "truncated")
    s.drops(stack(Ether(dst="02:70:63:61:70:00", src="02:00:00:00:00:01"), Raw(b"")), "no_twin")
    good(s)
