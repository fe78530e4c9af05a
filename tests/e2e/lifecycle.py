# SPDX-License-Identifier: Apache-2.0
"""Suspend, resume, checkpoints, copies and templates, as they are typed."""

import json
import os
import re
import time
import unittest
from pathlib import Path

from support import cases, environment

# Counts in a file, every tenth of a second, with nobody attached.
COUNTER = "i=0; while :; do i=$((i+1)); echo $i > /tmp/new; mv /tmp/new /tmp/count; sleep 0.1; done"
# How wrong a wall clock may be: the host tells the time in a message, which takes its time where all is emulated.
CLOCK = 0.5 if "TL_LAB" in os.environ else 0.05
# What is about many commands more than about the machine takes many minutes where all is emulated.
NOT_IN_THE_LAB = unittest.skipIf("TL_LAB" in os.environ, "too many commands for an emulated machine")
WHO = "cat /etc/machine-id /proc/sys/kernel/random/boot_id; hostname"


class LifeCycleCase(cases.GuestCase):
    def setUp(self):
        self.tl = self.home_of_its_own()

    def start_counter(self, box):
        self.tl.shell(box, f"setsid sh -c '{COUNTER}' >/dev/null 2>&1 </dev/null & until cat /tmp/count; do sleep 0.1; done")

    def count(self, box):
        return int(self.tl.shell(box, "cat /tmp/count"))

    def goes_on(self, box):
        before = self.count(box)
        self.eventually(lambda: self.count(box) > before, "the counter goes on")

    def who(self, box):
        return self.tl.shell(box, WHO).splitlines()

    def nothing_half_made(self):
        for store in ("snapshots", "templates"):
            for folder in (self.tl.home / store).glob("[0-9a-z]*"):
                self.assertTrue((folder / "manifest.json").exists(), folder)


