"""dpdk-lb for one run: start, wait until it has dealt with every packet, look, stop."""

import json
import subprocess
import time

from check import Mismatch

TIMEOUT = 30  # seconds; sanitizer builds on busy machines are slow


class Daemon:
    def __init__(self, build, directory):
        self.program = build / "app/dpdk-lb/dpdk-lb"
        self.console = build / "app/dpdk-lbctl/dpdk-lbctl"
        self.directory = directory
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def start(self):
        with open(self.directory / "log", "w") as log:
            self.process = subprocess.Popen([self.program, "-c", self.directory / "lb.toml"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.poll(lambda: (self.directory / "lb.sock").exists() and self.ask("show", "version").returncode == 0,
                  "the console answers")

    def poll(self, done, what):
        """Until done() is true. The pause only spares the core that the daemon works on."""
        until = time.monotonic() + TIMEOUT
        while not done():
            if self.process.poll() is not None:
                raise Mismatch(f"dpdk-lb ended with {self.process.returncode} before {what}")
            if time.monotonic() > until:
                raise Mismatch(f"after {TIMEOUT} s not yet true: {what}\n{self.state()}")
            time.sleep(0.01)

    def ask(self, *words):
        return subprocess.run([self.console, "-s", self.directory / "lb.sock", "--json", *words], timeout=TIMEOUT,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def show(self, *words):
        answer = self.ask(*words)
        if answer.returncode != 0:
            raise Mismatch(f"dpdk-lbctl {' '.join(words)}: {answer.stderr.strip()}")
        return json.loads(answer.stdout)

    def stats(self, scenario):
        return [self.show("show", "port", port, "stats") for port in scenario.ports]

    def state(self):
        return "\n".join(f"{words}: {self.ask(*words.split()).stdout.strip()}"
                         for words in ("show ports", "show drops", "show memory", "show neighbors"))

    def wait_until_idle(self, scenario):
        """Every packet was taken, and sent or dropped; every packet buffer is back."""
        count = len(scenario.steps)

        def settled():
            stats, drops = self.stats(scenario), self.show("show", "drops")
            # What was dropped and reported to its sender counts as both.
            reported = sum(count for reason, count in drops.items() if reason.endswith("_reported"))
            ended = sum(port["tx_packets"] for port in stats) + sum(drops.values()) - reported
            return sum(port["rx_packets"] for port in stats) >= count and ended >= count

        self.poll(settled, f"all {count} packets are sent or dropped")
        self.poll(lambda: self.show("show", "memory")[0]["used"] == 0, "no packet buffer is in use")

    def facts(self, scenario):
        """What the console says at the end: for check.py."""
        return {"drops": self.show("show", "drops"),
                "stats": dict(zip(scenario.ports, self.stats(scenario))),
                "macs": {port["name"]: port["mac"] for port in self.show("show", "ports")},
                "shown": [(words, self.show(*words.split()), check) for words, check in scenario.shown]}

    def stop(self):
        self.process.terminate()
        try:
            status = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            raise Mismatch(f"dpdk-lb does not end within {TIMEOUT} s of SIGTERM") from None
        if status != 0:
            raise Mismatch(f"dpdk-lb ended with {status} after SIGTERM, not 0")
