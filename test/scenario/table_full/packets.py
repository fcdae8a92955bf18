"""More flows than the table holds: every packet is served all the same, by the backend of its hash."""

from frames import FAMILIES, tcp, to_backend

FLOWS = 700  # of each family; 1,024 fit


def packets(s):
    for family in FAMILIES:
        for number in range(FLOWS):
            for flags in ("S", "A"):
                frame = family.request(tcp(10000 + number, flags=flags), client=number % 250)
                s.forwards(frame, to_backend(s, "web", frame))
    s.shows("show flows count", check_flows)


def check_flows(document):
    assert FLOWS <= document["flows"] <= 1024, "a table at its bound expected"
