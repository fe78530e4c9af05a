# SPDX-License-Identifier: Apache-2.0
"""A terminal in a sandbox: ssh, exec --tty, and the sessions that outlive their clients."""

import os
import re
import signal
import termios
import zlib

from support import cases
from support.terminal import Terminal

PROMPT = b"ready> "


class TerminalCase(cases.SandboxCase):
    create_words = ("term",)

    def at(self, *words, **options):
        """A person at a terminal with a command on it."""
        terminal = Terminal(self.tl, *words, **options)
        self.addCleanup(terminal.__exit__)
        return terminal

    def shell_at(self, *words):
        """The same with a shell that has said that it is ready."""
        options = ("--shell-arg", "--norc", "-e", f"PS1={PROMPT.decode()}", "-e", "INPUTRC=/dev/null")
        terminal = self.at("ssh", *options, *words, self.box)
        terminal.wait_for(PROMPT)
        return terminal

    def type(self, terminal, line, answer):
        terminal.screen = b""
        terminal.press(line + b"\r")
        terminal.wait_for(answer)

    def assertEnds(self, terminal, code):
        self.assertEqual(terminal.finish(), code, terminal.screen)
        self.assertEqual(terminal.mode(), terminal.mode_found, "the terminal is as it was")

    def session_ids(self):
        return self.tl.ok("pty", "ls", "-q", self.box).lines

    def listed(self):
        (session,) = self.tl.ok("pty", "ls", self.box, "--json").json
        return session

    def session(self):
        (session,) = self.session_ids()
        return session


class Shell(TerminalCase):
    def test_keys_go_in_and_the_exit_code_comes_out(self):
        terminal = self.shell_at()
        self.type(terminal, b"echo a$((1+1))b; pwd; stty size", b"a2b\r\n/home/tl-user\r\n24 120\r\n")
        self.type(terminal, b"echo $TERM", b"xterm-256color\r\n")
        cooked = termios.ICANON | termios.ECHO | termios.ISIG
        self.assertFalse(terminal.mode()[3] & cooked, "raw mode: nothing is done to a key here")
        terminal.press(b"exit 7\r")
        self.assertEnds(terminal, 7)

    def test_control_keys_are_the_guests(self):
        terminal = self.shell_at()
        # The child says it, because between two commands of a list the shell itself would get the key.
        self.type(terminal, b"sh -c \"echo star''ted; exec sleep 1000\"", b"started\r\n")
        terminal.press(b"\x03")
        terminal.wait_for(PROMPT)
        self.type(terminal, b"echo co''de $?", b"code 130\r\n")
        self.type(terminal, b"sh -c \"echo star''ted; exec cat\"", b"started\r\n")
        terminal.press(b"\x1a")
        terminal.wait_for(b"Stopped")
        self.type(terminal, b"fg", b"exec cat\"\r\n")
        self.type(terminal, b"echoed by cat", b"echoed by cat\r\nechoed by cat\r\n")
        terminal.press(b"\x04")
        terminal.wait_for(PROMPT)
        terminal.press(b"\x04")
        self.assertEnds(terminal, 0)

    def test_a_resize_is_seen_inside_at_once(self):
        terminal = self.shell_at()
        # Not the shell at its prompt: what comes just before it waits for a key is only seen with the key.
        loop = b"sh -c \"trap 'stty size' WINCH; echo se''t; while :; do sleep 0.1; done\""
        self.type(terminal, loop, b"set\r\n")
        terminal.resize(41, 133)
        terminal.wait_for(b"41 133")
        terminal.screen = b""
        terminal.press(b"\x03")
        terminal.wait_for(PROMPT)
        terminal.press(b"exit 0\r")
        self.assertEnds(terminal, 0)

    def test_bytes_of_the_screen_are_left_alone(self):
        colour = b"\x1b[38;2;1;2;3mX\x1b[0m\xf0\x9f\xa6\x80\xff\x00|"
        form = "\\033[38;2;1;2;3mX\\033[0m\\360\\237\\246\\200\\377\\0|"
        terminal = self.at("ssh", self.box, "--", "printf", form)
        self.assertEnds(terminal, 0)
        self.assertIn(colour, terminal.screen)

    def test_a_paste_of_a_megabyte_arrives_whole(self):
        text = bytes(33 + i % 94 for i in range(1_000_000))
        checksum = "gzip -c | tail -c 8 | od -An -tu4"
        script = f"stty raw -echo; echo ready; head -c {len(text)} | {checksum}"
        terminal = self.at("ssh", self.box, "--", "sh", "-c", script)
        terminal.wait_for(b"ready")
        terminal.paste(text)
        self.assertEnds(terminal, 0)
        self.assertIn(str(zlib.crc32(text)).encode(), terminal.screen)

    def test_full_screen_programs_work(self):
        terminal = self.at("exec", "--tty", self.box, "--", "less", "/etc/services")
        terminal.wait_for(b"tcpmux")
        terminal.press(b"G")
        terminal.wait_for(b"(END)")
        terminal.press(b"q")
        self.assertEnds(terminal, 0)

    def test_a_terminal_is_needed(self):
        self.assertOutcome(self.tl.sbx("ssh", self.box), 2, "needs a terminal on stdin")

    def test_a_missing_shell_is_127(self):
        terminal = self.at("ssh", "-s", "/bin/nosuch", self.box)
        self.assertEnds(terminal, 127)
        self.assertIn(b"--shell /bin/sh", terminal.screen)


