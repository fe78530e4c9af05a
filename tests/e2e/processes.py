# SPDX-License-Identifier: Apache-2.0
"""Processes that go on without their caller: exec --detach, ps, kill, restart and logs."""

import json
import signal

from support import cases

MIB = 1 << 20
QUICK = ("--initial-backoff-ms", "20", "--max-backoff-ms", "20")
# More than there is, in pages that are touched.
GLUTTON = "x = []\nwhile True: x.append(bytearray(b'x') * (16 << 20))"


class ProcessCase(cases.SandboxCase):
    create_words = ("proc",)

    def detach(self, script, *words):
        """The PID of a shell script that goes on by itself."""
        return int(self.tl.ok("exec", self.box, "--detach", *words, "--", "sh", "-c", script).text)

    def ps(self, process):
        return self.tl.ok("ps", self.box, str(process), "--json").json["processes"][-1]

    def wait_for(self, process, status):
        def reached():
            found = self.ps(process)
            return found if found["status"] == status else None

        return self.eventually(reached, f"{process} is {status}")

    def logs(self, process, *words):
        return self.tl.ok("logs", self.box, str(process), *words).out

    def shell(self, script):
        return self.tl.shell(self.box, script)


class Fresh(cases.GuestCase):
    def test_a_new_sandbox_knows_no_processes(self):
        for words in ((), ("--no-template",), ()):
            box = self.tl.create(*words)
            self.assertEqual(self.tl.ok("ps", box).out, b"No processes found.\n")
            self.tl.ok("terminate", box)


class Detached(ProcessCase):
    def test_it_outlives_its_caller_and_is_listed(self):
        pid = self.detach("read line; echo out $line; echo err >&2; exec sleep 1000", "--name", "lister")
        self.eventually(lambda: self.logs("lister") == b"out\nerr\n", "both lines")
        self.assertEqual(self.shell(f"tr '\\0' ' ' < /proc/{pid}/cmdline"), "sleep 1000 ")
        first, *rows = [line.split("\t") for line in self.tl.ok("ps", self.box).out.decode().splitlines()]
        self.assertEqual(first[:7], ["PID", "Status", "Managed", "Name", "Restarts", "Health", "Command"])
        (row,) = [row for row in rows if row[0] == str(pid)]
        self.assertEqual(row[1:6], ["running", "yes", "lister", "0", ""])
        # The listing itself was started by nobody's exec; the look at /proc was.
        self.assertIn("no", [row[2] for row in rows])
        self.assertEqual(self.tl.ok("kill", self.box, "lister").text, "Killed process lister.")
        self.assertEqual(self.ps(pid)["signal"], signal.SIGTERM)
        self.assertEqual(self.exec("test", "-e", f"/proc/{pid}").code, 1)
        self.assertOutcome(self.tl.sbx("kill", self.box, "lister"), 4, "has ended")

    def test_a_name_is_taken_while_its_process_runs(self):
        self.detach("exec sleep 1000", "--name", "twin")
        second = self.tl.sbx("exec", self.box, "--detach", "--name", "twin", "true")
        self.assertOutcome(second, 125, "twin", "hint:")
        self.tl.ok("kill", self.box, "twin")
        self.wait_for(self.detach("exit 3", "--name", "twin"), "exited")
        self.assertEqual(self.ps("twin")["exit_code"], 3)

    def test_what_is_not_there_or_malformed_is_said(self):
        for verb in ("kill", "restart", "logs", "ps"):
            for process in ("nobody", "999999", "-1", "a/b", "", "\x1b[31m", "9" * 40):
                self.assertOutcome(self.tl.sbx(verb, self.box, "--", process), 3)
        missing = self.tl.sbx("exec", self.box, "--detach", "/no/such")
        self.assertEqual((missing.code, missing.out), (127, b""), missing)
        self.assertOutcome(self.tl.sbx("exec", self.box, "--detach", "--name", "1x", "true"), 125, "1x")
        self.assertOutcome(
            self.tl.sbx("exec", self.box, "--detach", "--max-backoff-ms", "0", "true"), 125, "back-off"
        )

    def test_reasons_of_the_end_are_told_apart(self):
        self.assertEqual(self.wait_for(self.detach("exit 7"), "exited")["exit_code"], 7)
        self.assertEqual(self.wait_for(self.detach("kill -SEGV $$"), "signaled")["signal"], signal.SIGSEGV)
        self.assertEqual(self.wait_for(self.detach("kill -KILL $$"), "signaled")["signal"], signal.SIGKILL)

    def test_one_killed_for_want_of_memory_is_told_apart(self):
        words = ("exec", self.box, "--detach", "--", "python3", "-c", GLUTTON)
        self.wait_for(int(self.tl.ok(*words).text), "oom-killed")

    def test_a_signal_reaches_it(self):
        pid = self.detach("trap 'echo again' HUP; echo up; while :; do sleep 0.1; done")
        self.eventually(lambda: self.logs(pid) == b"up\n", "it is up")
        self.assertEqual(self.tl.ok("kill", self.box, str(pid), "--signal", "HUP").text, f"Sent SIGHUP to process {pid}.")
        self.eventually(lambda: self.logs(pid, "--tail", "1") == b"again\n", "it got the signal")
        self.tl.ok("kill", self.box, str(pid))


