# SPDX-License-Identifier: Apache-2.0
"""kill -9 of a command, of a monitor and of the emulator, at one step after the other of what they do; and of all monitors
at once, as when the host restarts. Afterwards every command tells the truth, what was synced is there, and nothing is
half-made."""

import contextlib
import os
import signal
import subprocess
import sys
import unittest

from support import cases, environment, faults
from support.tl import end

STORES = ("work", "sandboxes", "names", "snapshots", "templates", "damaged")
LIVE = ("pending", "running", "snapshotting", "suspending")
# Steps of one operation that are tried; TL_E2E_STEPS=1000 tries all that there are, which takes many minutes.
MOST = int(os.environ.get("TL_E2E_STEPS", "6"))
FEW = min(4, MOST)
TRIES = 3  # of a step that nobody died at


class KillCase(cases.GuestCase):
    def setUp(self):
        faults.require_tracing()
        self.tl = self.home_of_its_own()
        self.addCleanup(self.tl.kill_processes)

    # Those who die. Each is a function of a step and a log; without a step nobody dies, and the log has the steps.

    def under(self, tracer, *words):
        client = subprocess.Popen(
            [*tracer, self.tl.binary, "sbx", *words],
            env=self.tl.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.addCleanup(end, client)
        return client

    def command(self, *words):
        return lambda step, log: self.tl.finish(self.under(faults.of_command(step, log), *words))

    def monitor(self, box, *words):
        """The running monitor of a sandbox, while it does what the command asks for."""

        def strike(step, log):
            with faults.attached(self.monitor_of(box), step, log):
                return self.tl.sbx(*words)

        return strike

    def newborn(self, *words):
        """The monitor that the command starts."""

        def strike(step, log):
            client = self.under(faults.HOLDING_MONITOR, *words)
            monitor = self.eventually(self.stopped_monitor, "its monitor has begun")
            faults.let_go(monitor)
            with faults.attached(monitor, step, log):
                os.kill(monitor, signal.SIGCONT)
                return self.tl.finish(client)

        return strike

    def emulator(self, box, *words):
        """The emulator, when its monitor has come to the step."""

        def strike(step, log):
            monitor = self.monitor_of(box)
            if not step:
                return self.monitor(box, *words)(step, log)
            (emulator,) = (one for one in self.tl.emulators() if one.parent == monitor)
            with faults.attached(monitor, step, log, "SIGSTOP"):
                client = self.start(*words)
                self.eventually(lambda: faults.is_stopped(monitor) or client.poll() is not None, "the step or the end")
                self.hits += faults.is_stopped(monitor)
                emulator.kill()
            with contextlib.suppress(ProcessLookupError):
                os.kill(monitor, signal.SIGCONT)
            return self.tl.finish(client)

        return strike

    def monitor_of(self, box):
        (monitor,) = (one for one in self.tl.monitors() if box.encode() in one.command)
        return monitor.pid

    def stopped_monitor(self):
        for one in self.tl.monitors():
            if b"--monitor" in one.command and faults.is_stopped(one.pid):
                return one.pid
        return None

    def walk(self, strike, prepare, check, most=MOST):
        """Once without a kill, then at each of its steps."""
        log = self.tl.folder / "steps"
        prepare("no step")
        self.outcome = strike(None, log)
        self.assertEqual(self.outcome.code, 0)
        check("no step")
        steps, count = faults.steps_in(log, most)
        self.hits = 0
        for name, number in steps:
            with self.subTest(step=f"{name} {number}"):
                # What the guest does by itself, and a busy host, move some steps: one that was missed is tried again.
                for attempt in range(TRIES):
                    note = f"{name} {number}, try {attempt + 1}"
                    prepare(note)
                    self.outcome = strike((name, number), log)
                    killed = faults.killed_in(log)
                    self.hits += killed
                    check(note)
                    if killed:
                        break
        print(f"{self.id()}: killed at {self.hits} of {len(steps)} tried of {count} steps", file=sys.stderr, flush=True)
        self.assertGreater(2 * self.hits, len(steps))

    # What is true at all times

    def entries(self, store):
        folder = self.tl.home / store
        return sorted(path.name for path in folder.glob("[!.]*"))

    def nothing_is_half_made(self):
        boxes = self.tl.ok("ls", "--all", "--json").json
        self.tl.ok("checkpoint", "ls")
        words = {word.decode() for one in self.tl.monitors() for word in one.command}
        for box in boxes:
            self.assertEqual(box["status"] in LIVE, box["sandbox_id"] in words, box)
        living = [box for box in boxes if box["status"] != "terminated"]
        self.assertEqual(self.entries("sandboxes"), sorted(box["sandbox_id"] + ".json" for box in boxes))
        self.assertEqual(self.entries("work"), sorted(box["sandbox_id"] for box in living))
        self.assertEqual(self.entries("names"), sorted(box["name"] for box in living if box["name"]))
        for store in ("snapshots", "templates"):
            for key in self.entries(store):
                self.assertTrue((self.tl.home / store / key / "manifest.json").exists(), f"{store}/{key}")
        self.assertEqual(self.entries("damaged"), [])

    def no_drafts(self):
        self.eventually(lambda: not list(self.tl.home.rglob(".*.tmp")), "no file is half-written")

    def settled(self):
        """Whoever was killed is gone, and QEMU with its monitor, a moment later; whoever lives has done what it was at."""

        def is_settled():
            statuses = [box["status"] for box in self.tl.ok("ls", "--json").json]
            machines = statuses.count("running")
            emulators = machines if environment.ACCEL == "tcg" else 0
            return {"running", "suspended"}.issuperset(statuses) and (
                (len(self.tl.monitors()), len(self.tl.emulators())) == (machines, emulators)
            )

        self.eventually(is_settled, "as many machines as living sandboxes")
        self.nothing_is_half_made()

    def note(self, box, text):
        """On the disk, synced, and in memory."""
        self.tl.shell(box, f"echo {text} > /root/note; sync; echo {text} > /dev/shm/note")

    def is_whole(self, box, text):
        """A named sandbox is there with what was synced, and says beforehand whether its memory is."""
        self.settled()
        # One whose command was killed may begin only now.
        before = self.tl.describe(box)
        self.assertIn(before["status"], LIVE[1:] + ("suspended",))
        lost = "memory lost" in (before.get("reason") or "")
        self.assertFalse(lost and before["status"] != "suspended", before)
        disk, memory = self.tl.shell(box, "cat /root/note; cat /dev/shm/note 2>&- || echo lost").splitlines()
        self.assertEqual((disk, memory), (text, "lost" if lost else text), before)
        self.assertFalse(lost and (self.tl.home / "work" / box / "machine").exists(), "what is left of it is thrown away")
        self.settled()
        self.no_drafts()
        return lost

    def everything_goes(self):
        """The state folder is as it was before the first sandbox."""
        for box in self.tl.ok("ls", "-q").lines:
            self.tl.ok("terminate", box)
        self.tl.wait_for_silence()
        for snapshot in self.tl.ok("checkpoint", "ls", "--json").json:
            self.tl.ok("checkpoint", "rm", snapshot["snapshot_id"])
        self.tl.ok("prune")
        self.assertEqual({store: self.entries(store) for store in STORES}, {store: [] for store in STORES})
        self.no_drafts()


class Keeping(KillCase):
    """Of a sandbox with a name, which is there whatever happens."""

    def walk_box(self, who, *words, most=MOST):
        box = self.tl.create("web")

        def check(text):
            lost = self.is_whole(box, text)
            if self.outcome.code != 0:
                return
            if words[0] == "suspend":
                self.assertFalse(lost, f"it said that it had succeeded: {self.outcome}")
            else:  # its source may have died of the kill right behind
                self.assertIn(self.outcome.text, self.tl.ok("checkpoint", "ls", "-q").lines)

        self.walk(who(box, *words), lambda text: self.note(box, text), check, most)
        self.everything_goes()

    def command_on(self, _, *words):
        return self.command(*words)

    def test_suspend_without_its_monitor(self):
        self.walk_box(self.monitor, "suspend", "web")

    def test_suspend_without_its_command(self):
        self.walk_box(self.command_on, "suspend", "web", most=FEW)

    def test_filesystem_checkpoint_without_its_monitor(self):
        self.walk_box(self.monitor, "checkpoint", "web")

    def test_memory_checkpoint_without_its_monitor(self):
        self.walk_box(self.monitor, "checkpoint", "web", "--checkpoint-type", "memory")

    def test_memory_checkpoint_without_its_command(self):
        self.walk_box(self.command_on, "checkpoint", "web", "--checkpoint-type", "memory")

    def walk_copy(self, who, most):
        box = self.tl.create("web")

        def check(text):
            self.settled()
            for copy in set(self.tl.ok("ls", "-q").lines) - {box}:
                self.assertEqual(self.tl.shell(copy, "cat /root/note"), text)
                self.tl.ok("terminate", copy)
            self.is_whole(box, text)

        self.walk(who(box, "copy", "web"), lambda text: self.note(box, text), check, most)
        self.everything_goes()

    def test_copy_without_the_monitor_of_its_source(self):
        self.walk_copy(self.monitor, FEW)

    def test_copy_without_its_command(self):
        self.walk_copy(self.command_on, MOST)

    def test_copy_without_the_monitor_of_the_copy(self):
        self.walk_copy(lambda _, *words: self.newborn(*words), MOST)

    def walk_resume(self, who):
        box = self.tl.create("web")

        def prepare(text):
            self.note(box, text)
            self.tl.ok("suspend", "web")

        self.walk(who("resume", "web"), prepare, lambda text: self.is_whole(box, text))
        self.everything_goes()

    def test_resume_without_its_command(self):
        self.walk_resume(self.command)

    def test_resume_without_its_monitor(self):
        self.walk_resume(self.newborn)

    @unittest.skipIf(environment.ACCEL != "tcg", "the machine is in the monitor")
    def test_the_emulator_dies_during_a_suspend(self):
        self.walk_box(self.emulator, "suspend", "web", most=FEW)

    @unittest.skipIf(environment.ACCEL != "tcg", "the machine is in the monitor")
    def test_the_emulator_dies_during_a_checkpoint(self):
        self.walk_box(self.emulator, "checkpoint", "web", "--checkpoint-type", "memory", most=FEW)


class Beginnings(KillCase):
    """And ends."""

    def walk_create(self, who, *words, prepare=lambda _: None):
        self.tl.ok("terminate", self.tl.create())

        def check(_):
            # Whoever is left of the two takes the sandbox back; one that ran already may be kept.
            self.settled()
            for box in self.tl.ok("ls", "-q").lines:
                self.tl.ok("terminate", box)
            self.tl.wait_for_silence()
            self.nothing_is_half_made()
            self.no_drafts()

        self.walk(who("create", "web", "--accel", environment.ACCEL, *words), prepare, check)
        self.tl.create("web")
        self.everything_goes()

    def test_create_without_its_command(self):
        self.walk_create(self.command)

    def test_create_from_a_template_without_its_monitor(self):
        self.walk_create(self.newborn)

    def test_create_by_a_boot_without_its_monitor(self):
        """Which makes the template."""
        self.walk_create(self.newborn, prepare=lambda _: self.tl.ok("prune"))

    def walk_terminate(self, who, most):
        def prepare(_):
            self.box = self.tl.create("web")

        def check(_):
            self.settled()
            if self.tl.status(self.box) != "terminated":
                self.tl.ok("terminate", self.box)
            self.assertEqual(self.tl.status(self.box), "terminated")
            self.tl.wait_for_silence()
            self.nothing_is_half_made()

        self.walk(lambda step, log: who(self.box, "terminate", "web")(step, log), prepare, check, most)
        self.everything_goes()

    def test_terminate_without_its_monitor(self):
        self.walk_terminate(self.monitor, MOST)

    def test_terminate_without_its_command(self):
        self.walk_terminate(lambda _, *words: self.command(*words), FEW)

    def test_prune(self):
        def prepare(_):
            box = self.tl.create("web")
            self.tl.ok("terminate", box)

        self.walk(self.command("prune"), prepare, lambda _: self.settled())
        self.everything_goes()


class Host(KillCase):
    def test_the_host_restarts(self):
        unnamed, named, aside = self.tl.create(), self.tl.create("named"), self.tl.create("aside")
        for box in (named, aside):
            self.note(box, "synced")
        self.tl.ok("checkpoint", "named", "--name", "disk")
        self.tl.ok("checkpoint", "named", "--checkpoint-type", "memory", "--name", "memory")
        self.tl.ok("suspend", "aside")
        for process in self.tl.processes():
            process.kill()
        self.settled()
        self.assertEqual([self.tl.status(box) for box in (unnamed, named, aside)], ["terminated", "suspended", "suspended"])
        self.assertRegex(self.tl.describe(named)["reason"], "memory lost")
        for box in (named, aside):
            self.is_whole(box, "synced")
        for snapshot in ("disk", "memory"):
            box = self.tl.ok("create", "--accel", environment.ACCEL, "--snapshot", snapshot).text
            self.assertEqual(self.tl.shell(box, "cat /root/note"), "synced")
        self.everything_goes()


if __name__ == "__main__":
    cases.main()
