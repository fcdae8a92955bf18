#!/usr/bin/python3
"""Reads Prometheus text (a file, or standard input) with Prometheus' own Python parser and tells it as JSON:

    {"FAMILY": {"type": "counter", "help": "…", "samples": [[{"label": "value"}, number], …]}, …}

Exit 1, with the reason, where the text breaks a rule that the parser does not see: a family without HELP or TYPE, one in two
places, a sample twice, a counter without _total, a name that is not ours.
"""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families


def families(text):
    heads = {"HELP": [], "TYPE": []}
    for line in text.splitlines():
        if line.startswith("# "):
            kind, name = line.split()[1:3]
            heads[kind].append(name)
    for kind, names in heads.items():
        if len(set(names)) != len(names):
            raise ValueError(f"{kind} twice: {sorted(n for n in names if names.count(n) > 1)}")
    told = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        if name in told:
            raise ValueError(f"{name} is in two places")
        if name not in heads["HELP"] or name not in heads["TYPE"] or not family.documentation:
            raise ValueError(f"{name} has no HELP or no TYPE")
        if not name.startswith("dpdk_lb_") or family.type not in ("counter", "gauge"):
            raise ValueError(f"{name} of type {family.type} is none of ours")
        if family.type == "gauge" and name.endswith("_total"):
            raise ValueError(f"{name} is a gauge")
        samples, seen = [], set()
        for sample in family.samples:
            if sample.name != name:
                raise ValueError(f"{sample.name} in family {name}")
            key = tuple(sorted(sample.labels.items()))
            if key in seen:
                raise ValueError(f"{name}{key} comes twice")
            seen.add(key)
            samples.append([sample.labels, sample.value])
        told[name] = {"type": family.type, "help": family.documentation, "samples": samples}
    return told


if __name__ == "__main__":
    text = open(sys.argv[1], encoding="utf-8").read() if len(sys.argv) > 1 else sys.stdin.read()
    try:
        json.dump(families(text), sys.stdout)
    except ValueError as error:
        sys.exit(f"not in order: {error}")
