"""gre, gue, fou and vxlan: what each puts around a packet, and the packets that each is tried with.

A tunnel's scenario has a folder with the services "web" (VIP 1, TCP, backends of both families, everything by default), "udp4"
and "udp6" (VIPs 2 and 3, one backend each, sources, ports and VNIs of their own); all else follows from the file.
The outer IP header is ipip's (RFC 2003, RFC 2473, RFC 6040).
"""

from errors import expired
from frames import FAMILIES, IP, UDP, V4, V6, Ether, IPv6, Raw, ip_of, mac_of, routed, stack, tcp, udp
from mtu import MTU, error, sized
from scapy.layers.inet import IPOption_NOP
from scapy.layers.l2 import GRE
from scapy.layers.vxlan import VXLAN

PORTS = {"gue": 6080, "fou": 8285, "vxlan": 8472}
OVERHEAD = {"gre": 4, "gue": 8 + 4, "fou": 8, "vxlan": 8 + 8 + 14}  # without the outer IP header
EPHEMERAL = range(49152, 65536)
FREE_MAC = "02:00:00:00:00:00"  # of the inner frame: only its kind matters, check_macs()


def between(service, backend, inner):
    """The layers between outer and inner IP."""
    mode, four = service["mode"], isinstance(inner, IP)
    if mode == "gre":
        return [GRE(proto=0x0800 if four else 0x86DD)]
    # RFC 768: none over IPv4; RFC 8200 section 8.1: never none over IPv6, which scapy computes of the whole.
    checksum = None if ":" in backend else 0
    layers = [UDP(sport=EPHEMERAL[0], dport=service.get("tunnel_port", PORTS[mode]), chksum=checksum)]
    if mode == "gue":
        layers.append(Raw(bytes([0, 4 if four else 41, 0, 0])))
    if mode == "vxlan":
        mac = next(one["mac"] for one in service["backend"] if one["address"] == backend)
        layers += [VXLAN(flags="Instance", vni=service.get("vni", 1)),
                   Ether(src=FREE_MAC, dst=mac, type=0x0800 if four else 0x86DD)]
    return layers


def tunnelled(service, frame, backend):
    inner = ip_of(routed(frame))
    tos = inner.tos if isinstance(inner, IP) else inner.tc
    protocol = 47 if service["mode"] == "gre" else 17
    sources = service.get("tunnel_source", (V4.address, V6.address))
    source = next(one for one in sources if (":" in one) == (":" in backend))
    if ":" in backend:
        outer = IPv6(src=source, dst=backend, hlim=64, tc=tos, fl=0, nh=protocol)
    else:
        whole = not isinstance(inner, IP) or inner.flags.DF
        outer = IP(src=source, dst=backend, ttl=64, tos=tos, proto=protocol, id=0, flags="DF" if whole else 0)
    return stack(Ether(dst=mac_of(backend)), outer, *between(service, backend, inner), inner)


def goes(s, name, frame, sent=None, out="", free=()):
    """`frame` leaves in the tunnel of service `name`. `sent`: the bytes that go in, if they are more than the frame's.
    `free`: fields that this packet may hold what it likes in."""
    service = s.oracle.services[name]
    expected = tunnelled(service, frame, s.oracle.backend(name, frame).address)
    outer = expected.payload
    free = list(free) if service["mode"] != "gre" else []
    free += [("IP", "id")] if isinstance(outer, IP) and not outer.flags.DF else []
    free += [("UDP", "sport")] if service["mode"] != "gre" else []
    free += [("Ether", "src", 2)] if service["mode"] == "vxlan" else []
    s.forwards(sent or frame, expected, free, out=out)


def packets(s):
    for family in FAMILIES:
        for sport in range(40000, 40040):
            goes(s, "web", family.request(tcp(sport, 80, "PA", b"x" * (sport % 9))))
        for name, vip in (("udp4", 2), ("udp6", 3)):
            fields(s, family, name, vip)
            shapes(s, family, name, vip)
            flows(s, family, name, vip)
            damaged(s, family, name, vip)
            sizes(s, family, name, vip)
    for check in (check_ports, check_macs, check_identification):
        s.check(check)


def fields(s, family, name, vip):
    """Traffic class and DF are copied, the hop limit is not."""
    for tos in (0x00, 0x01, 0x02, 0x03, 0x04, 0xB8, 0xFC, 0xFF):
        for more in [{"flags": 0, "id": 0xFFFF}, {"flags": "DF", "id": 5}] if family is V4 else [{"fl": 0x12345}]:
            goes(s, name, family.request(udp(40000, 53), vip=vip, tos=tos, **more))
    for hops in (2, 3, 255):
        goes(s, name, family.request(udp(40000, 53), vip=vip, hops=hops))
    if name == "udp4":
        frame = family.request(udp(40000, 53), vip=vip, hops=1)
        s.reports_expired(frame, expired(family, frame))


def shapes(s, family, name, vip):
    """Packets whose outer checksum and lengths are easily got wrong."""
    for length in range(4):
        goes(s, name, family.request(udp(40000, 53, b"abc"[:length]), vip=vip))
    padded = family.request(udp(40000, 53), vip=vip)
    goes(s, name, padded, sent=bytes(padded) + b"\xAA" * 40)
    surplus = family.request(udp(40000, 53, b"as long as the UDP header says, and more", len=8 + 6), vip=vip)
    goes(s, name, surplus)
    if family is V4:
        for length in (4, 5):
            goes(s, name, V4.request(udp(40000, 53, b"12345"[:length], chksum=0), vip=vip))
        goes(s, name, V4.request(udp(40000, 53), vip=vip, options=[IPOption_NOP()] * 4))


