# SPDX-License-Identifier: Apache-2.0
"""The end-to-end suite on the kvm machine, on whatever machine this is: suite.py SECONDS [--passed FILE,…] [FILE…]

unit_linux is one of the files: the unit tests of the kvm machine that need a real Linux, of the unit_machine that is built
beside tl.

Two files at a time, those first that are most about the machine. A file's output is shown when it fails. SECONDS are
shared with other machines' work: what is not done by then is listed as not run, and too much of that is a failure. What
passed before a machine stood still is named by --passed, and counts.

In the lab a file that fails is run once more, alone, and what happened is said: emulating two processors, QEMU now and
then lets the lab's own kernel stand still for half a minute, whatever runs in it, and interrupts a guest where it must
not (README.md). A guest that spins from then on would use up the time of all, so the first try gets half of what is left."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
TREE = TESTS.parent
SKIPPED = 77
LEAST = 6  # files that must have been run to their end
UNIT = "unit_linux"
UNIT_PROGRAM = TREE / "build/release/bin/unit_machine"
FIRST = (UNIT, "main_job", "ends", "exec_status", "guest", "lifecycle", "exec_streams", "exec_clients", "disk_full")
TAIL = 6000  # bytes of a failed file's output


def files():
    """Names, those that run alone last."""
    yield UNIT, False
    for line in (TESTS / "e2e/files.txt").read_text().splitlines():
        words = line.split()
        if words and not line.startswith("#") and "here" not in words:
            yield words[0], "alone" in words


def command(name, seconds):
    if name == UNIT:
        return ["timeout", str(seconds), UNIT_PROGRAM, "[linux]"]
    return [sys.executable, TESTS / "e2e" / f"{name}.py"]


def skips_of(output):
    return [line for line in output.decode(errors="replace").splitlines() if line.startswith(("SKIPPED", "skipped:"))]


class Suite:
    def __init__(self, seconds):
        self.ends = time.monotonic() + seconds
        self.failed = []
        self.again = []
        self.left_out = []
        self.lock = threading.Lock()

    def run(self, name):
        left = self.ends - time.monotonic()
        if left < 20:
            return self.leave_out(name)
        can_be_tried_again = "TL_LAB" in os.environ and name not in self.again
        seconds = int(left / 2 if can_be_tried_again else left)
        variables = os.environ | {
            "PYTHONPATH": str(TESTS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TL_E2E_TL": str(TREE / "build/release/bin/tl"),
            "TL_E2E_ACCEL": "kvm",
            "TL_TEST_KERNEL": str(TREE / "build/release/share/tl/kernel/vmlinux"),
            "TL_E2E_SECONDS": str(seconds),
            "CI": "true",
        }
        if name == UNIT and not UNIT_PROGRAM.exists():
            return self.report(name, None, b"", "skipped", [f"SKIPPED: there is no {UNIT_PROGRAM}"])
        started = time.monotonic()
        done = subprocess.run(
            command(name, seconds),
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if name == UNIT and done.returncode == 0 and skips_of(done.stdout):
            done.returncode = SKIPPED
        if done.returncode not in (0, SKIPPED) and time.monotonic() > self.ends:
            return self.leave_out(name)
        took = f"{time.monotonic() - started:.0f} s"
        skips = skips_of(done.stdout)
        if done.returncode == 0:
            return self.report(name, None, b"", f"passed {took}", skips)
        if can_be_tried_again and done.returncode != SKIPPED:
            with self.lock:
                self.again.append(name)
                print(done.stdout[-TAIL:].decode(errors="replace"))
                print(f"failed with {done.returncode} after {took}: once more at the end  {name}", flush=True)
            return None
        if done.returncode == SKIPPED:
            return self.report(name, None, b"", f"skipped {took}", skips)
        return self.report(name, f"failed with {done.returncode} after {took}", done.stdout[-TAIL:])

    def leave_out(self, name):
        with self.lock:
            self.left_out.append(name)
            print(f"{'NOT RUN':>16}  {name}: the time is over", flush=True)

    def report(self, name, failure, output, success="", notes=()):
        with self.lock:
            if failure:
                self.failed.append(name)
                print(output.decode(errors="replace"))
            print(f"{failure or success:>16}  {name}", flush=True)
            for note in notes:
                print(f"{'':18}{note}", flush=True)


def main():
    words = sys.argv[2:]
    passed = set()
    if words[:1] == ["--passed"]:
        passed, words = set(filter(None, words[1].split(","))), words[2:]
    suite = Suite(int(sys.argv[1]))
    wanted = [(name, alone) for name, alone in files() if not words or name in words]
    chosen = [(name, alone) for name, alone in wanted if name not in passed]
    chosen.sort(key=lambda file: file[0] not in FIRST)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(suite.run, [name for name, alone in chosen if not alone]))
    for name, alone in chosen:
        if alone:
            suite.run(name)
    for name in list(suite.again):
        suite.run(name)
    left_out = set(suite.left_out) - set(suite.failed)
    run = len(wanted) - len(left_out)
    print(f"{run - len(suite.failed)} of {len(wanted)} files passed on the kvm machine, {len(left_out)} not run", flush=True)
    sys.exit(1 if suite.failed or run < min(LEAST, len(wanted)) else 0)


main()
