"""What came out against what should have."""

import difflib
import struct
from collections import deque

from scapy.layers.inet import IP, defragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, defragment6
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


def take(step, frames):
    """What of the step is at the head of these frames: one, or fragments joined again by scapy."""
    if step.pieces == 1:
        return frames[0]
    packets = [Ether(frame) for frame in frames[:step.pieces]]
    if any(len(packet.payload) > step.mtu for packet in packets):
        return b""
    if isinstance(packets[0].payload, IP):
        whole = defragment(packets)
        if len(whole) != 1 or whole[0][IP].flags.MF or whole[0][IP].frag:
            return b""
        return bytes(whole[0])
    if not all(packet.haslayer(IPv6ExtHdrFragment) for packet in packets):
        return b""
    header = Ether(src=packets[0].src, dst=packets[0].dst)
    return bytes(header / defragment6([packet[IPv6] for packet in packets]))


def check_output(port, steps, frames, mac):
    """(step, bytes seen) for each packet out of the port. Those of one port keep their order; ports take turns as they like."""
    waiting = {source: deque(step for step in steps if step.port == source) for source in {step.port for step in steps}}
    wrong, pairs = [], []
    place = 0
    while place < len(frames):
        heads = [queue for queue in waiting.values() if queue]
        if not heads:
            break
        fitting = []
        for queue in heads:
            seen = take(queue[0], frames[place:])
            if seen and build_expected(queue[0], seen, mac) == seen:
                fitting.append(queue)
                break
        step = (fitting or heads)[0].popleft()
        seen = take(step, frames[place:]) or frames[place]
        place += step.pieces
        if not fitting:
            wrong.append(f"packet {place} out of {port}, from:\n  {Ether(bytes(step.frame)).summary()}\n"
                         + difference(build_expected(step, seen, mac), seen))
        pairs.append((step, seen))
    count = sum(step.pieces for step in steps)
    if len(frames) != count:
        wrong.insert(0, f"{count} packets should come out of {port}, {len(frames)} did")
        wrong += [f"not expected: {Ether(frame).summary()}" for frame in frames[count:]]
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
