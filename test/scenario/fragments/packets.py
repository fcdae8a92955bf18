"""Fragments that do not pass, each by its name (RFC 1858, RFC 3128, RFC 5722, RFC 7112, RFC 8200 section 4.5); those that are the
kernel's; and packets that look like fragments and are none."""

from errors import expired
from frames import FAMILIES, ICMP, V4, V6, Raw, routed, stack, tcp, to_backend, udp
from pieces import IDENTIFICATIONS, cut, piece, text
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop

PIECE = b"x" * 64


def packets(s):
    for family in FAMILIES:
        overlaps(s, family)
        duplicates(s, family)
        tiny(s, family)
        lengths(s, family)
        unfinished(s, family)
        shares_fate(s, family)
    others(s)
    kernels(s, 99)
    no_fragments(s)


def passes(s, family, whole, begin, end, ident, more=True):
    there = to_backend(s, "dns", whole)
    s.forwards(piece(whole, begin, end, ident, more), piece(there, begin, end, ident, more))


def overlaps(s, family):
    """Over 0..80, 80..160 and, last, 320..328: each of these gives the datagram up."""
    whole = family.request(udp(data=text(320)))
    for begin, end, more in ((0, 8, 1), (0, 88, 1), (0, 160, 1), (72, 88, 1), (72, 80, 1), (80, 88, 1), (40, 120, 1),
                             (152, 168, 1), (312, 328, 1), (320, 328, 1), (160, 168, 0), (80, 160, 0), (312, 328, 0)):
        ident = next(IDENTIFICATIONS)
        passes(s, family, whole, 0, 80, ident)
        passes(s, family, whole, 80, 160, ident)
        passes(s, family, whole, 320, 328, ident, False)
        for again in ((begin, end, more), (160, 240, 1), (0, 80, 1)):
            s.drops(piece(whole, *again[:2], ident, again[2]), "fragment_overlap")
    # Those that wait go with it.
    ident = next(IDENTIFICATIONS)
    for begin, end in ((80, 160), (160, 240), (152, 168), (0, 80)):
        s.drops(piece(whole, begin, end, ident, True), "fragment_overlap")


def duplicates(s, family):
    whole = family.request(udp(data=text(320)))
    ident = next(IDENTIFICATIONS)
    for begin, end, more in ((0, 80, True), (320, 328, False), (160, 240, True)):
        passes(s, family, whole, begin, end, ident, more)
        s.drops(piece(whole, begin, end, ident, more), "fragment_duplicate")


def tiny(s, family):
    for size in (8, 16):
        s.drops(piece(family.request(tcp(data=PIECE)), 0, size, 1, True), "fragment_tiny")
    # 24 bytes hold TCP's header, but not its options.
    options = tcp(data=PIECE, options=[("MSS", 1460), ("Timestamp", (1, 2))])
    s.drops(piece(family.request(options), 0, 24, 2, True), "fragment_tiny")
    s.drops(piece(family.request(tcp(data=PIECE), vip=2), 0, 8, 3, True), "fragment_tiny")


def lengths(s, family):
    whole = family.request(udp(data=text(400)))
    for begin, end in ((0, 81), (80, 87), (80, 161)):
        s.drops(piece(whole, begin, end, 1, True), "bad_length")
    s.drops(piece(whole, 80, 80, 1, True), "bad_length")
    s.drops(piece(whole, 80, 80, 1, False), "bad_length")
    s.drops(piece(family.request(udp(data=text(80), len=7)), 0, 80, 1, True), "bad_length")


def unfinished(s, family):
    """The first never comes; and no more than eight wait for it."""
    whole = family.request(udp(data=text(1000)), client=2)
    for ident in range(20):
        s.drops(piece(whole, 80, 160, ident, True), "fragment_timeout")
    for place in range(1, 11):
        s.drops(piece(whole, 80 * place, 80 * place + 80, 99, True), "fragment_timeout" if place <= 8 else "fragment_limit")


