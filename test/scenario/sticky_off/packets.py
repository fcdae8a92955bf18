"""sticky = false: the hash alone decides, packet by packet, and no flow is kept; but fnat cannot do without."""

from frames import FAMILIES, mac_of, routed, tcp, to_backend, udp

CLIENTS = range(1, 101)


def packets(s):
    for family in FAMILIES:
        for client in CLIENTS:
            for flags in ("S", "A", "FA", "R"):
                frame = family.request(tcp(flags=flags), client=client)
                s.forwards(frame, to_backend(s, "web", frame))
            frame = family.request(udp(), client=client, vip=3)
            s.forwards(frame, routed(frame, mac=mac_of(family.backend(14))))
        for backend in (11, 12):
            back = family.reply(tcp(8080, 40000, "SA"), backend=backend)
            s.forwards(back, routed(back, src=family.vip(), sport=80))
        frame = family.request(tcp(), vip=2)
        s.forwards(frame, routed(frame, src=family.address, dst=family.backend(13), dport=8080), free=[("TCP", "sport")])
    s.shows("show flows count", check_flows)


def check_flows(document):
    assert document == {"flows": 2}, "only the flows of fnat expected"
