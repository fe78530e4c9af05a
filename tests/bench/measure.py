# SPDX-License-Identifier: Apache-2.0
"""Timing of other programs with little of our own in it, and what samples say."""

import os
import pathlib
import statistics
import time


class Spawned:
    """One run of a program: seconds from its start to its end, and the CPU seconds it used."""

    def __init__(self, words, variables):
        quiet = os.open(os.devnull, os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, quiet, fd) for fd in (0, 1)]
        words = [os.fsencode(word) for word in words]
        began = time.perf_counter()
        pid = os.posix_spawn(words[0], words, variables, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        self.seconds = time.perf_counter() - began
        os.close(quiet)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.code = os.waitstatus_to_exitcode(status)
        if self.code != 0:
            raise RuntimeError(f"{' '.join(words)} ended with {self.code}")


def cpu_seconds(pid):
    """What a living process, all its threads together, has used."""
    threads = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[0]) for path in threads) / 1e9


class Samples:
    def __init__(self, values):
        self.values = list(values)

    def __bool__(self):
        return bool(self.values)

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def low(self):
        return min(self.values)

    @property
    def p90(self):
        """The value that nine of ten do not exceed."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, -(-9 * len(ordered) // 10) - 1)]

    def report(self):
        return {"median": self.median, "min": self.low, "p90": self.p90, "values": self.values}
