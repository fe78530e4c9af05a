# SPDX-License-Identifier: Apache-2.0
"""What goes into a command and what comes out of it arrives byte for byte."""

import hashlib
import os
import subprocess
import threading

from support import cases, environment

AWKWARD = (
    b"",
    b"two words",
    b"new\nline and\ttab and \r return",
    b"'single' \"double\" `back` $HOME \\ * ? [a] {b} ; & | < > ! ~ #",
    "ünïcødé – 漢字 – 🦀".encode(),
    b"\xff\xfe\x80 not UTF-8 \xc3",
    b"-t",
    b"--",
    b"--help",
    b"x" * 100_000,
)
EVERY_BYTE = bytes(range(256)) * 3


class Words(cases.SandboxCase):
    def test_arguments_arrive_as_they_are(self):
        outcome = self.exec("--", "/usr/bin/printf", "%s\\0", *AWKWARD)
        self.assertEqual(outcome.code, 0, outcome)
        self.assertEqual(outcome.out.split(b"\0")[:-1], list(AWKWARD))

    def test_our_flags_end_at_the_command(self):
        self.assertEqual(self.exec("echo", "-t", "--user", "-i").text, "-t --user -i")

    def test_no_shell_is_involved(self):
        self.assertEqual(self.exec("echo", "$HOME;", "*").text, "$HOME; *")

    def test_environment_variables_arrive_as_they_are(self):
        flags = []
        for number, value in enumerate(AWKWARD):
            flags += ["-e", b"AWKWARD_%d=" % number + value]
        outcome = self.exec(*flags, "--env", "EQUALS=a=b=c", "--", "env", "-0")
        variables = dict(pair.split(b"=", 1) for pair in outcome.out.split(b"\0")[:-1])
        for number, value in enumerate(AWKWARD):
            self.assertEqual(variables[b"AWKWARD_%d" % number], value)
        self.assertEqual(variables[b"EQUALS"], b"a=b=c")

    def test_a_later_variable_wins(self):
        self.assertEqual(self.exec("-e", "A=1", "-e", "A=2", "--", "printenv", "A").text, "2")

    def test_a_variable_without_an_equals_sign_is_malformed(self):
        self.assertOutcome(self.exec("-e", "NOVALUE", "--", "true"), 125, "NOVALUE")

    def test_as_many_arguments_as_linux_takes_arrive(self):
        self.assertEqual(self.exec("--", "sh", "-c", "echo $#", "sh", *["y" * 100_000] * 18).text, "18")


class Output(cases.SandboxCase):
    def test_stdout_and_stderr_stay_apart_and_exact(self):
        script = "import os; b = bytes(range(256)) * 3; os.write(1, b); os.write(2, b[::-1])"
        outcome = self.exec("python3", "-c", script)
        self.assertEqual(outcome.out, EVERY_BYTE)
        self.assertEqual(outcome.err, EVERY_BYTE[::-1])

    def test_output_without_a_final_newline_gets_none(self):
        self.assertEqual(self.exec("printf", "no newline").out, b"no newline")

    def test_output_is_streamed_as_it_comes(self):
        script = "echo first; echo problem >&2; read -r answer; echo \"got $answer\""
        client = self.start("exec", self.box, "-i", "--", "sh", "-c", script, stdin=subprocess.PIPE)
        self.assertEqual(client.stdout.readline(), b"first\n")
        self.assertEqual(client.stderr.readline(), b"problem\n")
        outcome = self.tl.finish(client, b"yes\n")
        self.assertEqual((outcome.code, outcome.text), (0, "got yes"))

    def test_a_long_output_never_stands_still(self):
        # It once did, every few hundred megabytes: the agent missed that the window had been opened again.
        length = 100_000_000 if environment.IN_LAB else 400_000_000
        client = self.start("exec", self.box, "--", "head", "-c", str(length), "/dev/zero")
        left = length
        while piece := os.read(client.stdout.fileno(), 1 << 20):
            left -= len(piece)
            self.assertFalse(piece.strip(b"\0"))
        self.assertEqual((client.wait(60), left), (0, 0))

    def test_a_reader_that_stops_early_ends_the_command(self):
        client = self.start("exec", self.box, "--", "sh", "-c", "echo $$; exec yes early-reader")
        pid = int(client.stdout.readline())
        client.stdout.close()
        self.assertEqual(client.wait(60), 141)
        self.assertEqual(client.stderr.read(), b"", "a closed pipe ends it quietly")
        self.eventually(lambda: self.exec("test", "-e", f"/proc/{pid}").code == 1, "yes has ended")


class Input(cases.SandboxCase):
    def test_without_i_stdin_is_empty_and_ours_is_left_alone(self):
        script = 'while read -r word; do "$1" sbx exec "$2" sh -c "cat; echo got $word"; done'
        words = ["sh", "-c", script, "sh", self.tl.binary, self.box]
        lines = b"one\ntwo\nthree\n"
        loop = subprocess.run(words, input=lines, capture_output=True, env=self.tl.variables, check=True)
        self.assertEqual(loop.stdout, b"got one\ngot two\ngot three\n")

    def test_binary_stdin_of_100_mb_comes_back_through_cat_unchanged(self):
        block = os.urandom(1_000_000)
        sent, received, length = hashlib.sha256(), hashlib.sha256(), 0
        client = self.start("exec", self.box, "-i", "--", "cat", stdin=subprocess.PIPE)

        def feed():
            with client.stdin:
                for _ in range(100):
                    client.stdin.write(block)

        feeder = threading.Thread(target=feed)
        feeder.start()
        while piece := client.stdout.read(1 << 20):
            received.update(piece)
            length += len(piece)
        for _ in range(100):
            sent.update(block)
        feeder.join(60)
        self.assertEqual(client.wait(60), 0)
        self.assertEqual(length, 100_000_000)
        self.assertEqual(received.digest(), sent.digest())

    def test_end_of_input_reaches_the_command(self):
        self.assertEqual(int(self.exec("-i", "--", "wc", "-c", stdin=EVERY_BYTE).text), len(EVERY_BYTE))
        self.assertEqual(self.exec("-i", "--", "cat", stdin=b"").out, b"")

    def test_a_command_that_ends_without_reading_its_input_ends_the_exec(self):
        client = self.start("exec", self.box, "-i", "--", "head", "-c", "3", stdin=subprocess.PIPE)
        client.stdin.write(b"abcdef")
        client.stdin.flush()
        self.assertEqual(client.stdout.read(), b"abc")
        self.assertEqual(client.wait(60), 0, "although our stdin is still open")

    def test_input_to_a_command_that_closed_its_stdin_is_dropped(self):
        script = "exec <&-; sleep 0.5; echo still here"
        outcome = self.exec("-i", "--", "sh", "-c", script, stdin=b"z" * 5_000_000)
        self.assertEqual((outcome.code, outcome.text), (0, "still here"), outcome)


if __name__ == "__main__":
    cases.main()
