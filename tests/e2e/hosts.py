# SPDX-License-Identifier: Apache-2.0
"""Hosts that lack something or have it in a bad state. Only what needs a guest is skipped without one."""

import os
import pathlib
import shutil
import stat
import subprocess
import tempfile

from support import cases, environment


class BareHosts(cases.TlCase):
    def test_without_qemu_create_says_so_and_leaves_nothing(self):
        environment.require_host(environment.ACCEL == "tcg", "only the tcg machine needs QEMU")
        tl = self.home_of_its_own(variables={"PATH": "/nonexistent"})
        for words in (("create",), ("create", "named-one")):
            outcome = tl.sbx(*words, "--accel", "tcg")
            self.assertOutcome(outcome, 6, "qemu-system-x86_64", "hint:")
            self.assertEqual(outcome.out, b"")
        self.assertEqual(tl.sbx("run", "--accel", "tcg", "true").code, 125)
        self.assertEqual(tl.ok("ls", "--all", "-q").out, b"")
        self.assertEqual(tl.processes(), [])
        self.assertRegex(tl.sbx("doctor").text, "(?i)qemu")

    def test_tl_alone_in_a_folder_says_that_kernel_and_image_are_missing(self):
        folder = tempfile.TemporaryDirectory(prefix="tl-alone-")
        self.addCleanup(folder.cleanup)
        alone = pathlib.Path(shutil.copy2(self.tl.binary, folder.name))
        tl = self.home_of_its_own(binary=alone)
        self.assertOutcome(tl.sbx("create", "--accel", environment.ACCEL), 6, "kernel|image", "hint:")
        self.assertEqual(tl.ok("ls", "--all", "-q").out, b"")
        self.assertEqual(tl.ok("image", "ls").code, 0)
        report = tl.sbx("doctor").text
        self.assertRegex(report, "(?i)kernel")
        self.assertRegex(report, "(?i)image")

    def test_a_kernel_without_an_image_says_that_the_image_is_missing(self):
        folder = tempfile.TemporaryDirectory(prefix="tl-imageless-")
        self.addCleanup(folder.cleanup)
        top = pathlib.Path(folder.name)
        environment.require_built(environment.KERNEL.is_file(), f"no guest kernel at {environment.KERNEL}")
        for path in ("bin", "share/tl"):
            (top / path).mkdir(parents=True)
        binary = pathlib.Path(shutil.copy2(self.tl.binary, top / "bin"))
        os.symlink(environment.KERNEL.parent.resolve(), top / "share/tl/kernel")
        tl = self.home_of_its_own(binary=binary)
        self.assertOutcome(tl.sbx("create", "--accel", environment.ACCEL), 6, "image", "hint:")


class StateFolders(cases.TlCase):
    def test_the_state_folder_is_made_private(self):
        tl = self.home_of_its_own()
        tl.ok("ls")
        self.assertEqual(stat.S_IMODE(tl.home.stat().st_mode), 0o700)

    def test_home_is_found_in_the_documented_order(self):
        tl = self.home_of_its_own()
        other = tl.folder / "other"
        tl.ok("tl", "--home", other, "sbx", "ls")
        self.assertTrue(other.is_dir())
        self.assertFalse(tl.home.exists(), "--home comes before TL_HOME")
        variables = {name: value for name, value in tl.variables.items() if name != "TL_HOME"}
        tl.ok("ls", env={**variables, "XDG_STATE_HOME": str(tl.folder / "xdg"), "HOME": str(tl.folder)})
        self.assertTrue((tl.folder / "xdg/tl").is_dir())
        tl.ok("ls", env={**variables, "HOME": str(tl.folder)})
        self.assertTrue((tl.folder / ".local/state/tl").is_dir())

    def test_a_file_in_its_place_is_an_error(self):
        tl = self.home_of_its_own()
        tl.home.write_text("a file")
        for words in (("ls",), ("create",), ("describe", "x")):
            outcome = tl.sbx(*words)
            self.assertNotEqual(outcome.code, 0)
            self.assertOutcome(outcome, outcome.code, "home")
        self.assertEqual(tl.home.read_text(), "a file")

    def test_one_that_cannot_be_read_is_an_error(self):
        tl = self.home_of_its_own()
        tl.ok("ls")
        options = {}
        if os.geteuid() == 0:  # nothing is unreadable for root
            options = {"user": 65534, "group": 65534, "extra_groups": []}
            version = subprocess.run([tl.binary, "--version"], capture_output=True, check=False, **options)
            environment.require_host(version.returncode == 0, f"nobody may not run {tl.binary}")
            os.chmod(tl.folder, 0o755)
        else:
            os.chmod(tl.home, 0)
            self.addCleanup(os.chmod, tl.home, 0o700)
        for words in (("ls",), ("create",), ("describe", "x"), ("exec", "x", "true")):
            outcome = tl.sbx(*words, **options)
            self.assertOutcome(outcome, 125 if words[0] == "exec" else outcome.code, "permission denied")
            self.assertNotEqual(outcome.code, 0)

    def test_a_read_only_or_vanished_place_is_an_error(self):
        for home in ("/proc/nowhere", "/dev/null/home"):
            outcome = self.tl.sbx("ls", env={**self.tl.variables, "TL_HOME": home})
            self.assertNotEqual(outcome.code, 0)
            self.assertOutcome(outcome, outcome.code)


class Guests(cases.GuestCase):
    def test_a_long_path_of_the_state_folder_works(self):
        """Socket addresses end at 108 bytes; folders do not."""
        far = self.home_of_its_own(home=f"{'long-' * 40}/home")
        far.home.parent.mkdir()
        box = far.create()
        self.assertEqual(far.ok("exec", box, "echo", "far").text, "far")
        far.ok("terminate", box)

    def test_create_works_without_a_terminal_or_standard_streams(self):
        words = [self.tl.binary, "sbx", "create", "closed-streams", "--accel", environment.ACCEL]
        shell = ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *words]
        closed = subprocess.run(shell, env=self.tl.variables, timeout=180, check=False)
        self.tl.wait_for_status("closed-streams", "running")
        self.assertEqual(self.tl.ok("exec", "closed-streams", "echo", "fine").text, "fine")
        self.assertIn(closed.returncode, (0, 1))
        self.tl.ok("terminate", "closed-streams")

    def test_the_sandbox_outlives_the_session_that_made_it(self):
        words = [self.tl.binary, "sbx", "create", "outliving", "--accel", environment.ACCEL]
        shell = ["setsid", "-w", "sh", "-c", '"$@"; kill -HUP 0', "sh", *words]
        subprocess.run(shell, env=self.tl.variables, capture_output=True, timeout=180, check=False)
        self.assertEqual(self.tl.ok("exec", "outliving", "echo", "alive").text, "alive")
        (monitor,) = self.tl.monitors()
        self.assertEqual(os.getsid(monitor.pid), monitor.pid)
        self.tl.ok("terminate", "outliving")


if __name__ == "__main__":
    cases.main()
