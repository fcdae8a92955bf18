"""Packets at the edge of the port's MTU, and the ICMP errors that say what would fit."""

from errors import too_big
from frames import V4, Raw, ip_of, routed, stack

MTU = 1500


def sized(family, length, transport, **fields):
    """A request that is an IP packet of `length` bytes; `transport` is the header alone."""
    room = length - (20 if family is V4 else 40) - len(transport)
    return family.request(stack(transport, Raw(b"x" * room)), **fields)


def error(family, frame, mtu):
    """About a request: its hop limit is a hop less already."""
    return too_big(family, ip_of(routed(frame)), mtu)