def shares_fate(s, family):
    """What becomes of the first becomes of all."""
    for fragment in cut(family.request(udp(dport=54, data=text(300))), 80, 7)[::-1]:
        s.drops(fragment, "no_service")
    *later, first = cut(family.request(udp(data=text(300)), hops=1), 80, 8)[::-1]
    for fragment in later:
        s.drops(fragment, "ttl_expired")
    s.reports_expired(first, expired(family, first))  # RFC 1122 section 3.2.2: an error about the first alone
    # A backend's, but of no service.
    for fragment in cut(family.reply(udp(1234, 40000, text(300)), backend=12), 80, 7)[::-1]:
        s.drops(fragment, "no_twin")


def others(s):
    s.drops(V4.request(stack(ICMP(), Raw(PIECE)), flags="MF"), "fragment")
    s.drops(V4.request(Raw(PIECE), frag=3, proto=50), "fragment")
    s.drops(V6.request(stack(IPv6ExtHdrFragment(m=1, nh=58), Raw(b"\x80\0" + b"x" * 14))), "fragment")
    s.drops(V6.request(stack(IPv6ExtHdrFragment(offset=8, nh=50), Raw(PIECE))), "fragment")
    # TCP's second eight bytes (RFC 3128).
    s.drops(V4.request(Raw(PIECE), flags="MF", frag=1, proto=6), "fragment_tiny")
    s.drops(V4.request(Raw(PIECE), frag=1, proto=6), "fragment_tiny")
    # 65,535 bytes are the most.
    s.drops(V4.request(Raw(PIECE), frag=8191, proto=17), "bad_length")
    s.drops(V6.request(stack(IPv6ExtHdrFragment(offset=8191, nh=17), Raw(PIECE))), "bad_length")
    # RFC 7112: the first has the whole chain, here a header too few.
    for rest in (b"", b"\x11\0" + b"\1\4" + b"\0" * 4, b"\x11\2" + b"\1\4" + b"\0" * 4):
        head = IPv6ExtHdrFragment(m=1, nh=60)
        s.drops(V6.request(stack(IPv6ExtHdrHopByHop(), head, Raw(b"\x3c\0" + b"\1\4" + b"\0" * 4 + rest))), "fragment_tiny")
    # In IPv6 the headers before UDP are in the fragments too; a later one's next header says so.
    whole = V6.request(stack(IPv6ExtHdrDestOpt(), udp(data=text(300))))
    there = routed(whole, dst=V6.backend(12), dport=8080)
    into, out = cut(whole, 80, 5), cut(there, 80, 5)
    for come, go in zip((3, 2, 0, 1), (0, 3, 2, 1)):
        s.forwards(into[come], out[go])


def kernels(s, vip):
    """Whatever they are: to an address that is no service's."""
    for flags, offset in (("MF", 0), ("MF", 1), ("MF", 8000), (0, 1), (0, 8000), ("MF+DF", 0)):
        for payload in (udp(data=b"x" * 56), Raw(PIECE)):
            proto = {"proto": 6} if isinstance(payload, Raw) else {}
            s.drops(V4.request(payload, vip=vip, flags=flags, frag=offset, **proto), "no_twin")
    s.drops(V4.request(Raw(b"x" * 8), vip=vip, flags="MF", proto=6), "no_twin")
    for more, offset in ((1, 0), (1, 1), (0, 1), (0, 8000)):
        for make in (lambda: udp(data=b"x" * 56), lambda: Raw(PIECE)):
            s.drops(V6.request(stack(IPv6ExtHdrFragment(m=more, offset=offset, id=9, nh=17), make()), vip=vip), "no_twin")


def no_fragments(s):
    """DF is none, nor are the reserved bits, nor an atomic fragment (RFC 6946)."""
    frame = V4.request(tcp(), flags="DF")
    s.forwards(frame, routed(frame, dst=V4.backend(11), dport=8080))
    frame = V6.request(stack(IPv6ExtHdrFragment(res1=0xFF, res2=3), tcp()))
    s.forwards(frame, routed(frame, dst=V6.backend(11), dport=8080))
    for family in FAMILIES:
        frame = family.request(udp(data=PIECE))
        s.forwards(frame, routed(frame, dst=family.backend(12), dport=8080))
