# SPDX-License-Identifier: Apache-2.0
"""Every way in which a sandbox ends: its commands are told, its record says why, and nothing stays behind."""

import os
import shutil
import signal

from support import cases

REBOOT = "import ctypes; ctypes.CDLL(None).reboot({})"
POWER_OFF, RESTART = 0x4321FEDC, 0x01234567


class Ends(cases.GuestCase):
    def setUp(self):
        self.addCleanup(self.tl.kill_processes)  # one that fails does not disturb the next

    def assertEnded(self, sandbox, *said):
        self.tl.wait_for_status(sandbox, "terminated")
        reason = self.tl.describe(sandbox)["reason"]
        for word in said:
            self.assertRegex(reason, f"(?i){word}")
        shown = self.tl.ok("describe", sandbox).text
        self.assertRegex(shown, f"(?i){said[0]}", "people are shown the reason too")
        self.tl.wait_for_silence()
        self.assertOutcome(self.tl.exec(sandbox, "true"), 125, "terminated")

    def remove(self, folder):
        """All of it, though somebody may be at work there."""

        def is_gone():
            shutil.rmtree(folder, ignore_errors=True)
            return not folder.exists()

        self.eventually(is_gone, f"{folder} is removed")

    def waiting_command(self, sandbox):
        client = self.start("exec", sandbox, "--", "sh", "-c", "echo up; exec sleep 1000")
        self.assertEqual(client.stdout.readline(), b"up\n")
        return client

    def assertGivenUp(self, client):
        """It ends soon with 125 and a sentence."""
        self.assertOutcome(self.tl.finish(client, timeout=60), 125)

    def test_the_guest_powers_off(self):
        box = self.tl.create()
        client = self.waiting_command(box)
        self.tl.exec(box, "--user", "root", "--", "python3", "-c", REBOOT.format(POWER_OFF))
        self.assertGivenUp(client)
        self.assertEnded(box, "powered off|power off|switched")

    def test_the_guest_reboots(self):
        box = self.tl.create()
        client = self.waiting_command(box)
        self.tl.exec(box, "--user", "root", "--", "python3", "-c", REBOOT.format(RESTART))
        self.assertGivenUp(client)
        self.assertEnded(box, "reboot|reset|restart")

    def test_the_guest_kernel_panics(self):
        box = self.tl.create()
        client = self.waiting_command(box)
        self.tl.exec(box, "--user", "root", "--", "sh", "-c", "echo c > /proc/sysrq-trigger")
        self.assertGivenUp(client)
        self.assertEnded(box, "panic")

    def test_pid_1_cannot_be_killed_from_inside(self):
        box = self.tl.create()
        for name in ("KILL", "STOP", "SEGV", "HUP", "CHLD", "PIPE", "ALRM"):  # TERM and INT ask for a reboot
            self.tl.shell(box, f"kill -{name} 1")
            self.assertEqual(self.tl.ok("exec", box, "echo", "alive").text, "alive", name)
        self.tl.ok("terminate", box)

    def test_the_emulator_is_killed(self):
        box = self.tl.create()
        client = self.waiting_command(box)
        emulators = self.tl.emulators()
        if not emulators:
            self.skipTest("this machine has no emulator process of its own")
        emulators[0].kill()
        self.assertGivenUp(client)
        self.assertEnded(box, "qemu|emulator|machine")

    def test_the_monitor_is_killed_and_the_next_command_tells_the_truth(self):
        box = self.tl.create()
        client = self.waiting_command(box)
        for monitor in self.tl.monitors():
            monitor.kill()
        self.assertGivenUp(client)
        self.assertEnded(box, "monitor")  # a killed process keeps its locks for a moment
        self.assertEqual(self.tl.ok("ls", "-q").out, b"")

    def test_the_monitor_of_a_named_one_is_killed_and_its_disk_is_kept(self):
        self.tl.create("keeper")
        for monitor in self.tl.monitors():
            monitor.kill()
        self.tl.wait_for_status("keeper", "suspended")
        self.assertRegex(self.tl.describe("keeper")["reason"], "memory lost")
        self.tl.wait_for_silence()
        self.assertEqual(self.tl.ok("exec", "keeper", "hostname").text, "keeper", "it boots from that")
        self.tl.ok("terminate", "keeper")

    def test_a_named_one_that_powers_itself_off_keeps_its_disk(self):
        self.tl.create("keeper")
        self.tl.shell("keeper", "echo kept > /workspace/file; sync")
        client = self.waiting_command("keeper")
        self.tl.exec("keeper", "--user", "root", "--", "python3", "-c", REBOOT.format(POWER_OFF))
        self.assertGivenUp(client)
        self.tl.wait_for_status("keeper", "suspended")
        self.assertRegex(self.tl.describe("keeper")["reason"], "memory lost: the guest powered off")
        self.tl.wait_for_silence()
        self.assertEqual(self.tl.ok("exec", "keeper", "cat", "/workspace/file").text, "kept", "it boots from that")
        self.tl.ok("terminate", "keeper")

    def test_one_that_was_named_while_it_ran_is_kept_like_one_born_with_a_name(self):
        box = self.tl.create()
        self.tl.shell(box, "echo kept > /workspace/file; sync")
        self.tl.ok("name", box, "late-keeper")
        for monitor in self.tl.monitors():
            monitor.kill()
        self.tl.wait_for_status("late-keeper", "suspended")
        self.assertGreater(self.tl.space_used(), 0)
        self.tl.wait_for_silence()
        self.tl.ok("terminate", "late-keeper")

    def test_the_monitor_is_asked_to_stop_and_ends_in_order(self):
        box = self.tl.create()
        for monitor in self.tl.monitors():
            monitor.kill(signal.SIGTERM)
        self.assertEnded(box, ".")

    def test_a_stopped_monitor_makes_nobody_wait_forever(self):
        box = self.tl.create()
        monitors = self.tl.monitors()
        for monitor in monitors:
            monitor.kill(signal.SIGSTOP)
        try:
            self.assertIn(box, self.tl.ok("ls", "-q").lines)
        finally:
            for monitor in monitors:
                monitor.kill(signal.SIGCONT)
        self.assertEqual(self.tl.ok("exec", box, "echo", "back").text, "back")
        self.tl.ok("terminate", box)

    def test_a_monitor_that_never_answers_again_does_not_keep_its_sandbox_alive(self):
        box = self.tl.create()
        for monitor in self.tl.monitors():
            monitor.kill(signal.SIGSTOP)
        self.assertEqual(self.tl.ok("terminate", box).text, box)
        self.assertEqual(self.tl.status(box), "terminated")
        self.tl.wait_for_silence()

    def test_an_ephemeral_sandbox_ends_at_its_timeout_with_no_client_alive(self):
        box = self.tl.create("--timeout", "10")
        self.assertEqual(self.tl.describe(box)["timeout_secs"], 10)
        client = self.waiting_command(box)
        self.assertGivenUp(client)
        self.assertEnded(box, "timeout|timed out|time")

    def test_interrupting_create_leaves_nothing_behind(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            client = self.start("create", "--no-template", "--accel", cases.environment.ACCEL)
            self.eventually(self.tl.monitors, "the start is on its way")
            client.send_signal(number)
            outcome = self.tl.finish(client)
            self.assertEqual((outcome.code, outcome.out), (128 + number, b""), outcome)
            self.tl.wait_for_silence()
            self.assertEqual(self.tl.ok("ls", "-q").out, b"")

    def test_killing_create_leaves_nothing_behind(self):
        client = self.start("create", "--no-template", "--accel", cases.environment.ACCEL)
        self.eventually(self.tl.monitors, "the start is on its way")
        os.kill(client.pid, signal.SIGKILL)
        client.communicate()
        self.eventually(lambda: not self.tl.ok("ls", "-q").out, "there is no sandbox")
        self.tl.wait_for_silence()

    def test_what_has_lost_its_state_folder_ends(self):
        lost, kept = self.tl.create(), self.tl.create()
        self.remove(self.tl.home / "work" / lost)
        self.eventually(lambda: len(self.tl.monitors()) == 1, "one of two monitors is left")
        self.assertEqual(self.tl.status(lost), "terminated")
        self.assertEqual(self.tl.shell(kept, "echo fine"), "fine")
        self.remove(self.tl.home)
        self.tl.wait_for_silence()
        self.assertFalse(self.tl.home.exists(), "nobody has made anything there again")

    def test_space_is_given_back(self):
        box = self.tl.create()
        self.tl.shell(box, "head -c 60000000 /dev/urandom > /workspace/data; sync")
        self.assertGreater(self.tl.space_used(), 60_000_000)
        self.tl.ok("terminate", box)
        self.assertLess(self.tl.space_used(), 8_000_000)


if __name__ == "__main__":
    cases.main()
