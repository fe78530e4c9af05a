# SPDX-License-Identifier: Apache-2.0
"""The test cases' base classes: a state folder a class, and a sandbox in it where no test harms one."""

import faulthandler
import os
import signal
import sys
import unittest

from support import environment, processes
from support.tl import Tl, end, sweep


class TlCase(unittest.TestCase):
    """A state folder that all tests of the class share. No guest is needed."""

    longMessage = True
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        environment.require_tl()
        cls.tl = cls.another_home()

    @classmethod
    def another_home(cls, **options):
        tl = Tl(**options)
        cls.addClassCleanup(tl.close)
        return tl

    def home_of_its_own(self, **options):
        """A fresh state folder for one test."""
        tl = Tl(**options)
        self.addCleanup(tl.close)
        return tl

    def start(self, *words, **options):
        """A command of this test, which will not outlive it."""
        client = self.tl.start(*words, **options)
        self.addCleanup(end, client)
        return client

    def assertOutcome(self, outcome, code, *said):
        """The exit code, and on stderr an `Error:` sentence with each of the words (any case)."""
        self.assertEqual(outcome.code, code, outcome)
        if code != 0:
            self.assertIn("Error:", outcome.complaint, outcome)
        for word in said:
            self.assertRegex(outcome.complaint, f"(?i){word}", outcome)
        return outcome

    def eventually(self, condition, what, seconds=60):
        return processes.wait_until(condition, seconds, what)


class GuestCase(TlCase):
    """A state folder, on a host that can run sandboxes."""

    @classmethod
    def setUpClass(cls):
        environment.require_guest()
        super().setUpClass()


class SandboxCase(GuestCase):
    """One running ephemeral sandbox, `self.box`, that all tests of the class share."""

    create_words = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.tl.create(*cls.create_words)

    def exec(self, *words, **options):
        return self.tl.exec(self.box, *words, **options)

    def shell(self, script, user="root"):
        return self.tl.shell(self.box, script, user)


def _give_up(number, _):
    """Not by an exception: threads may be waiting for commands that will never end."""
    print(f"broken off by signal {number}; what was running:", file=sys.stderr)
    faulthandler.dump_traceback()
    sweep()
    os._exit(1)


def main():
    """Runs the calling file. TL_E2E_SECONDS ends it in order, before ctest kills it with machines running."""
    signal.signal(signal.SIGTERM, _give_up)
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(int(os.environ.get("TL_E2E_SECONDS", "0")))
    program = unittest.main(verbosity=2, exit=False)
    for test, reason in program.result.skipped:
        print(f"SKIPPED {test}: {reason}", file=sys.stderr)
    result = program.result
    nothing_ran = result.skipped and len(result.skipped) >= result.testsRun
    sys.exit(1 if not result.wasSuccessful() else 77 if nothing_ran else 0)