class Suspending(LifeCycleCase):
    def test_a_suspended_sandbox_has_no_process_and_goes_on_where_it_was(self):
        box = self.tl.create("web")
        self.start_counter(box)
        who = self.who(box)
        for _ in range(2):
            self.assertEqual(self.tl.ok("suspend", "web").text, box)
            self.tl.wait_for_silence()
            self.assertEqual(self.tl.status("web"), "suspended")
            self.assertEqual(self.tl.ok("ls", "-q", "--suspended").lines, [box])
            self.assertEqual(self.tl.ok("suspend", "web").text, box, "suspending again is success")
            self.assertEqual(self.tl.ok("resume", "web").text, box)
            self.assertEqual(self.tl.ok("resume", "web").text, box, "resuming again is success")
            self.goes_on(box)
            self.assertEqual(self.who(box), who, "it is the same sandbox")
            began = time.time()
            inside = float(self.tl.shell(box, "date +%s.%N"))
            self.assertTrue(began - CLOCK <= inside <= time.time() + CLOCK, (began, inside, time.time()))
        self.tl.ok("terminate", box)

    def test_a_command_resumes_a_suspended_sandbox_by_itself(self):
        self.tl.create("web")
        self.tl.shell("web", "echo kept > /tmp/note")
        clock = float(self.tl.shell("web", "cut -d' ' -f1 /proc/uptime"))
        self.tl.ok("suspend", "web")
        self.assertEqual(self.tl.ok("exec", "web", "cat", "/tmp/note").text, "kept")
        self.assertEqual(self.tl.status("web"), "running")
        self.assertGreaterEqual(float(self.tl.shell("web", "cut -d' ' -f1 /proc/uptime")), clock)
        self.tl.ok("terminate", "web")

    @NOT_IN_THE_LAB
    def test_what_cannot_be_suspended_says_why(self):
        box = self.tl.create()
        self.assertOutcome(self.tl.sbx("suspend", box), 4, "tl sbx name")
        self.tl.ok("name", box, "named")
        self.tl.ok("suspend", "named")
        self.assertEqual(self.tl.status(box), "suspended")
        self.tl.ok("terminate", box)
        self.tl.wait_for_silence()
        for verb in ("suspend", "resume"):
            self.assertOutcome(self.tl.sbx(verb, box), 4, "[Tt]erminated")
            self.assertOutcome(self.tl.sbx(verb, "nobody"), 3, "nobody")

    @NOT_IN_THE_LAB
    def test_suspend_without_waiting_gets_there(self):
        box = self.tl.create("web")
        self.tl.ok("suspend", "-n", "web")
        self.tl.wait_for_status(box, "suspended")
        self.tl.ok("resume", "-n", "web")
        self.tl.wait_for_status(box, "running", 120)
        self.tl.ok("terminate", box)

    @NOT_IN_THE_LAB
    def test_timeouts_suspend_what_has_a_name_and_terminate_what_has_none(self):
        kept = self.tl.create("kept", "--timeout", "3")
        lost = self.tl.create("--idle-timeout", "2")
        self.tl.wait_for_status(kept, "suspended")
        self.tl.wait_for_status(lost, "terminated")
        self.assertRegex(self.tl.describe(lost)["reason"], "idle")
        self.tl.ok("terminate", kept)

    def test_a_monitor_that_is_killed_loses_the_memory_and_not_the_disk(self):
        box = self.tl.create("web")
        self.tl.ok("suspend", "web")
        self.tl.ok("resume", "web")
        self.tl.shell(box, "echo written > /root/note; sync; echo lost > /dev/shm/note")
        for process in self.tl.processes():
            process.kill()
        self.tl.wait_for_silence()
        self.tl.wait_for_status("web", "suspended")  # a large process is gone a moment before its locks
        self.assertRegex(self.tl.describe("web")["reason"], "memory lost")
        resumed = self.tl.ok("resume", "web")
        self.assertRegex(resumed.complaint, "disk")
        self.assertEqual(self.tl.shell(box, "cat /root/note; ls /dev/shm"), "written")
        self.tl.ok("terminate", box)

    @unittest.skipIf(environment.ACCEL != "tcg", "the machine is in the monitor")
    def test_a_killed_emulator_costs_the_memory_and_not_the_disk(self):
        box = self.tl.create("web")
        self.tl.shell(box, "echo written > /root/note; sync")
        for emulator in self.tl.emulators():
            emulator.kill()
        self.tl.wait_for_status(box, "suspended")
        self.assertEqual(self.tl.shell(box, "cat /root/note"), "written")
        self.tl.ok("terminate", box)

    @NOT_IN_THE_LAB
    def test_commands_at_once_each_get_an_answer(self):
        box = self.tl.create("web")
        for verb in ("suspend", "resume"):
            both = [self.start(verb, "web") for _ in range(3)]
            for client in both:
                outcome = self.tl.finish(client)
                self.assertIn(outcome.code, (0, 4), outcome)
        self.tl.ok("exec", "web", "true")
        clients = [self.start("suspend", "web"), self.start("exec", "web", "true"), self.start("suspend", "web")]
        for client in clients:
            self.assertIn(self.tl.finish(client).code, (0, 4, 125))
        self.tl.ok("resume", "web")
        clients = [self.start("checkpoint", "web"), self.start("suspend", "web"), self.start("checkpoint", "web")]
        for client in clients:
            self.assertIn(self.tl.finish(client).code, (0, 4))
        clients = [self.start("checkpoint", "web"), self.start("checkpoint", "web"), self.start("terminate", "web")]
        codes = [self.tl.finish(client).code for client in clients]
        self.assertEqual(codes[2], 0, codes)
        self.assertEqual(self.tl.status(box), "terminated")
        self.tl.wait_for_silence()
        self.tl.ok("checkpoint", "ls")
        self.nothing_half_made()


