# SPDX-License-Identifier: Apache-2.0
"""How a command is started and what its end means to a script."""

import concurrent.futures

from support import cases


class ExitCodes(cases.SandboxCase):
    def test_every_exit_code_is_handed_on(self):
        def exit_with(number):
            return self.exec("sh", "-c", f"exit {number}")

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(exit_with, range(256)))
        wrong = [(number, outcome) for number, outcome in enumerate(outcomes) if outcome.code != number]
        self.assertEqual(wrong[:3], [])

    def test_death_by_signal_n_is_128_plus_n(self):
        for number in (1, 2, 3, 6, 9, 11, 13, 14, 15, 34, 64):
            with self.subTest(signal=number):
                default = "" if number == 9 else f"signal.signal({number}, signal.SIG_DFL); "
                script = f"import os, signal; {default}os.kill(os.getpid(), {number})"
                self.assertEqual(self.exec("python3", "-c", script).code, 128 + number)

    def test_a_command_that_does_not_exist_is_127(self):
        for command in ("no-such-command", "/no/such/command", "./no-such-command"):
            outcome = self.exec(command)
            self.assertOutcome(outcome, 127, command)

    def test_a_file_that_cannot_be_executed_is_126(self):
        for command in ("/etc/passwd", "/etc"):
            self.assertOutcome(self.exec(command), 126, command)

    def test_a_sandbox_that_does_not_exist_is_125(self):
        self.assertOutcome(self.tl.exec("no-such-sandbox", "true"), 125, "no-such-sandbox")

    def test_a_missing_command_is_a_usage_error(self):
        self.assertIn(self.exec().code, (2, 125))


class Timeouts(cases.SandboxCase):
    def running(self, marker):
        return self.exec("pgrep", "-f", marker).code == 0

    def test_the_timeout_ends_the_whole_process_group_with_124(self):
        script = "sleep 7771 & (sleep 7772; true) & echo started; sleep 7773"
        outcome = self.exec("-t", "4", "--", "sh", "-c", script)
        self.assertEqual((outcome.code, outcome.out), (124, b"started\n"), outcome)
        self.eventually(lambda: not self.running("sleep 777[123]"), "no sleep is left")

    def test_a_command_that_ignores_term_is_killed(self):
        script = "trap '' TERM; echo deaf; while :; do sleep 7774; done"
        outcome = self.exec("-t", "4", "--", "sh", "-c", script)
        self.assertEqual((outcome.code, outcome.out), (124, b"deaf\n"), outcome)
        self.assertFalse(self.running("sleep 777[4]"))

    def test_a_command_that_cleans_up_on_term_may_print_and_still_counts_as_timed_out(self):
        script = "trap 'echo cleaning; exit 0' TERM; while :; do sleep 0.1; done"
        outcome = self.exec("-t", "4", "--", "sh", "-c", script)
        self.assertEqual((outcome.code, outcome.out), (124, b"cleaning\n"), outcome)

    def test_a_command_within_its_time_is_not_disturbed(self):
        self.assertEqual(self.exec("-t", "60", "--", "sh", "-c", "exit 3").code, 3)

    def test_fractions_of_a_second_are_understood_and_nonsense_is_not(self):
        self.assertEqual(self.exec("-t", "0.5", "--", "sleep", "1000").code, 124)
        for nonsense in ("-1", "soon", "nan", ""):
            self.assertIn(self.exec(f"--timeout={nonsense}", "--", "true").code, (2, 5, 125), nonsense)


class Users(cases.SandboxCase):
    def test_the_default_user_is_tl_user_in_the_workspace(self):
        words = self.exec("sh", "-c", "echo $(id -un) $(id -u):$(id -g) $(pwd) $HOME $USER $LOGNAME").text
        self.assertEqual(words, "tl-user 1000:1000 /workspace /home/tl-user tl-user tl-user")

    def test_a_user_is_given_by_name_by_uid_or_by_uid_and_gid(self):
        users = {"root": "0:0", "0": "0:0", "tl-user": "1000:1000", "1000:0": "1000:0", "432:876": "432:876"}
        for user, ids in users.items():
            with self.subTest(user=user):
                outcome = self.exec("--user", user, "--", "sh", "-c", "echo $(id -u):$(id -g)")
                self.assertEqual(outcome.text, ids, outcome)

    def test_a_named_user_has_all_its_groups(self):
        self.shell("groupadd -f e2e-group && usermod -aG e2e-group tl-user")
        self.assertIn("e2e-group", self.exec("--user", "tl-user", "--", "id", "-Gn").text.split())

    def test_root_has_its_own_home(self):
        self.assertEqual(self.exec("--user", "root", "--", "sh", "-c", "echo $HOME $USER").text, "/root root")

    def test_a_user_that_does_not_exist_is_125(self):
        self.assertOutcome(self.exec("--user", "nobody-here", "--", "true"), 125, "nobody-here")
        for malformed in ("1:2:3", ":", "0:", ":0", "99999999999"):
            self.assertEqual(self.exec(f"--user={malformed}", "--", "true").code, 125, malformed)

    def test_a_user_cannot_touch_what_is_roots(self):
        self.assertNotEqual(self.exec("sh", "-c", "echo x > /etc/shadow").code, 0)
        self.assertNotEqual(self.exec("cat", "/etc/shadow").code, 0)


class WorkingDirectories(cases.SandboxCase):
    def test_the_command_starts_where_it_is_told_to(self):
        self.shell("mkdir -p '/tmp/a b/ü'")
        for folder in ("/", "/tmp", "/tmp/a b/ü"):
            self.assertEqual(self.exec("-w", folder, "--", "pwd").text, folder)
        self.assertEqual(self.exec("--workdir", "/usr", "--", "pwd").text, "/usr")

    def test_a_folder_that_does_not_exist_is_125(self):
        self.assertOutcome(self.exec("-w", "/no/such/folder", "--", "true"), 125, "/no/such/folder")
        self.assertOutcome(self.exec("-w", "/etc/passwd", "--", "true"), 125, "/etc/passwd")


class Reaping(cases.SandboxCase):
    def test_pid_1_reaps_what_loses_its_parent(self):
        script = "for n in $(seq 50); do (setsid sh -c 'sleep 0.2; exit 3' &); done; echo gone"
        self.assertEqual(self.shell(script), "gone")
        zombies = "cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z '"
        self.eventually(lambda: self.exec("sh", "-c", zombies).text == "0", "there is no zombie")

    def test_an_orphan_lives_on_after_its_exec(self):
        self.shell("setsid sleep 7780 > /dev/null 2>&1 < /dev/null & echo")
        self.assertEqual(self.exec("pgrep", "-f", "sleep 7780").code, 0)
        self.shell("pkill -f 'sleep 778[0]'")

    def test_commands_have_default_signals_and_no_descriptors_of_ours(self):
        self.assertEqual(self.shell("ls /proc/self/fd | tr '\\n' ' '").split()[:4], ["0", "1", "2", "3"])
        ignored = self.shell("grep -E 'Sig(Blk|Ign)' /proc/self/status")
        self.assertEqual([int(line.split()[1], 16) for line in ignored.splitlines()], [0, 0])


if __name__ == "__main__":
    cases.main()