def flows(s, family, name, vip):
    """Many, several packets each; all that differs is a port or the client."""
    for size in (1, 300):
        for sport in range(20000, 20100):
            goes(s, name, family.request(udp(sport, 53, b"x" * size), vip=vip, tos=4 if size == 1 else 0))
        for client in range(1, 51):
            goes(s, name, family.request(udp(30000, 53, b"x" * size), client=client, vip=vip))


def damaged(s, family, name, vip):
    """An inner checksum that is wrong stays wrong. The outer one over IPv6 rests on it and shows the damage too."""
    for checksum in (0x0001, 0xBEEF):
        goes(s, name, family.request(udp(40000, 53, chksum=checksum), vip=vip), free=[("UDP", "chksum")])
        shows_damage(s)
    goes(s, "web", family.request(tcp(40000, 80, chksum=0xBEEF)), free=[("UDP", "chksum")])
    shows_damage(s)


def shows_damage(s):
    """The last packet's outer UDP checksum is wrong over IPv6, and none over IPv4."""
    step = s.steps[-1]

    def check(pairs):
        outer = next(seen for frame, seen in pairs if frame is step.frame).payload
        if outer.haslayer(GRE):
            return
        right = 0
        if isinstance(outer, IPv6):
            anew = outer.copy()
            del anew.payload.chksum
            right = IPv6(bytes(anew)).payload.chksum
        assert (outer.payload.chksum != right) == isinstance(outer, IPv6), f"outer checksum {outer.payload.chksum:#x}"

    s.check(check)


def sizes(s, family, name, vip):
    """What fits the port's MTU, and what does not."""
    service = s.oracle.services[name]
    most = MTU - (40 if name == "udp6" else 20) - OVERHEAD[service["mode"]]
    flags = {"flags": "DF"} if family is V4 else {}
    header = udp(40000, 53, b"")
    for length in (most - 1, most):
        goes(s, name, sized(family, length, header.copy(), vip=vip, **flags))
    for length in (most + 1, MTU):
        frame = sized(family, length, header.copy(), vip=vip, **flags)
        s.reports_too_big(frame, error(family, frame, most))
    if family is V4:
        goes(s, name, sized(V4, most, header.copy(), vip=vip))
        for length in (most + 1, MTU):  # fragmented outside
            goes(s, name, sized(V4, length, header.copy(), vip=vip))
            s.steps[-1].pieces, s.steps[-1].mtu = 2, MTU


def in_tunnel(pairs, layer=None):
    """(IP packet in, frame out) of those that a tunnel took; with `layer`, whose outer IP carries that."""
    own = {V4.client(client) for client in range(256)} | {V6.client(client) for client in range(256)}
    for frame, seen in pairs:
        if seen is not None and seen.payload.dst not in own and (layer is None or seen.payload.payload.haslayer(layer)):
            yield ip_of(frame if not isinstance(frame, bytes) else Ether(frame)), seen


def check_ports(pairs):
    """Of the outer UDP header: one a flow, and a different one for nearly every flow."""
    ports = {}
    for inner, seen in in_tunnel(pairs):
        outer = seen.payload.payload
        if isinstance(outer, GRE):
            return
        assert outer.sport in EPHEMERAL, f"outer source port {outer.sport}"
        flow = (inner.src, inner.dst, type(inner.payload), inner.payload.sport, inner.payload.dport)
        ports.setdefault(flow, set()).add(outer.sport)
    split = {flow: several for flow, several in ports.items() if len(several) > 1}
    assert not split, f"flows of several outer ports: {split}"
    # 680 flows, 16384 ports: about 14 collisions where they are spread evenly.
    different = len(set().union(*ports.values()))
    assert len(ports) > 600 and different > 0.94 * len(ports), f"{different} outer ports for {len(ports)} flows"


def check_macs(pairs):
    """The inner frame's source is an individual address, administered locally."""
    for _, seen in in_tunnel(pairs, VXLAN):
        first = int(seen.getlayer(Ether, 2).src[:2], 16)
        assert first & 0x03 == 0x02, f"inner source {seen.getlayer(Ether, 2).src}"


def check_identification(pairs):
    """RFC 6864: one of its own for each outer header that may be fragmented."""
    outers = [seen.payload for _, seen in in_tunnel(pairs)]
    ids = [outer.id for outer in outers if isinstance(outer, IP) and not outer.flags.DF]
    assert len(ids) > 100 and len(set(ids)) == len(ids), f"outer identifications: {sorted(ids)}"


def replies(s, sent):
    """RFC 768, RFC 8200 section 8.1: an outer checksum that comes out as zero is sent as all ones. The flow label is in no
    other checksum, so adding the outer one to it brings that to zero."""
    frame, seen = next((frame, seen) for frame, seen in sent
                       if not isinstance(frame, bytes) and frame.haslayer(IPv6) and frame[IPv6].dst == V6.vip(3)
                       and frame[IPv6].fl == 0 and seen is not None)
    checksum = seen.payload.payload.chksum
    for more, wanted in ((0, 0xFFFF), (1, 0xFFFE), (2, 0xFFFD)):
        steered = frame.copy()
        steered[IPv6].fl = (checksum + more) % 0xFFFF
        goes(s, "udp6", steered)
        s.check(lambda pairs, steered=steered, wanted=wanted: check_steered(pairs, steered, wanted))


def check_steered(pairs, frame, wanted):
    seen = next(seen for other, seen in pairs if other is frame)
    assert seen.payload.payload.chksum == wanted, f"outer checksum {seen.payload.payload.chksum:#x}, not {wanted:#x}"
