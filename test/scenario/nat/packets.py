"""nat, both directions: requests go to the oracle's backend, replies come from the VIP; ports are changed or kept."""

from frames import FAMILIES, V4, V6, IP, Raw, ip_of, routed, tcp, to_backend, udp


def web(s, family):
    for sport in range(40000, 40020):
        question = b"GET / HTTP/1.1\r\n\r\n" + b"x" * (sport % 7)
        for request in (tcp(sport, 80), tcp(sport, 80, "A"), tcp(sport, 80, "PA", question)):
            frame = family.request(request)
            s.forwards(frame, to_backend(s, "web", frame))
    # One backend serves two ports of the VIP from one of its own: the flow tells which.
    for vip_port in (80, 443):
        frame = family.request(tcp(50000, vip_port), client=vip_port % 100)
        s.forwards(frame, to_backend(s, "web", frame))
        back = swapped(to_backend(s, "web", frame), tcp(8080, 50000, "SA"))
        s.forwards(back, routed(back, src=family.vip(), sport=vip_port))


def swapped(expected, payload):
    """A backend's packet back to where `expected` came from."""
    ip = ip_of(expected)
    family = V4 if isinstance(ip, IP) else V6
    frame = family.reply(payload)
    ip_of(frame).src, ip_of(frame).dst = ip.dst, ip.src
    return frame


def kept_port(s, family):
    for port in (80, 443):
        frame = family.request(tcp(40000, port), vip=2)
        s.forwards(frame, routed(frame, dst=family.backend(13)))
        back = family.reply(tcp(port, 40000, "SA", options=[("MSS", 1460), ("WScale", 7)]), backend=13)
        s.forwards(back, routed(back, src=family.vip(2)))
        closing = family.reply(tcp(port, 40000, "R"), backend=13)
        s.forwards(closing, routed(closing, src=family.vip(2)))
    # A reply needs no flow here.
    back = family.reply(tcp(80, 40001, "A", b"late"), backend=13, client=77)
    s.forwards(back, routed(back, src=family.vip(2)))


def dns(s, family):
    for number in range(20):
        frame = family.request(udp(30000 + number, data=b"q" * number), client=number + 1)
        s.forwards(frame, to_backend(s, "dns", frame))
    for backend in (14, 15):
        back = family.reply(udp(5353, 30000, b"answer"), backend=backend)
        s.forwards(back, routed(back, src=family.vip(), sport=53))


def far(s, family):
    frame = family.request(udp(), vip=3)
    s.forwards(frame, routed(frame, dst=family.far()))
    back = family.reply(udp(53, 40000, b"answer"))
    ip_of(back).src = family.far()
    s.forwards(back, routed(back, src=family.vip(3)))


def no_udp_checksum(s):
    """RFC 768: zero is no checksum, and stays so."""
    frame = V4.request(udp(31000, chksum=0))
    s.forwards(frame, to_backend(s, "dns", frame))
    back = V4.reply(udp(5353, 31000, b"answer", chksum=0), backend=14)
    s.forwards(back, routed(back, src=V4.vip(), sport=53))


def left_alone(s, family):
    """Traffic class, identification, flow label, TCP options and urgent data pass; padding behind the packet does not."""
    fields = {"id": 0xBEEF, "flags": "DF"} if family is V4 else {"fl": 0xABCDE}
    segment = tcp(41000, 80, "PAUECN", b"data", seq=0xFFFFFFFF, ack=1, window=7, urgptr=3,
                  options=[("MSS", 1400), ("SAckOK", b""), ("Timestamp", (1, 2)), ("NOP", None), ("WScale", 9)])
    frame = family.request(segment, tos=0xB9, **fields)
    s.forwards(frame, to_backend(s, "web", frame))
    padded = family.request(tcp(41001, 80))
    s.forwards(bytes(padded) + b"\xAA" * 40, to_backend(s, "web", padded))


def damaged_payload(s):
    """A checksum that is wrong before is wrong by as much after: no damage is covered up."""
    frame = V4.request(tcp(42000, 80, "PA", b"payload!"))
    expected = to_backend(s, "web", frame)
    frame, expected = frame.__class__(bytes(frame)), expected.__class__(bytes(expected))
    for packet in (frame, expected):
        packet[Raw].load = b"paylo\x00d!"
    s.forwards(frame, expected)


def packets(s):
    for family in FAMILIES:
        web(s, family)
        kept_port(s, family)
        dns(s, family)
        far(s, family)
        left_alone(s, family)
    no_udp_checksum(s)
    damaged_payload(s)
