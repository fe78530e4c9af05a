# SPDX-License-Identifier: Apache-2.0
"""Clients of exec that interrupt, die, do not read, or come in crowds."""

import concurrent.futures
import hashlib
import signal
import subprocess
import time

from support import cases, environment
from support.terminal import Terminal

MIB = 1 << 20


class Interruptions(cases.SandboxCase):
    def test_ctrl_c_at_the_terminal_reaches_the_command(self):
        script = "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.1; done"
        with Terminal(self.tl, "exec", self.box, "--", "sh", "-c", script) as terminal:
            terminal.wait_for(b"ready")
            terminal.press(b"\x03")
            self.assertEqual(terminal.finish(), 7, terminal.screen)
            self.assertIn(b"caught", terminal.screen)

    def test_ctrl_c_ends_a_command_that_does_not_catch_it_with_130(self):
        with Terminal(self.tl, "exec", self.box, "--", "sh", "-c", "echo ready; exec sleep 7781") as terminal:
            terminal.wait_for(b"ready")
            terminal.press(b"\x03")
            self.assertEqual(terminal.finish(), 130, terminal.screen)

    def test_term_reaches_the_command(self):
        script = "trap 'echo term; exit 8' TERM; echo ready; while :; do sleep 0.1; done"
        client = self.start("exec", self.box, "--", "sh", "-c", script)
        self.assertEqual(client.stdout.readline(), b"ready\n")
        client.send_signal(signal.SIGTERM)
        outcome = self.tl.finish(client)
        self.assertEqual((outcome.code, outcome.text), (8, "term"))

    def test_a_killed_client_hangs_up_its_command(self):
        self.exec("rm", "-f", "/tmp/hung-up")
        script = "trap 'echo yes > /tmp/hung-up; exit' HUP; echo ready; while :; do sleep 0.1; done"
        client = self.start("exec", self.box, "--", "sh", "-c", script)
        self.assertEqual(client.stdout.readline(), b"ready\n")
        client.kill()
        self.eventually(lambda: self.exec("cat", "/tmp/hung-up").text == "yes", "the command got SIGHUP")

    def test_a_client_killed_in_mid_stream_harms_nothing_else(self):
        other = self.start("exec", self.box, "-i", "--", "cat", stdin=subprocess.PIPE)
        client = self.start("exec", self.box, "--", "sh", "-c", "echo $$; exec cat /dev/zero")
        pid = int(client.stdout.readline())
        client.stdout.read(4 * MIB)
        client.kill()
        self.eventually(lambda: self.exec("test", "-e", f"/proc/{pid}").code == 1, "the command has ended")
        outcome = self.tl.finish(other, b"unharmed")
        self.assertEqual((outcome.code, outcome.out), (0, b"unharmed"))


class SlowReaders(cases.SandboxCase):
    def test_a_reader_that_does_not_read_stops_the_command_and_nobody_else(self):
        (monitor,) = self.tl.monitors()
        length = 200 * MIB
        script = f"echo $$ >&2; exec head -c {length} /dev/zero"
        client = self.start("exec", self.box, "--", "sh", "-c", script)
        pid = int(client.stderr.readline())
        written = 0
        for _ in range(20):  # until what is written no longer grows: every buffer on the way is full
            before, written = written, int(self.shell(f"awk '/^wchar/ {{ print $2 }}' /proc/{pid}/io"))
            if before == written:
                break
            time.sleep(0.5)
        self.assertLess(written, length // 4, "the command is held back")
        self.assertLess(monitor.own_kib(), 48 * 1024, "the monitor does not collect the output")
        self.assertEqual(self.exec("sh", "-c", "head -c 20000000 /dev/zero | wc -c").text.strip(), "20000000")
        other = self.exec("head", "-c", "5000000", "/dev/zero")
        self.assertEqual((len(other.out), other.code, other.err), (5_000_000, 0, b""), "another stream is not blocked")
        received = 0
        while piece := client.stdout.read(MIB):
            self.assertEqual(piece.count(0), len(piece))
            received += len(piece)
        outcome = self.tl.finish(client)
        self.assertEqual((received, outcome.code), (length, 0), outcome.err)


class Crowds(cases.SandboxCase):
    memory_mib = 2048
    create_words = ("-m", str(memory_mib))

    def test_fifty_commands_at_once_with_10_mb_each_arrive_intact(self):
        length = 1_000_000 if environment.IN_LAB else 10_000_000

        def received(number):
            script = f"seq {number}0000000 {number}9999999 | head -c {length}"
            client = self.start("exec", self.box, "--", "sh", "-c", script)
            digest = hashlib.sha256()
            while piece := client.stdout.read(MIB):
                digest.update(piece)
            return self.tl.finish(client).code, digest.hexdigest()

        def expected(number):
            first = number * 10_000_000  # nine digits and a newline: ten bytes a line
            lines = "".join(f"{line}\n" for line in range(first, first + length // 10))
            return hashlib.sha256(lines.encode()).hexdigest()

        numbers = range(10, 60)
        with concurrent.futures.ThreadPoolExecutor(len(numbers)) as pool:
            outcomes = dict(zip(numbers, pool.map(received, numbers)))
        self.assertEqual({code for code, _ in outcomes.values()}, {0}, self.tl.describe(self.box))
        for number in numbers:
            self.assertEqual(outcomes[number][1], expected(number), f"stream {number}")

    def test_two_hundred_commands_are_alive_at_the_same_time(self):
        words = ("exec", self.box, "-i", "--", "sh", "-c", "echo up; cat")
        clients = [self.start(*words, stdin=subprocess.PIPE) for _ in range(200)]
        for client in clients:
            self.assertEqual(client.stdout.readline(), b"up\n", self.tl.describe(self.box))
        self.assertEqual(int(self.shell("pgrep -xc cat")), 200)
        for number, client in enumerate(clients):
            outcome = self.tl.finish(client, b"%d" % number)
            self.assertEqual((outcome.code, outcome.out), (0, b"%d" % number))

    def test_after_the_crowd_the_monitor_is_small_again(self):
        (monitor,) = self.tl.monitors()
        self.assertLess(monitor.own_kib(self.memory_mib), 64 * 1024)


if __name__ == "__main__":
    cases.main()
