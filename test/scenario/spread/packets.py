"""2,000 flows go where the oracle's Maglev table says, in shares as the weights have it; weight 0 gets none."""

from collections import Counter

from frames import FAMILIES, TCP, ip_of, tcp, to_backend

FLOWS = 1000  # of each family


def packets(s):
    for family in FAMILIES:
        for number in range(FLOWS):
            frame = family.request(tcp(1024 + number * 61 % 60000, 80), client=1 + number % 250)
            s.forwards(frame, to_backend(s, "web", frame))
    s.check(check_shares)
    s.shows("show flows count", check_flow_count)
    s.shows("show backends web", check_backends)


def check_shares(pairs):
    count = Counter(ip_of(seen).dst for _, seen in pairs)
    for weights, total in (({"10.0.0.11": 1, "10.0.0.12": 2, "10.0.0.13": 5, "10.0.0.14": 0, "10.0.0.15": 2}, 10),
                           ({"2001:db8::11": 1, "2001:db8::12": 3, "2001:db8::13": 0, "2001:db8::14": 1}, 5)):
        for address, weight in weights.items():
            share = FLOWS * weight / total
            assert abs(count[address] - share) <= share * 0.25, f"{address}: {count[address]} of {FLOWS}, {share} expected"
    assert all(seen[TCP].sport == frame[TCP].sport for frame, seen in pairs)


def check_flow_count(document):
    assert document == {"flows": 2 * FLOWS}, f"{2 * FLOWS} flows expected"


def check_backends(rows):
    assert sum(row["packets"] for row in rows) == 2 * FLOWS, "a packet a flow expected"
    assert all(row["packets"] == 0 for row in rows if row["weight"] == 0), "weight 0 takes no flow"
