"""fnat: a flow's fragments have the flow's SNAT port, and those of replies reach the client, in any order."""

from frames import FAMILIES, IP, TCP, UDP, V4, ip_of, routed, tcp, to_backend, udp
from pieces import check_joined, cut, goes, ident_of, is_fragment, orders, text

SIZE = 160
WHOLES = {}     # identification → the client's datagram, and the order in which its fragments came


def packets(s):
    datagrams = {}
    for family in FAMILIES:
        for number, order in enumerate(orders(5)):
            for name, transport in (("web", tcp(40000 + number, 80, "PA", text(700 + number))),
                                    ("dns", udp(40000 + number, 53, text(710 + number)))):
                whole = family.request(transport)
                snat = family.address if name == "dns" else family.address.replace("106", "107")
                kind = "TCP" if name == "web" else "UDP"
                there = to_backend(s, name, whole, src=snat)
                ident = goes(s, whole, there, SIZE, order, free=[(kind, "sport"), (kind, "chksum")])
                datagrams[ident] = (snat, ip_of(there).dst, bytes(whole.lastlayer()))
                WHOLES[ident] = whole, order
                # Afterwards the same flow's whole packet.
                small = family.request(tcp(40000 + number, 80, "A") if name == "web" else udp(40000 + number, 53))
                s.forwards(small, to_backend(s, name, small, src=snat), free=[(kind, "sport")])
    s.check(lambda pairs: check_joined(datagrams, pairs))
    s.check(check_ports)


def transport_of(packet):
    return packet[TCP] if packet.haslayer(TCP) else packet[UDP] if packet.haslayer(UDP) else None


def check_ports(pairs):
    """A flow's whole packet leaves by the port that its fragments had."""
    ports = {}
    for _, seen in pairs:
        transport = transport_of(seen)
        if transport is not None:
            ports.setdefault((ip_of(seen).src, transport.sport), []).append(is_fragment(ip_of(seen)))
    assert len(ports) == len(WHOLES) and all(sorted(kinds) == [False, True] for kinds in ports.values()), f"{ports}"


def replies(s, sent):
    s.checks.clear()
    datagrams = {}
    for _, seen in sent:
        ip = ip_of(seen)
        if not is_fragment(ip) or transport_of(seen) is None:
            continue
        whole, order = WHOLES[own_ident(sent, ip)]
        there, here = transport_of(seen), transport_of(whole)
        family = V4 if isinstance(ip, IP) else FAMILIES[1]
        data = text(720)
        back = family.reply(tcp(there.dport, there.sport, "PA", data) if seen.haslayer(TCP)
                            else udp(there.dport, there.sport, data))
        ip_of(back).src, ip_of(back).dst = ip.dst, ip.src
        expected = routed(back, src=ip_of(whole).dst, dst=ip_of(whole).src, sport=here.dport, dport=here.sport)
        ident = goes(s, back, expected, SIZE, order[::-1])
        datagrams[ident] = (ip_of(whole).dst, ip_of(whole).src, data)
    assert len(datagrams) == len(WHOLES)
    for family in FAMILIES:
        stray(s, family)
    s.check(lambda pairs: check_joined(datagrams, pairs))


def own_ident(sent, ip):
    """The second run has identifications of its own, in the same order as the first."""
    first = sorted({ident_of(ip_of(seen)) for _, seen in sent if is_fragment(ip_of(seen))})
    return sorted(WHOLES)[first.index(ident_of(ip))]


def stray(s, family):
    """To SNAT addresses, but of no flow. The port's own address is the kernel's then, and it has no twin here."""
    for address, reason in ((family.address.replace("106", "107"), "no_flow"), (family.address, "no_twin")):
        back = family.reply(udp(53, 60000, text(300)), backend=13)
        ip_of(back).dst = address
        for fragment in cut(back, SIZE, 9)[::-1]:
            s.drops(fragment, reason)
