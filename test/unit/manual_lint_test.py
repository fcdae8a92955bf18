#!/usr/bin/python3
"""The generated manual pages render without a warning, by mandoc and by man.

    manual_lint_test.py PAGE…
"""

import os
import subprocess
import sys
import unittest

PAGES = sys.argv[1:]


class ManualLint(unittest.TestCase):
    def test_mandoc_has_nothing_to_say(self):
        for page in PAGES:
            with self.subTest(page=page):
                done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], text=True, capture_output=True)
                self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_man_renders_them(self):
        for page in PAGES:
            with self.subTest(page=page):
                done = subprocess.run(["man", "--warnings=w", "-l", page], text=True, capture_output=True,
                                      env={"PATH": os.environ["PATH"], "MANWIDTH": "80", "LANG": "C.UTF-8",
                                           "HOME": "/nonexistent"})
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn("NAME", done.stdout)
                self.assertNotIn("\\f", done.stdout)


if __name__ == "__main__":
    if len(PAGES) != 3:
        sys.exit("manual_lint_test.py: give the three pages")
    unittest.main(argv=sys.argv[:1])
