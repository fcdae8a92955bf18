#!/usr/bin/python3
"""bench/http does what it says, on the way through dpdk-lb and on others; how fast is not asked."""

import csv
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/support"))
from servers import BUILD
from systemtest import main

WAYS = ("direct", "nat", "fnat", "ipip", "nft", "nginx")


class BenchHttp(unittest.TestCase):
    def run_bench(self, out, *options):
        return subprocess.run([TOP / "bench/http", "--build", BUILD, "--out", out, "--backends", "1", "--seconds", "1", "--rate", "0",
                               "--connections", "4", *options], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=120)

    def test_each_way(self):
        for family in ("4", "6"):
            with self.subTest(family=family), tempfile.TemporaryDirectory() as out:
                done = self.run_bench(out, "--ways", ",".join(WAYS), "--family", family)
                self.assertEqual(done.returncode, 0, done.stdout)
                with open(Path(out) / "http.csv", newline="") as file:
                    rows = {row["way"]: row for row in csv.DictReader(file)}
                self.assertEqual(set(rows), set(WAYS), done.stdout)
                for way, row in rows.items():
                    self.assertGreater(float(row["requests_per_second"]), 100, way)
                    self.assertGreater(float(row["cpu_s_per_100k"]), 0, way)
                self.assertGreater(float(rows["nat"]["own_cpu_s_per_100k"]), 0)
                self.assertEqual(float(rows["direct"]["own_cpu_s_per_100k"]), 0)

    def test_an_unknown_way_is_named(self):
        with tempfile.TemporaryDirectory() as out:
            done = self.run_bench(out, "--ways", "nat,ipvs")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no way ipvs", done.stdout)


if __name__ == "__main__":
    main()
