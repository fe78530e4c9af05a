# SPDX-License-Identifier: Apache-2.0
"""The processes that have to do with a folder, found in /proc whoever started them."""

import dataclasses
import os
import pathlib
import signal
import time


@dataclasses.dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    program: str  # base name of the executable
    command: tuple  # its words, as bytes

    def __repr__(self):
        return f"{self.program} ({self.pid}, child of {self.parent})"

    def is_emulator(self):
        """QEMU, or one that was kept in a template."""
        return self.program.startswith("qemu-system") or self.program == "emulator"

    def resident_kib(self):
        return _status_kib(self.pid, "VmRSS:")

    def own_kib(self, guest_mib=1024):
        """What is resident, a guest's memory left out. That is one range, of anonymous memory and of files (its
        kernel, what it was restored from): mappings side by side that together are exactly as long."""
        mappings = []  # begin, end, resident KiB
        for line in _read(self.pid, "smaps").decode(errors="replace").splitlines():
            words = line.split()
            if not words[0].endswith(":"):
                begin, end = (int(address, 16) for address in words[0].split("-"))
            elif words[0] == "Rss:":
                mappings.append((begin, end, int(words[1])))
        ends = {}  # of ranges without a gap that begin at each mapping
        for begin, end, _ in reversed(mappings):
            ends[begin] = {end} | ends.get(end, set())
        guests = [begin for begin in ends if begin + (guest_mib << 20) in ends[begin]]
        return sum(
            resident
            for begin, _, resident in mappings
            if not any(guest <= begin < guest + (guest_mib << 20) for guest in guests)
        )

    def peak_kib(self):
        return _status_kib(self.pid, "VmHWM:")

    def waits(self):
        """Of each thread: its name, state, where in the kernel it is, and its system call."""
        try:
            threads = sorted(os.listdir(f"/proc/{self.pid}/task"))
        except OSError:
            return
        for thread in threads:
            of = f"{self.pid}/task/{thread}"
            state = _read(of, "stat").rpartition(b")")[2].split()[:1]
            words = [_read(of, "comm").strip(), *state, _read(of, "wchan"), _read(of, "syscall").strip()]
            yield " ".join(word.decode(errors="replace") for word in words)

    def kill(self, number=signal.SIGKILL):
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass


def status_lines(pid):
    """Of /proc/PID/status; none of a process that is gone. PID may be "PID/task/THREAD"."""
    return _read(pid, "status").decode(errors="replace").splitlines()


def _status_kib(pid, field):
    for line in status_lines(pid):
        if line.startswith(field):
            return int(line.split()[1])
    return 0


def _read(pid, name):
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _open_files(pid):
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(f"{folder}/{name}")
        except OSError:
            pass


def _belongs(pid, folder):
    """By environment, arguments or open files: a process that dropped one of them still shows in another."""
    inside = os.fsencode(folder) + b"/"
    if any(word.partition(b"=")[2].startswith(inside) for word in _read(pid, "environ").split(b"\0")):
        return True
    if inside in _read(pid, "cmdline"):
        return True
    return any(path.startswith(f"{folder}/") for path in _open_files(pid))


def of_folder(folder):
    """All live processes that have to do with the folder, this one excepted. Zombies are not alive."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid() or not _belongs(int(entry), folder):
            continue
        fields = _read(entry, "stat").rpartition(b")")[2].split()
        if not fields or fields[0] in (b"Z", b"X"):
            continue
        try:
            program = os.path.basename(os.readlink(f"/proc/{entry}/exe")).removesuffix(" (deleted)")
        except OSError:
            continue
        command = tuple(_read(entry, "cmdline").rstrip(b"\0").split(b"\0"))
        found.append(Process(int(entry), int(fields[1]), program, command))
    return found


def wait_until(condition, seconds, what):
    """The first true value of the condition; an AssertionError that names it when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)
