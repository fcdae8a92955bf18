"""A backend on the link whose MAC nobody knows: its packets wait a second, some hundreds at most, and are dropped. Nobody else
waits for them."""

from frames import FAMILIES, routed, tcp


def packets(s):
    for family in FAMILIES:
        for client in range(1, 151):  # more than may wait for one neighbour
            s.drops(family.request(tcp(), client=client, vip=2), "no_neighbor")
        for client in range(1, 21):
            s.drops(family.request(tcp(), client=client, vip=3), "no_neighbor")
            frame = family.request(tcp(), client=client)
            s.forwards(frame, routed(frame, dst=family.backend(11), dport=8080))
