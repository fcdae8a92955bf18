"""The frame of a system test: needs root, one lab a class, exit status 77 for a skip."""

import os
import sys
import unittest

from netlab import Lab


class SystemTest(unittest.TestCase):
    """setUpClass makes cls.lab; whatever happens, it goes again after the last test of the class."""

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(cls.__name__.lower())
        cls.addClassCleanup(cls.lab.close)

    def assertSpread(self, answers, names, least=1):
        """Every one of `names`, and nothing else, answered at least `least` times."""
        self.assertEqual(set(answers), set(names), answers)
        self.assertGreaterEqual(min(answers.values()), least, answers)

    def assertNoErrors(self, result, least_requests=100):
        self.assertEqual(result.errors, 0, result.text)
        self.assertGreaterEqual(result.requests, least_requests, result.text)


def main():
    if os.geteuid() != 0:
        print("skipped: system tests make network namespaces, which needs root")
        sys.exit(77)
    program = unittest.main(module="__main__", verbosity=2, exit=False)
    if not program.result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if program.result.skipped else 0)
