"""A port of a VLAN takes frames of this VLAN alone, and sends them; a port without takes untagged and priority-tagged ones."""

from frames import FAMILIES, ICMP, V4, V6, Dot1Q, Ether, Raw, ip_of, mac_of, routed, stack, tcp
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest
from scapy.layers.l2 import ARP

INSIDE_MAC = "02:00:00:00:05:01"


def tagged(frame, vlan=100, **fields):
    return stack(Ether(src=frame.src, dst=frame.dst), Dot1Q(vlan=vlan, **fields), ip_of(frame).copy())


def packets(s):
    for family in FAMILIES:
        inside = "192.168.5.1" if family is V4 else "2001:db8:5::1"
        for fields in ({}, {"prio": 7}, {"id": 1, "prio": 3}):  # priority and DEI are the sender's matter
            frame = family.request(tcp(data=b"data"))
            s.forwards(tagged(frame, **fields), routed(frame, mac=INSIDE_MAC, dst=inside, dport=8080), out="inside")
        frame = family.request(tcp(), vip=2)
        s.forwards(tagged(frame), tagged(routed(frame, dst=family.backend(11), dport=8080)))
        frame = family.request(tcp(), vip=3)
        s.forwards(tagged(frame), tagged(routed(frame, mac=mac_of(family.backend(12)))))
        s.drops(family.request(tcp()), "other_vlan")
        for vlan in (0, 1, 99, 101, 4095):
            s.drops(tagged(family.request(tcp()), vlan), "other_vlan")
        echoes(s, family)
        back = family.reply(tcp(8080, 40000, "SA"))
        ip_of(back).src, back.src = inside, INSIDE_MAC
        for frame in (back, tagged(back, 0), tagged(back, 0, prio=5)):
            s.forwards(frame, tagged(routed(back, src=family.vip(), sport=80)), port="inside", out="uplink")
        s.drops(tagged(back, 100), "other_vlan", port="inside")
    for family in FAMILIES:
        frame = family.request(tcp(), vip=4)
        destination = s.oracle.backend("tunnel", frame).address
        protocol = 4 if family is V4 else 41
        outer = (V6.ip(V6.address, destination, nh=protocol) if ":" in destination
                 else V4.ip(V4.address, destination, id=0, proto=protocol))
        if ":" not in destination and family is V6:
            outer.flags = "DF"
        s.forwards(tagged(frame), stack(Ether(dst=mac_of(destination)), Dot1Q(vlan=100), outer, ip_of(routed(frame))),
                   free=[("IP", "id")] if family is V4 else [])
    unknown(s)


def echoes(s, family):
    ask, answer = ((ICMP(id=1), ICMP(type=0, id=1)) if family is V4 else (ICMPv6EchoRequest(id=1), ICMPv6EchoReply(id=1)))
    s.forwards(tagged(family.request(ask)),
               tagged(stack(Ether(dst=mac_of(family.client())), family.ip(family.vip(), family.client()), answer)))


def unknown(s):
    """Two tags are one too many; a tag does not make a frame of others ours."""
    frame = V4.request(tcp())
    for types in ((0x88A8, 0x8100), (0x9100, 0x8100)):
        outer, inner = Dot1Q(vlan=100), Dot1Q(vlan=100)
        s.drops(stack(Ether(src=frame.src, dst=frame.dst, type=types[0]), outer, inner, ip_of(frame).copy()), "other_vlan")
    s.drops(stack(Ether(src=frame.src, dst=frame.dst), Dot1Q(vlan=100), Dot1Q(vlan=100), ip_of(frame).copy()), "no_twin")
    s.drops(stack(Ether(src=frame.src, dst="ff:ff:ff:ff:ff:ff"), Dot1Q(vlan=100), ARP(pdst=V4.vip())), "no_twin")
    s.drops(stack(Ether(src=frame.src, dst=frame.dst), Dot1Q(vlan=100, type=0x88CC), Raw(b"\0" * 46)), "no_twin")
