"""Datagrams in fragments (RFC 791 section 3.2, RFC 8200 section 4.5), in any order of arrival.

What must come out are the fragments of the whole packet as it would have come out, cut at the same places: so its checksums are
those that scapy computes of the whole.
"""

import itertools

from frames import IP, TCP, UDP, Ether, IPv6, Raw, ip_of
from scapy.layers.inet import defragment
from scapy.layers.inet6 import IPv6ExtHdrFragment, defragment6

IDENTIFICATIONS = itertools.count(1000)


def piece(frame, begin, end, ident, more):
    """The fragment of `frame` with the bytes from `begin` to `end` behind the IP header."""
    ip = ip_of(frame)
    data = bytes(ip)
    if isinstance(ip, IP):
        header = IP(data[:20])
        header.id, header.flags, header.frag = ident, "MF" if more else 0, begin // 8
        header.len = header.chksum = None
        packet = header / Raw(data[20:][begin:end])
    else:
        header = IPv6(data[:40])
        cut = IPv6ExtHdrFragment(nh=header.nh, offset=begin // 8, m=int(more), id=ident)
        header.nh, header.plen = 44, None
        packet = header / cut / Raw(data[40:][begin:end])
    whole = Ether(src=frame.src, dst=frame.dst, type=0x0800 if isinstance(ip, IP) else 0x86DD) / packet
    dissected = Ether(bytes(whole))
    if isinstance(ip, IP):
        dissected[IP].chksum = None     # so that it stays right when a field is changed
    return dissected


def cut(frame, size, ident):
    """All of them, `size` bytes each but the last."""
    ip = ip_of(frame)
    length = len(bytes(ip)) - (20 if isinstance(ip, IP) else 40)
    return [piece(frame, begin, min(begin + size, length), ident, begin + size < length) for begin in range(0, length, size)]


def arrivals(order):
    """The order in which they leave: what came before the first follows it."""
    first = order.index(0)
    return [0, *order[:first], *order[first + 1:]]


def orders(count):
    """In order, backwards, and two between."""
    places = list(range(count))
    return [places, places[::-1], places[1:] + places[:1], places[::2] + places[1::2]]


def passes(s, whole, size, order, leave, free=()):
    """`whole` goes in as fragments in this order; `leave`, called with the identification, gives those that come out, in the
    order of the datagram. `free`: fields of the first one (and of each, where `free` is a function of the fragment)."""
    ident = next(IDENTIFICATIONS)
    into, out = cut(whole, size, ident), leave(ident)
    for come, go in zip(order, arrivals(order)):
        fields = free(out[go]) if callable(free) else free if go == 0 else ()
        s.forwards(into[come], out[go], fields)
    return ident


def goes(s, whole, expected, size, order, free=()):
    """`whole` in fragments leaves as `expected` does in the same ones."""
    return passes(s, whole, size, order, lambda ident: cut(expected, size, ident), free)


def ident_of(ip):
    """Of a fragment."""
    return ip.id if isinstance(ip, IP) else ip[IPv6ExtHdrFragment].id


def is_fragment(ip):
    return ip.haslayer(IPv6ExtHdrFragment) if isinstance(ip, IPv6) else bool(ip.flags.MF or ip.frag)


def join(packets):
    """IP packets to one, by scapy."""
    if isinstance(packets[0], IPv6):
        return defragment6(sorted((IPv6(bytes(packet)) for packet in packets), key=lambda ip: ip[IPv6ExtHdrFragment].offset))
    whole, = defragment([IP(bytes(packet)) for packet in packets])
    return IP(bytes(whole))


def check_joined(datagrams, pairs, inner=lambda frame: frame.payload):
    """What came out joins, for each identification in `datagrams`, to a packet with these addresses and this payload, whose
    checksums are right, and went to one MAC. `datagrams`: identification → (source, destination, payload)."""
    groups, macs = {}, {}
    for _, seen in pairs:
        ip = inner(seen) if seen is not None else None
        if ip is not None and is_fragment(ip):
            groups.setdefault(ident_of(ip), []).append(ip)
            macs.setdefault(ident_of(ip), set()).add(seen.dst)
    for ident, (source, destination, payload) in datagrams.items():
        whole = join(groups[ident])
        assert len(macs[ident]) == 1, f"datagram {ident} went to {macs[ident]}"
        transport = whole[TCP] if whole.haslayer(TCP) else whole[UDP]
        assert (whole.dst, bytes(transport.payload)) == (destination, payload), f"datagram {ident}: {whole.summary()}"
        assert source in ("", whole.src), f"datagram {ident}: {whole.summary()}"
        anew = whole.copy()
        (anew[TCP] if anew.haslayer(TCP) else anew[UDP]).chksum = None
        again = type(whole)(bytes(anew))
        right = (again[TCP] if again.haslayer(TCP) else again[UDP]).chksum
        assert transport.chksum == right, f"datagram {ident}: checksum {transport.chksum:#x}, not {right:#x}"


def text(length):
    """Of no period that a size of fragments has."""
    return bytes((place * 7 + place // 251) % 256 for place in range(length))
