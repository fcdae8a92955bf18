"""Frames as scenarios want them: both families alike."""

from dataclasses import dataclass

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw
from usual import GATEWAY_MAC, backend_mac

LB_MAC = "02:70:63:61:70:00"  # net_pcap takes any


def stack(*layers):
    """As layer / layer, without the copies."""
    for lower, upper in zip(layers, layers[1:]):
        lower.lastlayer().add_payload(upper)
    return layers[0]


@dataclass(frozen=True)
class Family:
    version: int
    layer: type
    vip_format: str
    client_format: str
    link_format: str
    far_format: str
    address: str    # the load balancer's

    def vip(self, number=1):
        return self.vip_format.format(number)

    def client(self, number=1):
        return self.client_format.format(number)

    def backend(self, number=11):
        """On the link."""
        return self.link_format.format(number)

    def far(self, number=1):
        """Behind the gateway."""
        return self.far_format.format(number)

    def ip(self, src, dst, hops=64, tos=0, **fields):
        if self.version == 4:
            return IP(src=src, dst=dst, ttl=hops, tos=tos, **fields)
        return IPv6(src=src, dst=dst, hlim=hops, tc=tos, **fields)

    def request(self, payload, client=1, vip=1, **fields):
        """A client's packet to a VIP; `payload` starts with the transport header."""
        return stack(Ether(src=GATEWAY_MAC, dst=LB_MAC), self.ip(self.client(client), self.vip(vip), **fields), payload)

    def reply(self, payload, backend=11, client=1, **fields):
        """A packet of a backend on the link to a client."""
        return stack(Ether(src=backend_mac(backend), dst=LB_MAC), self.ip(self.backend(backend), self.client(client), **fields),
                     payload)


V4 = Family(4, IP, "10.1.1.{}", "192.0.2.{}", "10.0.0.{}", "172.16.0.{}", "10.0.0.106")
V6 = Family(6, IPv6, "2001:db8:1::{}", "2001:db8:c::{}", "2001:db8::{}", "2001:db8:b::{}", "2001:db8::106")
FAMILIES = (V4, V6)


def tcp(sport=40000, dport=80, flags="S", data=b"", **fields):
    header = TCP(sport=sport, dport=dport, flags=flags, **fields)
    return stack(header, Raw(data)) if data else header


def udp(sport=40000, dport=53, data=b"question", **fields):
    header = UDP(sport=sport, dport=dport, **fields)
    return stack(header, Raw(data)) if data else header


def mac_of(address):
    """Of the next hop to this address."""
    for number in range(11, 20):
        if address in (f"10.0.0.{number}", f"2001:db8::{number}"):
            return backend_mac(number)
    return GATEWAY_MAC


def ip_of(frame):
    return frame[IP] if frame.haslayer(IP) else frame[IPv6]


def routed(frame, mac=None, **changes):
    """`frame` one hop further: src, dst, sport, dport changed as told, a hop less to live, to `mac` or the next hop to its
    destination, without a VLAN tag and without the padding behind the IP packet."""
    ip = ip_of(frame).copy()
    for name in ("src", "dst"):
        if name in changes:
            ip.setfieldval(name, changes[name])
    transport = ip[TCP] if ip.haslayer(TCP) else ip[UDP] if ip.haslayer(UDP) else None
    for name in ("sport", "dport"):
        if changes.get(name):
            transport.setfieldval(name, changes[name])
    if isinstance(ip, IP):
        ip.ttl -= 1
    else:
        ip.hlim -= 1
    return stack(Ether(src=LB_MAC, dst=mac or mac_of(ip.dst)), ip)


def to_backend(s, service, frame, **changes):
    """`frame` as nat passes it to the backend of the oracle's choice."""
    chosen = s.oracle.backend(service, frame)
    return routed(frame, dst=chosen.address, dport=chosen.port, **changes)
