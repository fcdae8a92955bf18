"""Each scheduler against the oracle's: new flows in a row, and packets of known ones among them, which take no turn. Without a SYN,
all go by hash."""

from collections import Counter

from frames import FAMILIES, V4, ip_of, routed, tcp, to_backend, udp

COUNTING = ("rr", "wrr", "lc", "wlc")


def packets(s):
    for family in FAMILIES:
        for number, service in enumerate(COUNTING, 1):
            first = None
            for flow in range(35):
                frame = family.request(tcp(40000 + flow, 80), client=flow % 7 + 1, vip=number)
                expected = to_backend(s, service, frame)
                s.forwards(frame, expected)
                first = first or (frame, ip_of(expected).dst)
                if flow % 5 == 4:
                    again = family.request(tcp(40000, 80, "A"), client=1, vip=number)
                    s.forwards(again, routed(again, dst=first[1], dport=8001 + 10 * number))
        clients(s, family)
        at_random(s, family)
        one_by_one(s, family)
        midstream(s, family)
    s.check(check_random)
    s.shows("show backends", check_backends)


def clients(s, family):
    """sh: whatever the port, a client has one backend."""
    for client in range(1, 30):
        for sport in (1024, 5000, 65535):
            frame = family.request(udp(sport, 80), client=client, vip=5)
            s.forwards(frame, to_backend(s, "sh", frame))


def at_random(s, family):
    layer = "IP" if family is V4 else "IPv6"
    for sport in range(1000, 1200):
        for flags in ("S", "A"):
            frame = family.request(tcp(sport, 80, flags), vip=6)
            s.forwards(frame, routed(frame, dst=family.far()), free=[(layer, "dst")])


def check_random(pairs):
    for family in FAMILIES:
        chosen = {}
        for frame, out in pairs:
            if ip_of(frame).dst == family.vip(6):
                chosen.setdefault(ip_of(frame).sport, set()).add(ip_of(out).dst)
        assert all(len(backends) == 1 for backends in chosen.values()), "a flow stays where it is"
        spread = Counter(backend for backends in chosen.values() for backend in backends)
        assert set(spread) == {family.far(1), family.far(2)} and min(spread.values()) > 60, spread


def one_by_one(s, family):
    for number in range(6):
        frame = family.request(udp(777, 53), vip=7)
        s.forwards(frame, to_backend(s, "datagrams", frame))


def midstream(s, family):
    """Begun at another load balancer of the group, which had the hash to go by, as all do."""
    backends = s.oracle.candidates("rr", family.version)
    from oracle import flow_key
    for sport in range(50000, 50020):
        frame = family.request(tcp(sport, 80, "A"), vip=1)
        chosen = s.oracle.by_hash(backends, flow_key(frame))
        s.forwards(frame, routed(frame, dst=chosen.address, dport=chosen.port))


def check_backends(document):
    for service in COUNTING:
        for version in (4, 6):
            of_it = {(row["address"], row["active_connections"]) for row in document if row["service"] == service
                     and (":" in row["address"]) == (version == 6)}
            counts = sorted(count for _, count in of_it if count)
            expected = {"lc": [11, 12, 12], "wlc": [5, 10, 20], "wrr": [5, 10, 20]}.get(service)
            assert expected is None or counts == expected, (service, version, of_it)
