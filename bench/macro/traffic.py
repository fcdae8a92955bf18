"""Capture files of TCP flows to one VIP, for net_pcap's infinite_rx: real headers, right checksums, minimal frames.

Of `flows` flows a share is opened anew all the time: its packets are SYN, RST, SYN, RST, … as the file comes round.
The others are of established connections, one packet each. `new` is the share of SYNs among all packets, 0 to 1/3.
The packets are in random order. So known flows are (1 - 2 new) of the packets, and the file has flows / (1 - new).
"""

import random
import socket
import struct

MAC = bytes.fromhex("020000000106")  # of the port
ROUTER_MAC = bytes.fromhex("020000000001")
VIP = {4: "10.1.1.1", 6: "2001:db8:1::1"}
CLIENTS = {4: "198.18.0.0", 6: "2001:db8:9::"}
PORTS = 50000  # of each client
SYN, RST, ACK = 0x02, 0x04, 0x10
LEAST_FRAME = 60  # bytes, without its FCS


def folded(total):
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total


def words(data):
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


class Frames:
    """One family's frames. What they have in common is made once."""

    def __init__(self, family):
        self.family = family
        af = socket.AF_INET if family == 4 else socket.AF_INET6
        self.vip = socket.inet_pton(af, VIP[family])
        self.first = int.from_bytes(socket.inet_pton(af, CLIENTS[family]), "big")
        self.ethernet = MAC + ROUTER_MAC + (b"\x08\x00" if family == 4 else b"\x86\xdd")
        self.size = 4 if family == 4 else 16

    def ip(self, source):
        if self.family == 6:
            return struct.pack("!IHBB", 6 << 28, 20, 6, 64) + source + self.vip
        head = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0x4000, 64, 6, 0)
        check = 0xffff - folded(words(head) + words(source) + words(self.vip))
        return head[:10] + struct.pack("!H", check) + source + self.vip

    def frame(self, number, flags):
        source = (self.first + 1 + number // PORTS).to_bytes(self.size, "big")
        tcp = struct.pack("!HHIIBBHHH", 1024 + number % PORTS, 80, number, 1, 0x50, flags, 0xffff, 0, 0)
        check = 0xffff - folded(words(source) + words(self.vip) + 6 + 20 + words(tcp))
        frame = self.ethernet + self.ip(source) + tcp[:16] + struct.pack("!H", check) + tcp[18:]
        return frame.ljust(LEAST_FRAME, b"\0")


def write(path, family, flows, new, seed=1):
    """Gives the number of packets."""
    opened = round(flows * new / (1 - new))
    frames = Frames(family)
    packets = [frames.frame(number, flags) for number in range(opened) for flags in (SYN, RST)]
    packets += [frames.frame(number, ACK) for number in range(opened, flows)]
    random.Random(seed).shuffle(packets)
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for packet in packets:
            file.write(struct.pack("=IIII", 0, 0, len(packet), len(packet)) + packet)
    return len(packets)
