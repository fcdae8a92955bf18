"""Packets a second that the kernel forwards on one core, as it is and with nft's DNAT.

    ip netns exec NAMESPACE taskset -c CORE kernel_forwarding.py FAMILY FLOWS forward|dnat

There is no second machine to send, and a generator in user space would cost more than what is measured. So the kernel makes the
packets: BPF_PROG_TEST_RUN of an XDP program with live frames (Linux 5.18) gives each to the stack as if a device, here a TAP, had
received it. What is forwarded leaves by another TAP that nobody reads, whose queue is full: the device throws it away and counts it. The program writes each frame anew,
with the source of the next of `flows` flows: the stack has changed it when its page comes back. Prints JSON: ns_gross per packet
(the program says XDP_PASS) and ns_generator (it says XDP_DROP).

UDP without a checksum, so that conntrack and DNAT work as for TCP, but for its states. The namespace has to be an empty one.
"""

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

NR_BPF = 321  # x86_64
MAP_CREATE, PROG_LOAD, PROG_TEST_RUN = 0, 5, 10
MAP_ARRAY, PROG_XDP, LIVE_FRAMES = 2, 6, 2
XDP_DROP, XDP_PASS = 1, 2
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 2, 0x1000
PORTS, FIRST_PORT = 50000, 1024  # of each client
MAC = bytes.fromhex("020000000106")
VIP = {4: "10.1.1.1", 6: "2001:db8:1::1"}
CLIENT = {4: "198.18.0.0", 6: "2001:db8:9::"}
BACKENDS = {4: [f"10.0.0.{n}" for n in range(11, 21)], 6: [f"2001:db8::{n}" for n in range(11, 21)]}
SETTLE = 2_000_000  # packets before the clock starts, beside two for each flow


def bpf(command, attributes):
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    result = libc.syscall(NR_BPF, command, buffer, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return result


class Program:
    """BPF instructions (Linux, Documentation/bpf/standardization/instruction-set.rst), as few as are needed here."""

    def __init__(self):
        self.words = []

    def add(self, code, dst=0, src=0, offset=0, value=0):
        self.words.append(struct.pack("<BBhi", code, src << 4 | dst, offset, value))
        return self

    def copy(self, dst, src):
        return self.add(0xbf, dst, src)

    def constant(self, dst, value):
        return self.add(0xb7, dst, value=value)

    def operate(self, name, dst, value):
        code = {"add": 0x07, "div": 0x37, "and": 0x57, "shr": 0x77, "mod": 0x97, "xor": 0xa7}[name]
        return self.add(code, dst, value=value)

    def text(self):
        return b"".join(self.words)


def header(family):
    """Ethernet, IP, UDP; the client's last byte and port, and IPv4's checksum, are zero."""
    af = socket.AF_INET if family == 4 else socket.AF_INET6
    source, vip = (socket.inet_pton(af, address[family]) for address in (CLIENT, VIP))
    udp = struct.pack("!HHHH", 0, 80, 26, 0)
    if family == 4:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 46, 0, 0x4000, 64, 17, 0) + source + vip
        return MAC + MAC[::-1] + b"\x08\x00" + ip + udp
    return MAC + MAC[::-1] + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, 26, 17, 64) + source + vip + udp


def program(family, flows, counter, verdict):
    """r7: the frame; r8: the flow's client, r9: its port."""
    bytes_ = header(family)
    bytes_ += b"\0" * (-len(bytes_) % 4)
    p = Program()
    p.add(0x61, 7, 1, 0).add(0x61, 2, 1, 4)  # data, data_end
    p.copy(3, 7).operate("add", 3, len(bytes_)).add(0xbd, 3, 2, 2).constant(0, XDP_DROP).add(0x95)
    p.add(0x62, 10, 0, -4, 0).add(0x18, 1, 1, 0, counter).add(0x00)  # key 0 of the map
    p.copy(2, 10).operate("add", 2, -4).add(0x85, value=1)
    p.add(0x55, 0, 0, 2, 0).constant(0, XDP_DROP).add(0x95)
    p.add(0x79, 9, 0, 0).copy(1, 9).operate("add", 1, 1).add(0x7b, 0, 1, 0)
    p.operate("mod", 9, flows).copy(8, 9).operate("div", 8, PORTS).operate("mod", 9, PORTS)
    for at in range(0, len(bytes_), 4):
        p.add(0x62, 7, 0, at, struct.unpack_from("<i", bytes_, at)[0])
    p.operate("add", 9, FIRST_PORT).add(0xdc, 9, value=16)
    if family == 4:
        words = sum(struct.unpack("!10H", bytes_[14:34]))
        p.add(0x73, 7, 8, 29).add(0x6b, 7, 9, 34).operate("add", 8, words)
        for _ in range(2):
            p.copy(1, 8).operate("shr", 1, 16).operate("and", 8, 0xffff).add(0x0f, 8, 1)
        p.operate("xor", 8, 0xffff).add(0xdc, 8, value=16).add(0x6b, 7, 8, 24)
    else:
        p.add(0x73, 7, 8, 37).add(0x6b, 7, 9, 54)
    return p.constant(0, verdict).add(0x95).text()


