# SPDX-License-Identifier: Apache-2.0
"""The host's disk is full while a sandbox is made and while it writes."""

import contextlib
import os
import subprocess

from support import cases, environment
from support.tl import Tl


class SmallDisks(cases.GuestCase):
    @classmethod
    def setUpClass(cls):
        environment.require_root("mounting a small file system")
        super().setUpClass()

    def on_a_disk_of(self, megabytes):
        """A Tl whose state folder is the top of a tmpfs of this size."""
        tl = Tl()
        self.addCleanup(tl.remove)
        tl.home.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "e2e", tl.home]
        mounted = subprocess.run(words, stderr=subprocess.PIPE, check=False)
        environment.require_host(mounted.returncode == 0, f"tmpfs cannot be mounted: {mounted.stderr!r}")
        self.addCleanup(subprocess.run, ["umount", "-l", tl.home], check=True)
        self.addCleanup(tl.end_sandboxes)
        return tl

    def fill(self, tl, leave=0):
        """Takes all space but so many bytes."""
        filler = tl.home / "filler"
        with open(filler, "wb") as file, contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(1, free(tl) - leave))
        with open(filler, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while leave == 0:
                file.write(b"x" * 4096)
        return filler

    def test_create_on_a_full_disk_fails_and_leaves_nothing(self):
        tl = self.on_a_disk_of(64)
        tl.ok("ls")
        filler = self.fill(tl)
        files = set(tl.home.rglob("*"))
        for words in (("create",), ("create", "named-one")):
            outcome = tl.sbx(*words, "--accel", environment.ACCEL)
            self.assertOutcome(outcome, 6, "space")
            self.assertEqual(outcome.out, b"")
            self.assertEqual(tl.ok("ls", "--all", "-q").out, b"")
            tl.wait_for_silence()
        left = set(tl.home.rglob("*")) - files
        self.assertEqual([path for path in left if path.is_file() and path.stat().st_size], [])
        filler.unlink()
        self.assertEqual(tl.ok("exec", tl.create("named-one"), "echo", "works").text, "works")

    def test_a_guest_that_writes_onto_a_full_disk_sees_an_error_and_lives(self):
        tl = self.on_a_disk_of(96)
        victim, other = tl.create("victim"), tl.create("other")
        before = free(tl)
        tl.shell(other, "echo kept > /root/kept; sync")
        script = "head -c 150000000 /dev/urandom > /root/big && sync /root/big"
        outcome = tl.exec(victim, "--user", "root", "--", "sh", "-c", script)
        self.assertNotEqual(outcome.code, 0, "the write must not seem to have succeeded")
        self.assertNotEqual(outcome.code, 125, outcome)
        self.assertEqual(tl.ok("exec", victim, "echo", "alive").text, "alive")
        self.assertEqual(tl.ok("exec", other, "--user", "root", "--", "cat", "/root/kept").text, "kept")
        self.assertEqual({tl.status(victim), tl.status(other)}, {"running"})
        tl.ok("terminate", victim)
        self.assertGreater(free(tl), before - 8_000_000, "the space is back")
        tl.shell(other, "head -c 20000000 /dev/urandom > /root/more && sync && cmp /root/more /root/more")
        self.assertEqual(tl.shell(other, "cat /root/kept"), "kept")
        third = tl.create("third")
        self.assertEqual(tl.ok("exec", third, "echo", "works").text, "works")

    def test_a_sandbox_can_be_terminated_on_a_full_disk(self):
        tl = self.on_a_disk_of(96)
        box = tl.create("victim")
        self.fill(tl)
        self.assertEqual(free(tl), 0)
        tl.ok("terminate", box)
        self.assertEqual(tl.status(box), "terminated")
        self.assertGreater(free(tl), 0)

    def test_space_that_comes_back_can_be_written_again(self):
        tl = self.on_a_disk_of(96)
        box = tl.create()
        filler = self.fill(tl, leave=2_000_000)
        script = "head -c 30000000 /dev/urandom > /root/big && sync /root/big"
        self.assertNotIn(tl.exec(box, "--user", "root", "--", "sh", "-c", script).code, (0, 125))
        filler.unlink()
        self.assertEqual(tl.ok("exec", box, "echo", "alive").text, "alive")
        tl.ok("terminate", box)
        tl.wait_for_silence()


class Quotas(cases.SandboxCase):
    def test_deleted_files_give_their_space_back_to_the_host(self):
        self.shell("head -c 80000000 /dev/urandom > /root/big; sync")
        self.assertGreater(self.tl.space_used(), 80_000_000)
        # What is discarded is free on the host with the guest's next flush; a sync without news sends none.
        self.shell("rm /root/big; sync; fstrim /; date > /root/news; sync")
        self.eventually(lambda: self.tl.space_used() < 40_000_000, "the host has the space again")


def free(tl):
    status = os.statvfs(tl.home)
    return status.f_bavail * status.f_frsize


if __name__ == "__main__":
    cases.main()