class Checkpoints(LifeCycleCase):
    def test_a_filesystem_checkpoint_is_a_disk_to_start_from(self):
        box = self.tl.create("web")
        self.start_counter(box)
        self.tl.shell(box, "echo first > /root/note")
        attached = self.start("exec", "web", "--", "sh", "-c", "sleep 3; echo still here")
        snapshot = self.tl.ok("checkpoint", "web", "--name", "first").text
        self.assertEqual(self.tl.status(box), "running")
        self.tl.shell(box, "echo second > /root/note")
        self.assertEqual(self.tl.finish(attached).text, "still here")
        copy = self.tl.create("-s", "first", "--disk_mb", "12288")
        self.assertEqual(self.tl.shell(copy, "cat /root/note"), "first")
        self.assertGreater(int(self.tl.shell(copy, "df -m --output=size / | tail -n1")), 11000)
        self.goes_on(box)
        self.assertOutcome(self.tl.sbx("checkpoint", "rm", "first"), 4, copy)
        self.tl.ok("terminate", copy, box)
        listed = self.tl.ok("checkpoint", "ls", "--json").json
        self.assertEqual([(s["snapshot_id"], s["type"], s["sandbox_id"]) for s in listed], [(snapshot, "filesystem", box)])
        late = self.tl.create("--snapshot", snapshot)
        self.assertEqual(self.tl.shell(late, "cat /root/note"), "first", "it outlives its sandbox")
        self.tl.ok("terminate", late)
        self.assertEqual(self.tl.ok("checkpoint", "rm", "first").text, snapshot)
        self.assertOutcome(self.tl.sbx("create", "--snapshot", snapshot), 3, snapshot)
        self.nothing_half_made()

    def test_a_memory_checkpoint_goes_on_in_every_sandbox_made_from_it(self):
        box = self.tl.create("web")
        self.start_counter(box)
        self.tl.ok("checkpoint", "web", "--checkpoint-type", "memory", "--name", "moment")
        self.goes_on(box)
        at_least = self.count(box)
        copies = [self.tl.ok("create", "--snapshot", "moment").text for _ in range(2)]
        random = [self.tl.shell(copy, "head -c 32 /dev/urandom | od -An -tx1") for copy in copies]
        self.assertNotEqual(*random)
        for copy in copies:
            self.goes_on(copy)
        self.assertLess(0, at_least)
        everyone = [self.who(one) for one in (box, *copies)]
        for fact in range(2):
            self.assertEqual(len({who[fact] for who in everyone}), 3, everyone)
        for words in (("--cpus", "2"), ("--memory", "2048"), ("--disk_mb", "20480"), ("--image", "default")):
            self.assertOutcome(self.tl.sbx("create", "--snapshot", "moment", *words), 5)
        self.tl.ok("terminate", box, *copies)
        self.tl.ok("checkpoint", "rm", "moment")

    @NOT_IN_THE_LAB
    def test_a_suspended_sandbox_can_be_kept_too(self):
        self.tl.create("web")
        self.start_counter("web")
        self.tl.ok("suspend", "web")
        for kind in ("filesystem", "memory"):
            self.tl.ok("checkpoint", "web", "--checkpoint-type", kind, "--name", kind)
        self.tl.wait_for_silence()
        self.assertEqual(self.tl.status("web"), "suspended")
        warm = self.tl.ok("create", "--snapshot", "memory").text
        self.goes_on(warm)
        self.goes_on("web")
        self.tl.ok("terminate", "web", warm)
        self.assertOutcome(self.tl.sbx("checkpoint", "web"), 3)

    def test_what_was_just_written_is_on_the_disk_of_a_suspended_sandbox(self):
        self.tl.create("web")
        self.tl.shell("web", "echo written > /root/note")
        self.tl.ok("suspend", "web")
        self.tl.ok("checkpoint", "web", "--name", "disk")
        box = self.tl.ok("create", "--accel", environment.ACCEL, "--snapshot", "disk").text
        self.assertEqual(self.tl.shell(box, "cat /root/note"), "written")
        self.assertEqual(self.tl.shell("web", "cat /root/note; echo more > /root/note; cat /root/note"), "written\nmore")
        self.tl.ok("terminate", "web", box)

    @NOT_IN_THE_LAB
    def test_copies_are_sandboxes_of_their_own(self):
        self.tl.create("web")
        self.start_counter("web")
        copies = self.tl.ok("copy", "web", "-n", "2").lines
        self.assertEqual([self.tl.describe(copy)["name"] for copy in copies], ["web-copy-1", "web-copy-2"])
        self.assertEqual(self.tl.shell(copies[1], "hostname"), "web-copy-2")
        self.tl.shell(copies[0], "echo mine > /root/note")
        self.assertEqual(self.tl.exec(copies[1], "test", "-e", "/root/note").code, 1)
        for one in ("web", *copies):
            self.goes_on(one)
        self.tl.ok("suspend", "web")
        (warm,) = self.tl.ok("copy", "web").lines
        self.goes_on(warm)
        self.tl.ok("terminate", "web", warm, *copies)
        self.assertEqual(self.tl.ok("checkpoint", "ls", "--json").json, [])
        self.nothing_half_made()

    @unittest.skipUnless(environment.ACCEL == "tcg", "the machine is the monitor itself")
    def test_a_copy_whose_machine_fails_takes_nothing_with_it(self):
        self.tl.create("web")
        self.start_counter("web")
        self.tl.ok("checkpoint", "web", "--checkpoint-type", "memory", "--name", "moment")
        qemu = self.tl.folder / "bin/qemu-system-x86_64"
        real = os.readlink(qemu)
        qemu.unlink()
        qemu.write_text(f'#!/bin/sh\ncase "$*" in *-incoming*) echo broken >&2; exit 1 ;; esac\nexec {real} "$@"\n')
        qemu.chmod(0o755)
        self.assertOutcome(self.tl.sbx("create", "named", "--snapshot", "moment"), 1, "broken")
        self.assertOutcome(self.tl.sbx("copy", "web"), 1, "broken")
        self.assertEqual(self.tl.ok("ls", "-q").lines, [self.tl.describe("web")["sandbox_id"]])
        self.goes_on("web")
        qemu.unlink()
        qemu.symlink_to(real)
        copies = [self.tl.ok("create", "named", "--snapshot", "moment").text, *self.tl.ok("copy", "web").lines]
        for copy in copies:
            self.goes_on(copy)
        self.tl.ok("terminate", "web", *copies)
        self.nothing_half_made()

    @NOT_IN_THE_LAB
    def test_many_rounds_lose_nothing(self):
        box = self.tl.create("web")
        self.tl.shell(box, "head -c 20000000 /dev/urandom > /dev/shm/data; sha256sum /dev/shm/data > /dev/shm/sum")
        for turn in range(6):
            self.tl.shell(box, f"echo {turn} >> /root/rounds")
            if turn % 2:
                self.tl.ok("checkpoint", "web", "--checkpoint-type", "memory" if turn % 4 == 1 else "filesystem")
            self.tl.ok("suspend", "web")
            self.assertEqual(self.tl.shell(box, "sha256sum -c --quiet /dev/shm/sum && wc -l < /root/rounds"), str(turn + 1))
        for snapshot in self.tl.ok("checkpoint", "ls", "--json").json:
            copy = self.tl.ok("create", "--snapshot", snapshot["snapshot_id"]).text
            self.assertGreater(int(self.tl.shell(copy, "wc -l < /root/rounds")), 1)
            self.tl.ok("terminate", copy)
        self.tl.ok("terminate", box)