class Script(TerminalCase):
    """exec --tty where there is no terminal here."""

    def test_a_command_has_a_terminal(self):
        script = "stty size; echo $TERM; echo err >&2; exit 3"
        outcome = self.exec("--tty", "--", "sh", "-c", script, env={**self.tl.variables, "TERM": ""})
        self.assertEqual((outcome.code, outcome.out), (3, b"24 80\r\nxterm\r\nerr\r\n"), outcome)

    def test_its_input_is_empty_or_ours(self):
        self.assertEqual(self.exec("--tty", "cat").out, b"")
        outcome = self.exec("--tty", "-i", "--", "tr", "a-z", "A-Z", stdin=b"one\ntwo")
        self.assertTrue(outcome.out.endswith(b"ONE\r\nTWO"), outcome)

    def test_a_signal_reaches_it(self):
        script = "trap 'exit 9' TERM; echo on; while :; do sleep 0.1; done"
        client = self.start("exec", self.box, "--tty", "--", "sh", "-c", script)
        self.assertEqual(client.stdout.readline(), b"on\r\n")
        client.send_signal(signal.SIGTERM)
        self.assertEqual(client.wait(60), 9)


class Sessions(TerminalCase):
    def test_a_session_outlives_its_client(self):
        terminal = self.shell_at()
        self.type(terminal, b"KEPT=4$((1+1)); echo sto''red", b"stored\r\n")
        session = self.session()
        terminal.program.kill()
        terminal.program.wait()
        self.eventually(lambda: self.listed()["clients"] == 0, "nobody is attached")
        listed = self.listed()
        self.assertEqual((str(listed["session_id"]), listed["command"]), (session, "/bin/bash --norc"))
        self.assertEqual((listed["rows"], listed["columns"]), (24, 120))
        again = self.at("pty", "attach", self.box, session, rows=30)
        again.wait_for(b"stored\r\n")
        self.type(again, b"echo $KEPT; stty size", b"42\r\n30 120\r\n")
        again.press(b"exit 5\r")
        self.assertEnds(again, 5)
        self.assertEqual(self.session_ids(), [])

    def test_signals_end_the_client_only(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            terminal = self.shell_at()
            session = self.session()
            terminal.program.send_signal(number)
            self.assertEnds(terminal, 128 + number)
            self.assertIn(f"tl sbx pty attach {self.box} {session}".encode(), terminal.screen)
            self.assertEqual(self.tl.ok("pty", "rm", self.box, session).text, session)
            self.eventually(lambda: not self.session_ids(), "it ends")

    def test_a_removed_session_hangs_up_its_client(self):
        terminal = self.shell_at()
        self.tl.ok("pty", "rm", self.box, self.session())
        self.assertEnds(terminal, 128 + signal.SIGHUP)

    def test_a_session_that_is_not_there(self):
        self.assertOutcome(self.tl.sbx("pty", "rm", self.box, "999999"), 3, "no session 999999", "pty ls")
        self.assertEnds(self.at("pty", "attach", self.box, "999999"), 125)

    def test_a_session_goes_on_after_a_suspend(self):
        terminal = self.shell_at()
        self.type(terminal, b"KEPT=4$((1+1)); echo sto''red", b"stored\r\n")
        session = self.session()
        self.tl.ok("suspend", self.box)
        self.assertEnds(terminal, 125)
        said = rb"Error: sandbox term was suspended\r\nhint: `tl sbx pty attach term " + session.encode()
        self.assertRegex(terminal.screen, said)
        again = self.at("pty", "attach", "term", session)
        again.wait_for(b"stored\r\n")
        self.type(again, b"echo $KEPT", b"42\r\n")
        again.press(b"exit\r")
        self.assertEnds(again, 0)


class Monitor(TerminalCase):
    create_words = ()

    def test_the_terminal_is_given_back_when_the_monitor_is_killed(self):
        terminal = self.shell_at()
        (monitor,) = self.tl.monitors()
        os.kill(monitor.pid, signal.SIGKILL)
        self.assertEnds(terminal, 125)
        self.assertEqual(len(re.findall(rb"Error: ", terminal.screen)), 1)


if __name__ == "__main__":
    cases.main()
