#!/usr/bin/python3
"""Runs scenarios: packets in, the real dpdk-lb over net_pcap, packets out, compared byte by byte. Needs no root.

A scenario is a folder with
    lb.toml      the configuration. @LB@ stands for the usual [lb] table (@LB key = value@: with one key changed), @UPLINK@ for
                 the usual port, @NEIGHBORS@ for its neighbours (usual.py), @DIR@ for the run's own folder
    packets.py   packets(s): says by `s` (scenario.py) what goes in and what must become of it.
                 replies(s, sent), optional: a second run in which the same packets go in, and then these, built from what
                 the first run sent: for what cannot be known beforehand, like a SNAT port

usage: run.py [--build DIR] [--keep] [FOLDER…]     all folders without one
"""

import argparse
import gc
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

try:
    import scapy  # noqa: F401
    import xxhash  # noqa: F401
except ImportError as missing:
    sys.exit(f"run.py: {missing}; the scenarios need it: apt-get install python3-scapy python3-xxhash")

from check import Mismatch, check_run
from daemon import Daemon
from scenario import Scenario, load
from usual import fill


def run_once(folder, build, directory, sent=None):
    """One life of the daemon; the pairs of (packet in, packet seen)."""
    text = fill((folder / "lb.toml").read_text(), directory)
    (directory / "lb.toml").write_text(text)
    scenario = Scenario(text)
    module = load(folder / "packets.py")
    module.packets(scenario)
    if sent is not None:
        module.replies(scenario, sent)
    scenario.write_inputs(directory)
    with Daemon(build, directory) as daemon:
        daemon.start()
        daemon.wait_until_idle(scenario)
        facts = daemon.facts(scenario)
        daemon.stop()
    return check_run(scenario, directory, facts)


def run(folder, build, directory):
    pairs = run_once(folder, build, directory)
    if hasattr(load(folder / "packets.py"), "replies"):
        again = directory / "replies"
        again.mkdir()
        pairs = run_once(folder, build, again, pairs)
    return len(pairs)


def run_and_tell(folder, build, keep):
    directory = Path(tempfile.mkdtemp(prefix=f"scenario-{folder.name}-"))
    started = time.monotonic()
    try:
        count = run(folder, build, directory)
    except (Mismatch, AssertionError) as failure:
        print(f"FAILED {folder.name}: {failure}\n")
        for log in sorted(directory.glob("**/log")):
            print(f"-- {log.relative_to(directory)}:\n{log.read_text()[-3000:]}")
        return False
    finally:
        if keep:
            print(f"{folder.name}: files in {directory}")
        else:
            shutil.rmtree(directory)
    print(f"passed {folder.name}: {count} packets, {time.monotonic() - started:.2f} s")
    return True


def main():
    gc.disable()  # scapy's packets are cycles that all stay to the end
    parser = argparse.ArgumentParser(description="runs scenarios of dpdk-lb over net_pcap")
    parser.add_argument("--build", type=Path, default=os.environ.get("DPDK_LB_BUILD", HERE.parents[1] / "build"))
    parser.add_argument("--keep", action="store_true", help="keep the pcaps, the file and the log")
    parser.add_argument("folders", nargs="*", type=Path)
    options = parser.parse_args()
    folders = options.folders or sorted(path.parent for path in HERE.glob("*/packets.py"))
    results = [run_and_tell(folder.resolve(), Path(options.build).resolve(), options.keep) for folder in folders]
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
