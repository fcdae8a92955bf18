#!/usr/bin/python3
"""A second Maglev, from the paper's pseudo code (NSDI 2016, section 3.4) and the description in lib/lb/maglev.hpp alone.

Reads one JSON document: a list of member sets, each a list of [address, port, weight]. Writes for each set the table's size
(4 bytes, little endian, 0 for none) and then 2 bytes a slot: the member's place among the set's members as they were given.
"""

import ipaddress
import json
import struct
import sys

import xxhash

SMALL, LARGE = 65537, 655373


def endpoint_text(address, port):
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def populate(members):
    """The table as a list of places in `members`, which are (address, port, weight)."""
    order = sorted(range(len(members)), key=lambda i: (members[i][0].version, members[i][0].packed, members[i][1]))
    size = SMALL if len(members) <= 655 else LARGE
    highest = max((weight for _, _, weight in members), default=0)
    if highest == 0:
        return []
    walks = {}
    for i in order:
        text = endpoint_text(members[i][0], members[i][1])
        walks[i] = [xxhash.xxh64_intdigest(text, seed=0) % size, xxhash.xxh64_intdigest(text, seed=1) % (size - 1) + 1]
    credit = [0] * len(members)
    entry = [-1] * size
    filled = 0
    while True:
        for i in order:
            credit[i] += members[i][2]
            if members[i][2] == 0 or credit[i] < highest:
                continue
            credit[i] -= highest
            at, skip = walks[i]
            while entry[at] >= 0:
                at = (at + skip) % size
            entry[at] = i
            walks[i][0] = (at + skip) % size
            filled += 1
            if filled == size:
                return entry


def main():
    for given in json.load(sys.stdin):
        members = [(ipaddress.ip_address(address), port, weight) for address, port, weight in given]
        table = populate(members)
        sys.stdout.buffer.write(struct.pack(f"<I{len(table)}H", len(table), *table))


if __name__ == "__main__":
    main()
