"""overflow = "reset": where no backend takes it, a TCP packet is answered by a reset (RFC 9293 section 3.10.7.1) and a datagram by
port unreachable (RFC 792, RFC 4443 section 3.1), both from the VIP. overflow = "drop": it is dropped by name. max_connections."""

from frames import FAMILIES, V4, Ether, ip_of, mac_of, routed, stack, tcp, udp
from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6DestUnreach


def packets(s):
    for family in FAMILIES:
        for flags, sent, back in (
                ("S", {"seq": 1000}, {"flags": "RA", "seq": 0, "ack": 1001}),
                ("SF", {"seq": 0xFFFFFFFF}, {"flags": "RA", "seq": 0, "ack": 1}),
                ("A", {"seq": 7, "ack": 4000}, {"flags": "R", "seq": 4000, "ack": 0}),
                ("PA", {"seq": 7, "ack": 5000, "data": b"GET /"}, {"flags": "R", "seq": 5000, "ack": 0}),
                ("F", {"seq": 9, "data": b"abc"}, {"flags": "RA", "seq": 0, "ack": 13})):
            frame = family.request(tcp(40000, 80, flags, **sent))
            s.reports(frame, answer(family, frame, tcp(80, 40000, window=0, **back)), "reset_sent")
        s.drops(family.request(tcp(40000, 80, "R")), "no_backend")     # nobody resets a reset
        frame = family.request(udp(40000, 53))
        quoted = ip_of(frame).copy()
        if family is V4:
            quoted.ttl -= 1
            error = stack(ICMP(type=3, code=3), quoted)
        else:
            quoted.hlim -= 1
            error = stack(ICMPv6DestUnreach(code=4), quoted)
        s.reports(frame, answer(family, frame, error, df=True), "unreachable_sent")
        for vip, backend in ((2, 11), (3, 12)):
            for flow in range(3):
                frame = family.request(tcp(1000 + flow, 80), vip=vip)
                s.forwards(frame, routed(frame, dst=family.backend(backend)))
            frame = family.request(tcp(2000, 80, seq=5), vip=vip)
            if vip == 2:
                s.reports(frame, answer(family, frame, tcp(80, 2000, "RA", seq=0, ack=6, window=0), vip=2), "reset_sent")
            else:
                s.drops(frame, "backends_full")
            known = family.request(tcp(1001, 80, "A"), vip=vip)
            s.forwards(known, routed(known, dst=family.backend(backend)))


def answer(family, frame, payload, vip=1, df=True):
    """From the VIP back to the client, hop limit 64."""
    fields = {"flags": "DF", "id": 0} if family is V4 and df else {}
    client = family.client()
    return stack(Ether(dst=mac_of(client)), family.ip(family.vip(vip), client, **fields), payload)
