# SPDX-License-Identifier: Apache-2.0
"""The end-to-end suite on the kvm machine, on whatever machine this is: suite.py SECONDS [FILE…]

Two files at a time. A file's output is shown when it fails. What is not begun or done after SECONDS fails: the suite
is bounded, and says so.

In the lab a file that fails is run once more, alone, and what happened is said: emulating two processors, QEMU now and
then lets the lab's own kernel stand still for half a minute, whatever runs in it."""

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
TAIL = 6000  # bytes of a failed file's output


def files():
    """Names, those that run alone last."""
    for line in (TESTS / "e2e/files.txt").read_text().splitlines():
        words = line.split()
        if words and not line.startswith("#") and "here" not in words:
            yield words[0], "alone" in words


class Suite:
    def __init__(self, seconds):
        self.ends = time.monotonic() + seconds
        self.failed = []
        self.again = []
        self.lock = threading.Lock()

    def run(self, name):
        left = self.ends - time.monotonic()
        if left < 5:
            return self.report(name, "not begun: the time is over", b"")
        variables = os.environ | {
            "PYTHONPATH": str(TESTS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TL_E2E_TL": str(TREE / "build/release/bin/tl"),
            "TL_E2E_ACCEL": "kvm",
            "TL_E2E_SECONDS": str(int(left)),
            "CI": "true",
        }
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, TESTS / "e2e" / f"{name}.py"],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        took = f"{time.monotonic() - started:.0f} s"
        skips = [line for line in done.stdout.decode(errors="replace").splitlines() if line.startswith("SKIPPED")]
        if done.returncode == 0:
            return self.report(name, None, b"", f"passed {took}", skips)
        if "TL_LAB" in os.environ and done.returncode != SKIPPED and name not in self.again:
            with self.lock:
                self.again.append(name)
                print(done.stdout[-TAIL:].decode(errors="replace"))
                print(f"failed with {done.returncode} after {took}: once more at the end  {name}", flush=True)
            return None
        if done.returncode == SKIPPED:
            return self.report(name, None, b"", f"skipped {took}", skips)
        return self.report(name, f"failed with {done.returncode} after {took}", done.stdout[-TAIL:])

    def report(self, name, failure, output, success="", notes=()):
        with self.lock:
            if failure:
                self.failed.append(name)
                print(output.decode(errors="replace"))
            print(f"{failure or success:>16}  {name}", flush=True)
            for note in notes:
                print(f"{'':18}{note}", flush=True)


def main():
    suite = Suite(int(sys.argv[1]))
    chosen = [(name, alone) for name, alone in files() if not sys.argv[2:] or name in sys.argv[2:]]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(suite.run, [name for name, alone in chosen if not alone]))
    for name, alone in chosen:
        if alone:
            suite.run(name)
    for name in list(suite.again):
        suite.run(name)
    print(f"{len(chosen) - len(suite.failed)} of {len(chosen)} files passed on the kvm machine", flush=True)
    sys.exit(1 if suite.failed else 0)


main()
