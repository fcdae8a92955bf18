"""Tunnels of packets of more than one usual buffer: the outer checksum covers them to the end."""

from frames import FAMILIES, V4, udp
from mtu import sized
from tunnels import OVERHEAD, goes

MTU = 9000


def packets(s):
    for vip, mode in ((2, "gre"), (3, "gue"), (4, "fou"), (5, "vxlan")):
        most = MTU - 40 - OVERHEAD[mode]
        for family in FAMILIES:
            for length in (1500, 1501, 1900, 1901, 2000, 2047, 2048, 2049, 2100, 4001, most):
                goes(s, mode, sized(family, length, udp(40000, 53, b""), vip=vip))
                if family is V4:
                    goes(s, mode, sized(family, length, udp(40001, 53, b"", chksum=0), vip=vip))
