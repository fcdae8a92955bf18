"""persistence: a client's first flow takes a turn, and all others of it go the same way, whatever the port and the VIP."""

from frames import FAMILIES, ip_of, routed, tcp, to_backend


def packets(s):
    for family in FAMILIES:
        chosen = {}
        for client in range(1, 13):
            frame = family.request(tcp(40000, 80), client=client)
            expected = to_backend(s, "shop", frame)
            s.forwards(frame, expected)
            chosen[client] = ip_of(expected).dst
        assert len(set(chosen.values())) == 3
        for sport, port, vip, flags in ((40001, 80, 1, "S"), (40001, 443, 1, "S"), (40001, 443, 2, "S"), (40000, 80, 1, "A"),
                                        (50000, 80, 2, "A")):
            for client, backend in chosen.items():
                frame = family.request(tcp(sport, port, flags), client=client, vip=vip)
                s.forwards(frame, routed(frame, dst=backend))
    s.shows("show flows count", check_flows)


def check_flows(document):
    assert document == {"flows": 2 * 12 * 5}, "flows, without the notes of the clients"