class Supervised(ProcessCase):
    def runs(self, name):
        return int(self.shell(f"cat /tmp/{name} 2>/dev/null | wc -l"))

    def supervise(self, name, script, *words):
        return self.detach(f"echo run >> /tmp/{name}; {script}", "--name", name, *QUICK, *words)

    def test_never_is_once(self):
        self.wait_for(self.supervise("once", "exit 1"), "exited")
        self.assertEqual(self.runs("once"), 1)

    def test_on_failure_stops_at_success(self):
        script = "test $(wc -l < /tmp/third) = 3"
        ended = self.wait_for(self.supervise("third", script, "--restart", "on-failure"), "exited")
        self.assertEqual((self.runs("third"), ended["exit_code"]), (3, 0))
        self.assertEqual(ended["managed"]["restart_count"], 2)

    def test_always_gives_up_when_told(self):
        words = ("--restart", "always", "--max-restarts", "4")
        self.wait_for(self.supervise("five", "exit 0", *words), "exited")
        self.assertEqual(self.runs("five"), 5)

    def test_a_kill_is_for_good(self):
        first = self.supervise("good", "exec sleep 1000", "--restart", "always")
        self.eventually(lambda: self.runs("good") == 1, "it runs")
        self.shell(f"kill -9 {first}")
        self.eventually(lambda: self.runs("good") == 2, "it was started again")
        pid = self.ps("good")["pid"]
        self.tl.ok("kill", self.box, "good")
        self.assertEqual(self.ps(pid)["status"], "signaled")
        self.assertEqual(self.runs("good"), 2)

    def test_restart_is_a_new_process_of_that_name(self):
        first = self.supervise("anew", "echo $$; exec sleep 2000")
        self.eventually(lambda: self.logs("anew") == b"%d\n" % first, "it is up")
        second = int(self.tl.ok("restart", self.box, "anew").text)
        self.eventually(lambda: self.logs("anew") == b"%d\n%d\n" % (first, second), "one log for both")
        self.assertEqual(self.exec("test", "-e", f"/proc/{first}").code, 1)
        self.tl.ok("kill", self.box, str(first))
        self.assertGreater(int(self.tl.ok("restart", self.box, "anew").text), second)
        self.tl.ok("kill", self.box, "anew")


class Logs(ProcessCase):
    def test_the_last_lines_and_what_comes(self):
        self.detach("seq 100; while ! test -e /tmp/go; do sleep 0.1; done; echo more", "--name", "seq")
        self.eventually(lambda: self.logs("seq", "--tail", "2") == b"99\n100\n", "all is there")
        follower = self.start("logs", self.box, "seq", "--tail", "1", "-f")
        self.assertEqual(follower.stdout.readline(), b"100\n")
        self.shell("touch /tmp/go")
        outcome = self.tl.finish(follower)
        self.assertEqual((outcome.code, outcome.out), (0, b"more\n"), outcome)
        lines = [json.loads(line) for line in self.logs("seq", "--json", "--tail", "2").splitlines()]
        self.assertEqual([(line["stream"], line["text"]) for line in lines], [("stdout", "100"), ("stdout", "more")])

    def test_twenty_megabytes_leave_the_last_one(self):
        size = 20 * MIB
        pid = self.detach(f"head -c {size} /dev/zero | tr '\\0' x; echo; echo end")
        self.wait_for(pid, "exited")
        text = self.logs(pid)
        self.assertTrue(text.endswith(b"x\nend\n"))
        self.assertGreater(len(text), MIB // 2)
        self.assertLessEqual(len(text), MIB)

    def test_ctrl_c_ends_a_follower_and_nothing_else(self):
        pid = self.detach("echo up; exec sleep 1000")
        follower = self.start("logs", self.box, str(pid), "-f")
        self.assertEqual(follower.stdout.readline(), b"up\n")
        follower.send_signal(signal.SIGINT)
        self.assertEqual(self.tl.finish(follower).code, 130)
        self.assertEqual(self.ps(pid)["status"], "running")
        self.tl.ok("kill", self.box, str(pid))


class Suspended(ProcessCase):
    def test_all_of_it_survives_a_suspend_and_a_follower_is_told(self):
        script = "echo run >> /tmp/kept; echo up; exec sleep 1000"
        pid = self.detach(script, "--name", "kept", "--restart", "always", *QUICK)
        follower = self.start("logs", self.box, "kept", "-f")
        self.assertEqual(follower.stdout.readline(), b"up\n")
        self.tl.ok("suspend", self.box)
        self.assertOutcome(self.tl.finish(follower), 4, "was suspended", "hint:")
        self.assertEqual(self.ps("kept")["pid"], pid)  # and resumes it
        self.assertEqual(self.logs("kept"), b"up\n")
        self.shell(f"kill -9 {pid}")
        self.eventually(lambda: self.logs("kept") == b"up\nup\n", "it is still supervised")
        self.tl.ok("kill", self.box, "kept")


if __name__ == "__main__":
    cases.main()
