"""Packets at the edge of the port's MTU, and the ICMP errors that say what would fit.

RFC 1191 section 4, RFC 4443 section 3.2.
"""

from frames import ICMP, V4, Ether, Raw, ip_of, mac_of, routed, stack
from scapy.layers.inet6 import ICMPv6PacketTooBig

MTU = 1500


def sized(family, length, transport, **fields):
    """A request that is an IP packet of `length` bytes; `transport` is the header alone."""
    room = length - (20 if family is V4 else 40) - len(transport)
    return family.request(stack(transport, Raw(b"x" * room)), **fields)


def error(family, frame, mtu):
    """RFC 1812 section 4.3.2.3 and RFC 4443 section 3.2 say how much is quoted; the hop limit may be a hop less already."""
    passed = bytes(ip_of(routed(frame)))
    if family is V4:
        icmp = stack(ICMP(type=3, code=4, nexthopmtu=mtu), Raw(passed[:576 - 28]))
        ip = V4.ip(V4.vip(), V4.client(), id=0, flags="DF")
    else:
        icmp = stack(ICMPv6PacketTooBig(mtu=mtu), Raw(passed[:1280 - 48]))
        ip = family.ip(family.vip(), family.client())
    ip.src = ip_of(frame).dst
    return stack(Ether(dst=mac_of(family.client())), ip, icmp)
