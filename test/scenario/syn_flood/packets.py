"""A SYN flood: half-open flows may take a quarter of the table. Past that SYNs are served by the flow's hash, whatever the scheduler,
and no flow is kept; a good client's ACK goes the same way and opens its flow. Established flows stay."""

from frames import FAMILIES, V4, routed, tcp, to_backend
from oracle import flow_key

QUOTA = 1024 // 4


def packets(s):
    established = []
    for family in FAMILIES:
        for sport in range(1000, 1100):
            frame = family.request(tcp(sport, 80))
            expected = to_backend(s, "web", frame)
            s.forwards(frame, expected)
            frame = family.request(tcp(sport, 80, "A"))
            s.forwards(frame, routed(frame, dst=expected.payload.dst))
            established.append((frame, expected.payload.dst))
    for number in range(QUOTA):
        frame = V4.request(tcp(2000 + number, 80), client=number % 250 + 1)
        s.forwards(frame, to_backend(s, "web", frame))
    for family in FAMILIES:
        for number in range(500):
            frame = family.request(tcp(5000 + number, 80), client=number % 250 + 1)
            s.forwards(frame, by_hash(s, family, frame))
        for sport in range(9000, 9020):
            for flags in ("S", "A", "PA"):
                frame = family.request(tcp(sport, 80, flags))
                s.forwards(frame, by_hash(s, family, family.request(tcp(sport, 80)), frame))
            # The good client's flow is established now, so that one more of the flood finds room.
            frame = family.request(tcp(sport, 80), client=200)
            s.forwards(frame, to_backend(s, "web", frame))
    for frame, backend in established:
        s.forwards(frame, routed(frame, dst=backend))
    s.shows("show flows count", check_flows)


def by_hash(s, family, frame, sent=None):
    chosen = s.oracle.by_hash(s.oracle.candidates("web", family.version), flow_key(frame))
    return routed(sent or frame, dst=chosen.address, dport=chosen.port)


def check_flows(document):
    assert document == {"flows": 200 + QUOTA + 40}, "established ones, the quota, and the good clients'"
