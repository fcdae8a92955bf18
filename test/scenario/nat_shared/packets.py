"""Two VIPs share a backend's endpoint: a reply goes back by its flow."""

from frames import FAMILIES, routed, tcp

VIPS = ((1, 80), (2, 8000))


def packets(s):
    for family in FAMILIES:
        for client in range(1, 21):
            vip, port = VIPS[client % 2]
            frame = family.request(tcp(40000, port), client=client, vip=vip)
            s.forwards(frame, routed(frame, dst=family.backend(11), dport=8080))
        for client in range(20, 0, -1):
            vip, port = VIPS[client % 2]
            back = family.reply(tcp(8080, 40000, "SA"), client=client)
            s.forwards(back, routed(back, src=family.vip(vip), sport=port))
    s.shows("show flows count", count_flows)


def count_flows(document):
    assert document == {"flows": 40}, "20 flows of each family expected"
