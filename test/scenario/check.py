"""What came out against what should have."""

import difflib
import struct
from collections import deque

from scapy.layers.l2 import Ether

MOST_SHOWN = 3


class Mismatch(Exception):
    """The daemon did something else than expected; its text says what."""


def read_pcap(path):
    data = path.read_bytes()
    frames, at = [], 24
    while at < len(data):
        (captured,) = struct.unpack_from("<8xI", data, at)
        frames.append(data[at + 16:at + 16 + captured])
        at += 16 + captured
    return frames


def dissected(data):
    return Ether(data).show(dump=True).splitlines()


def difference(expected, seen):
    if len(expected) < 14 or len(seen) < 14:
        return f"expected {expected.hex()}\nseen     {seen.hex()}"
    lines = difflib.unified_diff(dissected(expected), dissected(seen), "expected", "seen", n=2, lineterm="")
    return "\n".join(lines) or f"the same fields, other bytes:\nexpected {expected.hex()}\nseen     {seen.hex()}"


def build_expected(step, seen, mac):
    """The bytes that the step wants, with the free fields as they were seen."""
    if isinstance(step.expected, bytes):
        return step.expected
    packet = step.expected
    packet.src = mac
    if step.free:
        observed = Ether(seen)
        for layer, name, *which in step.free:
            there = observed.getlayer(layer, *which)
            if there is not None:
                packet.getlayer(layer, *which).setfieldval(name, there.getfieldval(name))
    return bytes(packet)


def check_output(port, steps, frames, mac):
    """(step, bytes seen) for each packet out of the port. Those of one port keep their order; ports take turns as they like."""
    waiting = {source: deque(step for step in steps if step.port == source) for source in {step.port for step in steps}}
    wrong, pairs = [], []
    for place, seen in enumerate(frames):
        heads = [queue for queue in waiting.values() if queue]
        if not heads:
            break
        fitting = [queue for queue in heads if build_expected(queue[0], seen, mac) == seen]
        step = (fitting or heads)[0].popleft()
        if not fitting:
            wrong.append(f"packet {place} out of {port}, from:\n  {Ether(bytes(step.frame)).summary()}\n"
                         + difference(build_expected(step, seen, mac), seen))
        pairs.append((step, seen))
    if len(frames) != len(steps):
        wrong.insert(0, f"{len(steps)} packets should come out of {port}, {len(frames)} did")
        wrong += [f"not expected: {Ether(frame).summary()}" for frame in frames[len(steps):]]
        wrong += [f"missing: {Ether(bytes(step.frame)).summary()}" for queue in waiting.values() for step in queue]
    return pairs, wrong


def check_drops(scenario, facts):
    expected = dict.fromkeys(facts["drops"], 0)
    for step in scenario.steps:
        if step.reason:
            if step.reason not in expected:
                return [f"show drops has no reason {step.reason}"]
            expected[step.reason] += 1
    return [f"drops under {reason}: {expected[reason]} expected, {count} seen"
            for reason, count in facts["drops"].items() if count != expected[reason]]


def check_run(scenario, directory, facts):
    """All of it; gives (frame in, packet out or None) for each step."""
    wrong, seen_of = [], {}
    for port in scenario.ports:
        steps = [step for step in scenario.steps if step.expected is not None and step.out == port]
        pairs, problems = check_output(port, steps, read_pcap(directory / f"{port}.out"), facts["macs"][port])
        wrong += problems[:MOST_SHOWN]
        if len(problems) > MOST_SHOWN:
            wrong.append(f"and {len(problems) - MOST_SHOWN} more of {port}")
        seen_of.update((id(step), seen) for step, seen in pairs)
    wrong += check_drops(scenario, facts)
    if wrong:
        raise Mismatch("\n".join(wrong))
    pairs = [(step.frame, Ether(seen_of[id(step)]) if id(step) in seen_of else None) for step in scenario.steps]
    for check in scenario.checks:
        check(pairs)
    for words, document, check in facts["shown"]:
        try:
            check(document)
        except AssertionError as failure:
            raise Mismatch(f"{words}: {failure}\n{document}") from failure
    return pairs
