# SPDX-License-Identifier: Apache-2.0
"""The state folder in bad hands: damaged documents, ten thousand of them, strangers at the sockets."""

import os
import socket
import stat
import subprocess
import time

from support import cases
from support.records import document_of, multiply
from support.terminal import Terminal

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


STEAL_THE_LINK = """
import ctypes, os, sys
opened = {int(n): os.readlink(f"/proc/1/fd/{n}") for n in os.listdir("/proc/1/fd")}
links = [n for n, path in opened.items() if "vport" in path]
if not links: sys.exit(99)
pid = os.pidfd_open(1)
for n in links:
    fd = ctypes.CDLL(None).syscall(438, pid, n, 0)  # pidfd_getfd
    if fd < 0: sys.exit(98)
    os.set_blocking(fd, True)
    for _ in range(20): os.write(fd, os.urandom(4096))
"""


class Documents(cases.GuestCase):
    def terminated(self):
        box = self.tl.create("--no-wait")
        self.tl.ok("terminate", box)
        return box

    def exists_with(self, contents):
        files = (file for file in self.tl.home.rglob("*") if file.is_file())
        return any(file.read_bytes() == contents for file in files if file.stat().st_size == len(contents))

    def test_a_damaged_document_is_set_aside_and_the_others_are_listed(self):
        living = self.tl.create()
        for damage in (b"", b"{", b"\x00\xff" * 300, b"[]", b'{"schema": 99999}', None):
            box = self.terminated()
            document = document_of(self.tl.home, box)
            whole = document.read_bytes()
            damage = whole[: len(whole) // 2] if damage is None else damage
            document.write_bytes(damage)
            outcome = self.tl.ok("ls", "--all", "-q")
            self.assertIn(living, outcome.lines)
            self.assertNotIn(box, outcome.lines)
            self.assertIn("set aside", outcome.complaint, "people are told")
            self.assertEqual(self.tl.ok("ls").err, b"", "once, not forever")
            self.assertTrue(self.exists_with(damage), "it is kept for inspection")
            self.assertEqual(self.tl.sbx("describe", box).code, 3)
        self.assertEqual(self.tl.ok("exec", living, "echo", "fine").text, "fine")
        self.tl.ok("terminate", living)

    def test_strange_files_in_the_state_folder_harm_nobody(self):
        box = self.terminated()
        for folder in {document_of(self.tl.home, box).parent, self.tl.home}:
            (folder / "stray").write_bytes(b"\xff")
            (folder / ".hidden.tmp").write_bytes(b"half")
            (folder / "folder.json").mkdir()
        self.assertIn(box, self.tl.ok("ls", "--all", "-q").lines)

    def test_ten_thousand_records_are_listed_fast(self):
        tl = self.home_of_its_own()
        first = tl.create("--no-wait")
        tl.ok("terminate", first)
        tl.wait_for_silence()
        multiply(tl.home, first, 10_000)
        outcome = tl.ok("ls", "--all", "-q")
        self.assertEqual(len(set(outcome.lines)), 10_001)
        outcome = tl.ok("ls")
        self.assertEqual(len(outcome.lines), 1, "the heading")
        self.assertLess(outcome.seconds, 10, "the bench knows the exact bound")
        with Terminal(tl, "ls") as terminal:
            terminal.finish()
        self.assertIn(b"10001 terminated hidden", terminal.screen)
        self.assertEqual(len(tl.ok("ls", "--all", "--json").json), 10_001)
        half = tl.start("ls", "--all")
        half.stdout.readline()
        half.stdout.close()
        self.assertEqual((half.wait(60), half.stderr.read()), (0, b""), "leaving early is no error")
        self.assertEqual(tl.ok("describe", first, "--json").json["sandbox_id"], first)

    def test_a_full_stdout_is_an_error(self):
        with open("/dev/full", "wb") as full:
            self.terminated()
            outcome = self.tl.sbx("ls", "--all", stdout=full)
        self.assertOutcome(outcome, outcome.code, "space")
        self.assertNotEqual(outcome.code, 0)


class Strangers(cases.SandboxCase):
    def sockets(self):
        found = [path for path in self.tl.home.rglob("*") if stat.S_ISSOCK(path.lstat().st_mode)]
        self.assertTrue(found, "the monitor listens somewhere in the state folder")
        return found

    def connections(self):
        folder = os.getcwd()
        for path in self.sockets():
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(10)
            os.chdir(path.parent)  # addresses end at 108 bytes
            try:
                connection.connect(path.name)
            except ConnectionRefusedError:
                continue
            finally:
                os.chdir(folder)
            yield connection

    def assertUnharmed(self):
        self.assertEqual(self.exec("echo", "unharmed", timeout=60).text, "unharmed")

    def test_only_the_owner_may_connect(self):
        for path in self.sockets():
            self.assertEqual(stat.S_IMODE(path.lstat().st_mode) & 0o077, 0, path)

    def test_garbage_on_the_control_socket_is_only_its_senders_problem(self):
        settings = bytes.fromhex("000000040000000000")
        pieces = (
            os.urandom(100_000),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\0" * 1000,
            b"{" * 200_000,
            HTTP2_PREFACE + os.urandom(50_000),
            HTTP2_PREFACE + settings + bytes.fromhex("ffffff000000000001") + b"\xff" * 1000,
            HTTP2_PREFACE + settings + bytes.fromhex("000004080000000000") + b"\x7f\xff\xff\xff" * 2,
            HTTP2_PREFACE + settings + bytes.fromhex("00000a010500000001828684418affffffffff"),
            b"",
        )
        for piece in pieces:
            for connection in self.connections():
                with connection:
                    try:
                        connection.sendall(piece)
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(65536):
                            pass
                    except OSError:
                        pass
            self.assertUnharmed()

    def test_silent_connections_hold_nobody_up(self):
        silent = [connection for _ in range(100) for connection in self.connections()]
        self.assertUnharmed()
        for connection in silent:
            connection.close()
        self.assertUnharmed()

    def test_garbage_on_the_agents_stream_is_noticed_and_never_hangs(self):
        """Root inside steals PID 1's end of the link and writes into it."""
        box = self.tl.create()
        running = self.start("exec", box, "--", "sh", "-c", "echo up; exec sleep 1000")
        self.assertEqual(running.stdout.readline(), b"up\n")
        outcome = self.tl.exec(box, "--user", "root", "--", "python3", "-c", STEAL_THE_LINK, timeout=60)
        if outcome.code in (98, 99):
            self.skipTest("the link cannot be taken from PID 1 in this guest")
        self.assertIn(outcome.code, (0, 125), outcome)
        self.assertOutcome(self.tl.finish(running, timeout=60), 125)
        deadline = time.monotonic() + 60
        while True:  # either the link comes back or the sandbox is seen to be over; both are the truth
            after = self.tl.exec(box, "echo", "back", timeout=60)
            if (after.code, after.out) == (0, b"back\n") or self.tl.status(box) == "terminated":
                break
            self.assertLess(time.monotonic(), deadline, after)
        self.assertEqual(self.tl.sbx("terminate", box).code, 0)
        self.assertUnharmed()


class Permissions(cases.SandboxCase):
    def test_another_user_cannot_look_into_the_state_folder(self):
        cases.environment.require_root("becoming another user")
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        self.tl.folder.chmod(0o755)
        listed = subprocess.run(["ls", self.tl.home], capture_output=True, check=False, **nobody)
        self.assertRegex(listed.stderr, b"Permission denied")


if __name__ == "__main__":
    cases.main()
