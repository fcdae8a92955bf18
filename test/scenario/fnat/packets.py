"""fnat: the backend sees a SNAT address and port, one of its own for each flow; replies to it reach the client from the VIP."""

from collections import defaultdict

from frames import FAMILIES, V4, IP, TCP, UDP, ip_of, routed, tcp, to_backend, udp

SNAT = {4: {"10.0.0.107", "10.0.0.108"}, 6: {"2001:db8::107", "2001:db8::108"}}


def transport_of(frame):
    return frame[TCP] if frame.haslayer(TCP) else frame[UDP]


def packets(s):
    for family in FAMILIES:
        layer = family.layer.__name__
        for client in range(1, 31):
            for flags in ("S", "A", "PA"):
                frame = family.request(tcp(40000, 80, flags, b"data" if "P" in flags else b""), client=client)
                s.forwards(frame, to_backend(s, "web", frame), free=[(layer, "src"), ("TCP", "sport")])
            frame = family.request(udp(40000, 53, b"q" * client), client=client)
            s.forwards(frame, routed(frame, src=family.address, dst=family.backend(13)), free=[("UDP", "sport")])
    frame = V4.request(udp(40001, 53, chksum=0))
    s.forwards(frame, routed(frame, src=V4.address, dst=V4.backend(13)), free=[("UDP", "sport")])
    s.check(check_snat)


def check_snat(pairs):
    """A flow keeps its source; no two flows share one; ports are from 1024."""
    source_of, flows_of = defaultdict(set), defaultdict(set)
    for frame, seen in pairs:
        if ip_of(frame).dst not in ("10.1.1.1", "2001:db8:1::1"):
            continue
        protocol = TCP if frame.haslayer(TCP) else UDP
        flow = (protocol, ip_of(frame).src, frame[protocol].sport)
        source = (protocol, ip_of(seen).src, seen[protocol].sport)
        version = 4 if frame.haslayer(IP) else 6
        assert protocol is UDP or source[1] in SNAT[version], f"{source[1]} is no SNAT address"
        assert source[2] >= 1024, f"port {source[2]} is reserved"
        source_of[flow].add(source)
        flows_of[source].add(flow)
    assert all(len(sources) == 1 for sources in source_of.values()), "a flow changed its source"
    assert all(len(flows) == 1 for flows in flows_of.values()), "two flows share a source"
    for version, addresses in SNAT.items():
        used = {address for protocol, address, _ in flows_of if protocol is TCP and (":" in address) == (version == 6)}
        assert used == addresses, f"SNAT addresses used: {used}"


def replies(s, sent):
    """Ports are given out in the same order to the same packets, so that the first run's are this one's too."""
    s.checks.clear()
    for frame, seen in sent:
        family = FAMILIES[0] if frame.haslayer(IP) else FAMILIES[1]
        there, here = transport_of(seen), transport_of(frame)
        payload = (tcp(there.dport, there.sport, "SA") if frame.haslayer(TCP)
                   else udp(there.dport, there.sport, b"answer", chksum=there.chksum if there.chksum == 0 else None))
        back = family.reply(payload)
        ip_of(back).src, ip_of(back).dst = ip_of(seen).dst, ip_of(seen).src
        s.forwards(back, routed(back, src=ip_of(frame).dst, dst=ip_of(frame).src, sport=here.dport, dport=here.sport))
    for family in FAMILIES:
        # To a SNAT address, but of no flow. The port's own address is the kernel's then, and it has no twin here.
        stray = family.reply(tcp(8080, 60000, "SA"))
        ip_of(stray).dst = "10.0.0.107" if family is V4 else "2001:db8::107"
        s.drops(stray, "no_flow")
        stray = family.reply(udp(53, 60000, b"answer"), backend=13)
        ip_of(stray).dst = family.address
        s.drops(stray, "no_twin")
