# SPDX-License-Identifier: Apache-2.0
"""A terminal with a program on it, as a person at a keyboard has."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

from support.tl import GENEROUS


class Terminal:
    """`tl sbx …` with stdin, stdout and stderr on a terminal of its own that is its controlling one."""

    def __init__(self, tl, *words, rows=24, columns=120, **options):
        self.screen = b""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.mode_found = self.mode()  # before the program has done anything

        def take_terminal():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        variables = {**tl.variables, "TERM": "xterm-256color"}
        options = {"stdin": slave, "stdout": slave, "stderr": slave, "env": variables, **options}
        self.program = tl.start(*words, preexec_fn=take_terminal, **options)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.program.poll() is None:
            self.program.kill()
        self.program.wait()
        os.close(self._master)

    def press(self, keys):
        os.write(self._master, keys)

    def resize(self, rows, columns):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def mode(self):
        """What the programs on it have made of the terminal (termios.tcgetattr)."""
        return termios.tcgetattr(self._master)

    def paste(self, text):
        """As fast as it is taken, while the screen is read."""
        os.set_blocking(self._master, False)
        while text:
            readable, writable, _ = select.select([self._master], [self._master], [], GENEROUS)
            if readable:
                self._read(0)
            if writable:
                try:
                    text = text[os.write(self._master, text[:4096]) :]
                except BlockingIOError:
                    pass
        os.set_blocking(self._master, True)

    def wait_for(self, text, seconds=GENEROUS):
        """Reads until the text is on the screen."""
        deadline = time.monotonic() + seconds
        while text not in self.screen:
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"{text!r} does not appear; the screen shows {self.screen!r}")

    def finish(self, seconds=GENEROUS):
        """Reads to the end; the exit code."""
        deadline = time.monotonic() + seconds
        while self._read(deadline - time.monotonic()):
            pass
        try:
            return self.program.wait(max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end; the screen shows {self.screen!r}") from None

    def _read(self, seconds):
        """False at the end of the program's output or of the time."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, seconds))
        if not ready:
            return False
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # EIO: the last descriptor of the other side is closed
            return False
        self.screen += piece
        return bool(piece)