class Templates(LifeCycleCase):
    def test_a_sandbox_from_a_template_is_a_fresh_one(self):
        since = time.monotonic()
        first = [self.start("create", "--accel", environment.ACCEL) for _ in range(2)]
        boxes = [self.tl.finish(client).text for client in first]
        self.assertTrue(all(boxes))
        self.assertEqual(len(list((self.tl.home / "templates").glob("*/manifest.json"))), 1, "two made one")
        self.tl.shell(boxes[0], "echo mine > /root/note; setsid sleep 1000 & echo")
        boxes.append(self.tl.create("named"))
        boxes.append(self.tl.create("--no-template"))
        for box in boxes:
            lived = float(self.tl.shell(box, "cat /proc/uptime").split()[0])
            self.assertLessEqual(lived, time.monotonic() - since + 1, "its clock has not jumped")
        for fact in range(2):
            self.assertEqual(len({self.who(box)[fact] for box in boxes}), 4)
        self.assertEqual(self.who("named")[2], "named")
        self.assertEqual(self.tl.exec("named", "test", "-e", "/root/note").code, 1)
        self.assertEqual(self.tl.exec("named", "--user", "root", "--", "pgrep", "sleep").code, 1)
        self.tl.ok("suspend", "named")
        self.assertEqual(self.tl.shell("named", "hostname"), "named")
        (manifest,) = (self.tl.home / "templates").glob("*/manifest.json")
        template = json.loads(manifest.read_text())
        if environment.ACCEL == "kvm":
            pages = r"^\d+(\+\d+)?( \d+(\+\d+)?){20}"
            self.assertRegex(template["details"]["first_writes"], pages, "what is written first")
            # The first sandbox that was made from it has run a command.
            self.eventually(
                lambda: re.match(pages, json.loads(manifest.read_text())["details"]["first_reads"]), "what is needed first"
            )
        details = {"first_writes": "1+99999999999999999999 x", "first_reads": "1+16385"}
        manifest.write_text(json.dumps(template | {"details": details}))
        boxes.append(self.tl.create())
        self.assertEqual(self.tl.shell(boxes[-1], "echo well"), "well", "nothing depends on a template's details")
        self.tl.ok("terminate", *boxes)
        pruned = self.tl.ok("prune", "--json").json
        self.assertEqual((pruned["records"], pruned["templates"]), (5, 1), json.dumps(pruned))
        self.assertEqual(self.tl.ok("ls", "-q", "--all").out, b"")

    @unittest.skipUnless(environment.ACCEL == "tcg", "the machine is the monitor itself")
    def test_a_kept_emulator_is_of_its_template_and_of_no_later_state(self):
        self.tl.ok("terminate", self.tl.create())
        box = self.tl.create("web")
        self.tl.shell(box, "echo after the template > /dev/shm/note")
        emulator = self.tl.home / "work" / box / "machine/emulator"
        self.assertFalse(emulator.exists(), "the sandbox runs on, and is not what it was")
        (kept,) = (self.tl.home / "templates").glob("*/machine/emulator")
        os.link(kept, emulator)  # as if it had been left there
        self.tl.ok("suspend", "web")
        self.assertFalse(emulator.exists())
        self.assertEqual(self.tl.shell("web", "cat /dev/shm/note"), "after the template")
        self.tl.ok("terminate", "web")

    @unittest.skipUnless(environment.ACCEL == "tcg", "the machine is the monitor itself")
    def test_whatever_is_wrong_with_a_kept_emulator_a_sandbox_starts(self):
        def of_another_boot(emulator):
            boot = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
            text = emulator.read_bytes()
            self.assertIn(boot, text)
            emulator.write_bytes(text.replace(boot, b"0" * len(boot)))

        def cut_off(emulator):
            os.truncate(emulator, emulator.stat().st_size // 2)

        def with_other_calls(emulator):
            text = emulator.read_bytes()
            emulator.write_bytes(text.replace(b"/proc/self/exe", b"/proc/self/eye"))

        def no_program(emulator):
            emulator.chmod(0o600)

        self.tl.ok("terminate", self.tl.create())
        for spoil in (of_another_boot, cut_off, with_other_calls, no_program, Path.unlink):
            with self.subTest(spoil.__name__):
                (emulator,) = (self.tl.home / "templates").glob("*/machine/emulator")
                spoil(emulator)
                created = self.tl.ok("create", "--accel", "tcg")
                self.assertEqual(created.err, b"")
                box = created.text
                self.assertEqual(self.tl.shell(box, "echo well > /root/note; cat /root/note"), "well")
                self.tl.ok("terminate", box)
                self.tl.wait_for_silence()
                self.nothing_half_made()


if __name__ == "__main__":
    cases.main()
