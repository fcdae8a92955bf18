"""Checksums at their edges: 0x0000, 0xffff and their neighbours, before and after, of IPv4, TCP and UDP.

RFC 1624 section 3 tells where an incremental update can go wrong; RFC 768 that UDP sends 0xffff where zero is computed.
"""

import struct

from frames import FAMILIES, IP, V4, Raw, routed, tcp, udp
from scapy.layers.l2 import Ether

EDGES = [0x0000, 0x0001, 0x00FF, 0x0100, 0x7FFF, 0x8000, 0xFEFF, 0xFF00, 0xFFFE, 0xFFFF]


def transport_checksum(frame):
    built = Ether(bytes(frame))
    return built["TCP"].chksum if built.haslayer("TCP") else built["UDP"].chksum


def steered(frame, checksum, wanted):
    """The frame with its payload's first word such that checksum(frame) is `wanted`, as nearly as there is one."""
    word = (0xFFFF + checksum(frame) - wanted) % 0xFFFF
    copy = frame.copy()
    copy[Raw].load = struct.pack("!H", word) + copy[Raw].load[2:]
    return copy


def transport(s, family):
    for make in (tcp, udp):
        base = family.request(make(40000, 80, data=b"\x00\x00tail"))

        def after(frame, family=family):
            return routed(frame, dst=family.backend(11), dport=8080)

        seen = set()
        for edge in EDGES:
            for frame in (steered(base, transport_checksum, edge),
                          steered(base, lambda frame: transport_checksum(after(frame)), edge)):
                s.forwards(frame, after(frame))
                seen |= {transport_checksum(frame), transport_checksum(after(frame))}
        assert {0x0001, 0xFFFE} <= seen and (0x0000 in seen) == (make is tcp) and (0xFFFF in seen) == (make is udp), seen


def header(s):
    """The identification steers the checksum of an IPv4 header; TTL and address change it."""
    base = V4.request(udp(40000, 80), id=0)

    def after(frame):
        return routed(frame, dst=V4.backend(11), dport=8080)

    def checksum(frame):
        return Ether(bytes(frame))[IP].chksum

    for hops in (2, 64, 255):
        for edge in EDGES:
            for measured in (checksum, lambda frame: checksum(after(frame))):
                frame = base.copy()
                frame[IP].ttl = hops
                frame[IP].id = (0xFFFF + measured(frame) - edge) % 0xFFFF
                s.forwards(frame, after(frame))


def packets(s):
    for family in FAMILIES:
        transport(s, family)
    header(s)
