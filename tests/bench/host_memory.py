# SPDX-License-Identifier: Apache-2.0
"""What sandboxes cost their host: memory that is theirs alone, and bytes that their monitors write."""

import mmap
import os
import pathlib
import re
import time

MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ ")
GUEST_KIB = 512 << 10  # less than any guest has; mappings as large as that are nothing else


def _mappings(pid):
    """(path, fields in KiB) of each mapping of a process."""
    path, fields = "", {}
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text(errors="replace").splitlines():
        if MAPPING.match(line):
            if fields:
                yield path, fields
            path, fields = (line.split(maxsplit=5) + [""])[5], {}
        elif line.endswith(" kB"):
            name, _, value = line.partition(":")
            fields[name] = int(value.split()[0])
    if fields:
        yield path, fields


def resident_guest_bytes(processes):
    """How much of a guest's memory has been touched, whichever of its processes maps it."""
    mapped = (fields for process in processes for _, fields in _mappings(process.pid))
    return max(fields["Rss"] for fields in mapped if fields["Size"] >= GUEST_KIB) << 10


def touch(length):
    """Has this machine so much memory at hand. One that is virtual gets what it has not used for a while from its own
    host, four times as slowly as what it has, and would do so in the middle of what is measured."""
    step = bytes(1 << 20)
    with mmap.mmap(-1, length) as memory:
        for at in range(0, length - len(step), len(step)):
            memory[at : at + len(step)] = step


def own_bytes(processes):
    """What would be free again without these processes: their proportional shares. A file in memory counts with all that
    it has, once, because who fills it by writing need not map it."""
    shares, files = 0, {}
    for process in processes:
        shares += sum(fields["Pss"] for path, fields in _mappings(process.pid) if not path.startswith("/memfd:"))
        for entry in os.scandir(f"/proc/{process.pid}/fd"):
            if os.readlink(entry.path).startswith("/memfd:"):
                status = os.stat(entry.path)
                files[status.st_ino] = status.st_blocks * 512
    return (shares << 10) + sum(files.values())


class Written:
    """Bytes that a process passed to write(2) and its kin, on the kernel's word, from now on until it has ended."""

    def __init__(self, pid):
        self._file = open(f"/proc/{pid}/io", "rb", buffering=0)
        self._before = self._now()

    def _now(self):
        self._file.seek(0)
        return int(re.search(rb"wchar: (\d+)", self._file.read())[1])

    def until_end(self, client):
        """`client`: the command that ends the process. What comes last are syncs, so nothing of weight is missed."""
        last = self._before
        while client.poll() is None:
            try:
                last = self._now()
            except (ProcessLookupError, TypeError):  # it is gone
                break
            time.sleep(0.002)
        self._file.close()
        return last - self._before
