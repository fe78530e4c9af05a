# SPDX-License-Identifier: Apache-2.0
"""What `./dev install` puts on a machine is everybody's, works from there, and goes again."""

import os
import pathlib
import stat
import subprocess
import tempfile
import unittest

from support import cases, environment
from support.tl import Tl


def dev(*words):
    done = subprocess.run([environment.ROOT / "dev", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise AssertionError(f"dev {' '.join(words)} ended with {done.returncode}: {done.stdout[-2000:]!r}")


class Install(cases.GuestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if environment.TL != environment.ROOT / "build/release/bin/tl":
            raise unittest.SkipTest("another tl than this tree's release build is tested")
        folder = tempfile.TemporaryDirectory(prefix="tl-install-")
        cls.addClassCleanup(folder.cleanup)
        cls.prefix = pathlib.Path(folder.name, "prefix")
        dev("install", "--prefix", str(cls.prefix))

    def files(self):
        return [path for path in self.prefix.rglob("*") if path.is_file()]

    def test_every_file_may_be_read_by_everybody(self):
        self.assertGreater(len(self.files()), 10)
        for path in self.files():
            self.assertTrue(path.stat().st_mode & stat.S_IROTH, path)

    def test_the_installed_tl_runs_a_command_with_what_was_installed(self):
        elsewhere = Tl(binary=self.prefix / "bin/tl", variables={"TL_CACHE": os.devnull})
        self.addCleanup(elsewhere.close)
        outcome = elsewhere.ok("run", "--accel", environment.ACCEL, "--", "echo", "installed")
        self.assertEqual(outcome.text, "installed")

    def test_what_was_installed_can_be_taken_away(self):
        another = self.prefix.with_name("another")
        dev("install", "--prefix", str(another))
        (another / "bin/mine").touch()
        dev("uninstall", "--prefix", str(another))
        left = [path for path in another.rglob("*") if path.is_file()]
        self.assertEqual(left, [another / "bin/mine"])


if __name__ == "__main__":
    cases.main()