class Generator:
    def __init__(self, family, flows, device):
        counter = bpf(MAP_CREATE, struct.pack("IIII", MAP_ARRAY, 4, 8, 1))
        self.size = 14 + 20 + 26 if family == 4 else 14 + 40 + 26
        self.index = socket.if_nametoindex(device)
        self.programs = {}
        for verdict in (XDP_PASS, XDP_DROP):
            text = ctypes.create_string_buffer(program(family, flows, counter, verdict))
            license_ = ctypes.create_string_buffer(b"BSD")
            log = ctypes.create_string_buffer(1 << 16)
            attributes = struct.pack("IIQQIIQI", PROG_XDP, (len(text) - 1) // 8, ctypes.addressof(text),
                                     ctypes.addressof(license_), 1, len(log), ctypes.addressof(log), 0)
            try:
                self.programs[verdict] = bpf(PROG_LOAD, attributes)
            except OSError as error:
                raise RuntimeError(f"{error}\n{log.value.decode()[-2000:]}") from error

    def run(self, verdict, packets):
        """Seconds for so many."""
        data = ctypes.create_string_buffer(self.size)
        context = ctypes.create_string_buffer(struct.pack("IIIIII", 0, self.size, 0, self.index, 0, 0), 24)
        start = time.monotonic()
        bpf(PROG_TEST_RUN, struct.pack("IIIIQQIIIIQQII", self.programs[verdict], 0, self.size, 0, ctypes.addressof(data), 0,
                                       packets, 0, 24, 0, ctypes.addressof(context), 0, LIVE_FRAMES, 0))
        return time.monotonic() - start


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def tap(name):
    """Its file: the device is there while that is open."""
    file = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    ip("link", "set", name, "address", MAC.hex(":"), "up")
    return file


def network(family, dnat):
    """A TAP that packets come in by, and one that they leave by; gives their files."""
    settings = {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1, "net.ipv4.conf.all.rp_filter": 0,
                "net.ipv4.conf.default.rp_filter": 0}
    subprocess.run(["sysctl", "-qw", *(f"{key}={value}" for key, value in settings.items())], check=True)
    ip("link", "set", "lo", "up")
    files = tap("gen0"), tap("out")
    length = 24 if family == 4 else 64
    ip(f"-{family}", "addr", "add", f"{'10.0.0.106' if family == 4 else '2001:db8::106'}/{length}", "dev", "out",
       *(["nodad"] if family == 6 else []))
    for address in BACKENDS[family]:
        ip("neigh", "add", address, "lladdr", "02:00:00:00:00:11", "dev", "out", "nud", "permanent")
    ip(f"-{family}", "route", "add", VIP[family], "via", BACKENDS[family][0])
    if dnat:
        to = ", ".join(f"{number} : {address}" for number, address in enumerate(BACKENDS[family]))
        name = "ip" if family == 4 else "ip6"
        rules = f"""table {name} lb {{
            chain prerouting {{
                type nat hook prerouting priority dstnat;
                {name} daddr {VIP[family]} udp dport 80 dnat to numgen inc mod {len(BACKENDS[family])} map {{ {to} }}
            }}
        }}
        """
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
        subprocess.run(["sysctl", "-qw", "net.netfilter.nf_conntrack_udp_timeout=300", "net.netfilter.nf_conntrack_checksum=0"],
                       check=True)
    return files


def sent():
    statistics = Path("/sys/class/net/out/statistics")
    return sum(int((statistics / name).read_text()) for name in ("tx_packets", "tx_dropped"))


def main():
    family, flows, dnat = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "dnat"
    files = network(family, dnat)
    generator = Generator(family, flows, "gen0")
    generator.run(XDP_PASS, SETTLE + 2 * flows)
    packets = 3_000_000
    before = sent()
    gross = generator.run(XDP_PASS, packets)
    forwarded = sent() - before
    if not packets <= forwarded <= packets + 100:  # the stack says a few words of its own
        sys.exit(f"the kernel forwarded {forwarded} of {packets} packets")
    known = int(Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text()) if dnat else flows
    if known < flows:
        sys.exit(f"conntrack has {known} of {flows} flows")
    print(json.dumps({"ns_gross": round(gross / packets * 1e9, 1),
                      "ns_generator": round(generator.run(XDP_DROP, packets) / packets * 1e9, 1)}))
    for file in files:
        os.close(file)


main()
