# SPDX-License-Identifier: Apache-2.0
"""What a sandbox begins with: create --entrypoint."""

from support import cases

# Says that it has started, and in which sandbox, and stays.
SCRIPT = "echo started as $(id -un) in $PWD; echo $$ >> /tmp/starts; exec sleep 1000"


class Entrypoint(cases.GuestCase):
    def make(self, *words, script=SCRIPT):
        flags = [part for word in ("sh", "-c", script) for part in ("-e", word)]
        return self.tl.create(*flags, *words)

    def process(self, box):
        return self.tl.ok("ps", box, "entrypoint", "--json").json["processes"][-1]

    def starts(self, box):
        return len(self.tl.shell(box, "cat /tmp/starts 2>/dev/null || true").split())

    def test_it_runs_as_the_image_says_and_has_a_log(self):
        for words in ((), ("--no-template",), ()):  # the last one certainly goes on from a template
            box = self.make(*words)
            self.assertEqual(self.process(box)["status"], "running")
            self.eventually(lambda box=box: self.tl.ok("logs", box, "entrypoint").out, "its log")
            self.assertEqual(self.tl.ok("logs", box, "entrypoint").text, "started as tl-user in /workspace")
            self.eventually(lambda box=box: self.starts(box) == 1, "it has begun once")
            self.assertEqual(self.tl.describe(box)["entrypoint"], ["sh", "-c", SCRIPT])
            self.tl.ok("terminate", box)

    def test_one_that_is_not_there_is_no_sandbox(self):
        before = self.tl.ok("ls", "--all", "--json").json
        failed = self.tl.sbx("create", "wrong", "-e", "/no/such")
        self.assertOutcome(failed, 5, "entrypoint did not start", "/no/such", "hint: --entrypoint")
        self.assertEqual(failed.out, b"")
        self.assertEqual(self.tl.ok("ls", "--all", "--json").json, before)
        self.tl.ok("terminate", self.tl.create("wrong"))  # the name is free

    def test_one_that_ends_leaves_the_sandbox(self):
        box = self.make(script="exit 3")
        self.eventually(lambda: self.process(box)["status"] == "exited", "it has ended")
        self.assertEqual(self.process(box)["exit_code"], 3)
        self.assertEqual(self.tl.exec(box, "true").code, 0)
        self.tl.ok("terminate", box)

    def test_it_goes_on_after_a_suspend_and_in_a_copy_and_begins_again_after_a_boot(self):
        box = self.make("service")
        first = self.process(box)["pid"]
        self.eventually(lambda: self.starts(box) == 1, "it has begun")
        self.tl.ok("suspend", box)
        self.assertEqual((self.process(box)["pid"], self.starts(box)), (first, 1))
        [copy] = self.tl.ok("copy", box).lines
        self.assertEqual((self.process(copy)["pid"], self.starts(copy)), (first, 1))
        self.tl.ok("terminate", copy)
        self.tl.shell(box, "rm /tmp/starts; sync")
        snapshot = self.tl.ok("checkpoint", box).text
        [monitor] = self.tl.monitors()
        monitor.kill()
        self.tl.wait_for_status(box, "suspended")
        self.tl.ok("resume", box)
        self.eventually(lambda: self.process(box)["status"] == "running", "it was started again")
        cold = self.tl.ok("create", "--snapshot", snapshot, "-e", "sh", "-e", "-c", "-e", SCRIPT).text
        self.eventually(lambda: self.starts(cold) == 1, "a cold start of its disk begins with one")
        self.tl.ok("terminate", box, cold)


if __name__ == "__main__":
    cases.main()
