"""ICMP errors of dpdk-lb's own about packets that it does not pass on.

How much they quote: RFC 1812 section 4.3.2.3, RFC 4443 section 3.
"""

from frames import ICMP, V4, Ether, Raw, ip_of, mac_of, stack
from scapy.layers.inet6 import ICMPv6PacketTooBig, ICMPv6TimeExceeded


def about(family, packet, icmp4, icmp6, source=None):
    """The error to the sender of `packet`, bytes or an IP packet, from its destination unless told otherwise."""
    quoted = family.layer(bytes(packet))
    if family is V4:
        icmp, ip = stack(icmp4, Raw(bytes(packet)[:576 - 28])), V4.ip(source or quoted.dst, quoted.src, id=0, flags="DF")
    else:
        icmp, ip = stack(icmp6, Raw(bytes(packet)[:1280 - 48])), family.ip(source or quoted.dst, quoted.src)
    return stack(Ether(dst=mac_of(quoted.src)), ip, icmp)


def too_big(family, packet, mtu, source=None):
    """RFC 1191 section 4, RFC 4443 section 3.2."""
    return about(family, packet, ICMP(type=3, code=4, nexthopmtu=mtu), ICMPv6PacketTooBig(mtu=mtu), source)


def expired(family, frame, source=None):
    """RFC 792, RFC 4443 section 3.3: in transit."""
    return about(family, ip_of(frame), ICMP(type=11, code=0), ICMPv6TimeExceeded(code=0), source)
