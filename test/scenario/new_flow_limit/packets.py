"""max_new_flows: what is past it is dropped by name; known flows are not concerned."""

from frames import FAMILIES, LB_MAC, V4, V6, Ether, ip_of, mac_of, routed, stack, tcp, udp
from scapy.layers.inet import IP


def packets(s):
    for family in FAMILIES:
        frame = family.request(tcp(1000, 80))
        s.forwards(frame, routed(frame, dst=family.backend(11)))
        frame = family.request(udp(1000, 53), vip=2)
        s.forwards(frame, tunnelled(frame), free=[("IP", "id")])
    for family in (V4, V6):
        s.drops(family.request(tcp(1001, 80)), "new_flow_limit")
        s.drops(family.request(udp(1001, 53), vip=2), "new_flow_limit")
        known = family.request(tcp(1000, 80, "A"))
        s.forwards(known, routed(known, dst=family.backend(11)))
        known = family.request(udp(1000, 53), vip=2)
        s.forwards(known, tunnelled(known), free=[("IP", "id")])


def tunnelled(frame):
    inner = ip_of(frame).copy()
    v4 = isinstance(inner, IP)
    if v4:
        inner.ttl -= 1
    else:
        inner.hlim -= 1
    outer = IP(src=V4.address, dst=V4.backend(12), proto=4 if v4 else 41, ttl=64, flags="" if v4 else "DF")
    return stack(Ether(src=LB_MAC, dst=mac_of(V4.backend(12))), outer, inner)
