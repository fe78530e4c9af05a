# SPDX-License-Identifier: Apache-2.0
"""The main job: create a sandbox, run commands in it, end it."""

import re
import subprocess

from support import cases, environment

ID = r"[0-9a-z]{21}"


class ALifeOfASandbox(cases.GuestCase):
    def test_create_prints_the_id_and_the_sandbox_runs_commands_until_it_is_terminated(self):
        created = self.tl.ok("create", "--accel", environment.ACCEL)
        self.assertRegex(created.out, rf"^{ID}\n$".encode())
        box = created.text
        self.assertEqual(self.tl.ok("exec", box, "echo", "hello").out, b"hello\n")
        ended = self.tl.ok("terminate", box)
        self.assertEqual(ended.text, box)
        self.assertEqual(self.tl.status(box), "terminated")
        self.tl.wait_for_silence()
        self.assertOutcome(self.tl.exec(box, "true"), 125, "terminated")
        self.assertEqual(self.tl.ok("terminate", box).text, box, "terminating again is success")

    def test_a_named_sandbox_is_reached_by_its_name_and_by_its_id(self):
        box = self.tl.create("my-env")
        self.assertRegex(box, f"^{ID}$", "the ID is printed for a named one too")
        self.assertEqual(self.tl.ok("exec", "my-env", "hostname").text, "my-env")
        self.assertEqual(self.tl.ok("exec", box, "hostname").text, "my-env")
        self.assertEqual(self.tl.describe("my-env")["sandbox_id"], box)
        self.tl.ok("terminate", "my-env")
        self.assertNotIn(box, self.tl.ok("ls", "-q").lines)
        again = self.tl.create("my-env", "--no-wait")
        self.assertNotEqual(again, box, "the name is free after the end")
        self.assertEqual(self.tl.describe("my-env")["sandbox_id"], again)
        self.tl.ok("terminate", again)

    def test_create_json_reports_the_sandbox(self):
        report = self.tl.ok("create", "reported", "--accel", environment.ACCEL, "--json").json
        self.assertRegex(report["sandbox_id"], f"^{ID}$")
        self.assertEqual(report["name"], "reported")
        self.assertEqual(report["status"], "running")
        self.assertEqual(report["resources"], {"cpus": 1.0, "memory_mb": 1024, "disk_mb": 10240})
        self.tl.ok("stop", "reported")

    def test_no_wait_returns_at_once_with_a_pending_sandbox_that_becomes_running(self):
        box = self.tl.create("--no-wait")
        self.assertIn(self.tl.status(box), ("pending", "running"))
        self.tl.wait_for_status(box, "running", 120)
        self.assertEqual(self.tl.ok("exec", box, "echo", "up").text, "up")
        self.tl.ok("terminate", box)

    def test_terminate_goes_on_after_a_failure_and_exits_with_its_code(self):
        box = self.tl.create("--no-wait")
        outcome = self.tl.sbx("terminate", "no-such-sandbox", box)
        self.assertOutcome(outcome, 3, "no-such-sandbox")
        self.assertEqual(outcome.text, box)
        self.assertEqual(self.tl.status(box), "terminated")

    def test_two_terminates_at_the_same_instant_both_succeed(self):
        box = self.tl.create()
        both = [self.start("terminate", box) for _ in range(2)]
        for client in both:
            outcome = self.tl.finish(client)
            self.assertEqual(outcome.code, 0, outcome)
            self.assertEqual(outcome.text, box)
        self.tl.wait_for_silence()


class Run(cases.GuestCase):
    def run_words(self, *words, **options):
        return self.tl.sbx("run", "--accel", environment.ACCEL, *words, **options)

    def nothing_is_left(self):
        self.assertEqual(self.tl.ok("ls", "-q").out, b"")
        self.tl.wait_for_silence()

    def test_run_hands_on_output_and_exit_code_and_leaves_nothing(self):
        outcome = self.run_words("sh", "-c", "echo out; echo err >&2; exit 7")
        self.assertEqual((outcome.code, outcome.out, outcome.err), (7, b"out\n", b"err\n"), outcome)
        self.nothing_is_left()

    def test_run_takes_the_flags_of_create_and_exec(self):
        words = ("-m", "2048", "-e", "GREETING=hi there", "-w", "/tmp", "--user", "root", "--")
        script = 'pwd; id -u; echo "$GREETING"; grep MemTotal /proc/meminfo'
        lines = self.run_words(*words, "sh", "-c", script).lines
        self.assertEqual(lines[:3], ["/tmp", "0", "hi there"])
        self.assertGreater(int(lines[3].split()[1]), 1500 * 1024)

    def test_the_timeout_of_run_is_that_of_its_command(self):
        outcome = self.run_words("-t", "1", "--", "sleep", "1000")
        self.assertEqual(outcome.code, 124, outcome)
        self.nothing_is_left()

    def test_keep_leaves_the_sandbox_running(self):
        self.assertEqual(self.run_words("-k", "touch", "/tmp/kept").code, 0)
        (box,) = self.tl.ok("ls", "-q", "--running").lines
        self.assertEqual(self.tl.exec(box, "test", "-e", "/tmp/kept").code, 0)
        self.tl.ok("terminate", box)

    def test_interrupting_run_leaves_nothing_behind(self):
        script = "echo ready; exec sleep 1000"
        client = self.start("run", "--accel", environment.ACCEL, "sh", "-c", script, stdin=subprocess.DEVNULL)
        self.assertEqual(client.stdout.readline(), b"ready\n")
        client.send_signal(2)
        self.assertEqual(self.tl.finish(client).code, 130)
        self.nothing_is_left()

    def test_a_command_that_does_not_exist_is_127_and_leaves_nothing(self):
        outcome = self.run_words("no-such-command")
        self.assertEqual(outcome.code, 127, outcome)
        self.assertTrue(re.search("no-such-command", outcome.complaint), outcome)
        self.nothing_is_left()


if __name__ == "__main__":
    cases.main()
