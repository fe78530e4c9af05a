#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `./dev bench` prints: tl beside plain QEMU, measured in turn on the same machine in the same run.

TL names the tl to measure (default: the release build of this tree)."""

import argparse
import datetime
import functools
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
if "TL" in os.environ:
    os.environ.setdefault("TL_E2E_TL", os.environ["TL"])

from life_cycle import PUBLISHED, LifeCycle  # noqa: E402
from measure import Samples  # noqa: E402
from network_peer import NetworkPeer  # noqa: E402
from plain_qemu import PlainQemu  # noqa: E402
from rows import ROWS  # noqa: E402
from support import private_network, records  # noqa: E402
from support.tl import Tl  # noqa: E402


class Bench:
    """What the rows share, made when the first of them asks for it."""

    def __init__(self, stream_bytes):
        self.tl = Tl()
        self.variables = self.tl.variables
        self.stream_bytes = stream_bytes
        self._folder = tempfile.TemporaryDirectory(prefix="tl-bench-")
        self._homes = []

    @property
    def folder(self):
        return pathlib.Path(self._folder.name)

    def close(self):
        for tl in [*self._homes, self.tl]:
            tl.close()
        self._folder.cleanup()

    @functools.cached_property
    def sandbox(self):
        """A running one, with the loop program in it."""
        sandbox = self.tl.create("bench", "--no-template")
        program = pathlib.Path(self._folder.name, "spawn_loop")
        subprocess.run(["gcc", "-O2", "-static", "-o", program, HERE / "spawn_loop.c"], check=True)
        words = ("--user", "root", "-i", "--", "sh", "-c", "cat > /tmp/spawn_loop; chmod +x /tmp/spawn_loop")
        self.tl.ok("exec", sandbox, *words, stdin=program.read_bytes())
        return sandbox

    @functools.lru_cache  # noqa: B019, for there is one bench
    def copied_tree(self, what):
        """A folder with 1 GiB in one file, or with 10,000 files of 1 to 2,000 bytes."""
        tree = pathlib.Path(self._folder.name, f"copy-{what}", "tree")
        tree.mkdir(parents=True)
        for number in range(10_000) if what == "small" else ():
            (tree / str(number)).write_bytes(b"x" * (1 + number % 2000))
        if what == "big":
            with open(tree / "file", "wb") as file:
                for _ in range(1024):
                    file.write(os.urandom(1 << 20))
        return tree

    @functools.cached_property
    def monitor(self):
        assert self.sandbox
        (monitor,) = self.tl.monitors()
        return monitor

    @functools.cached_property
    def plain(self):
        assert self.sandbox
        (emulator,) = self.tl.emulators()
        return PlainQemu(self._folder.name, emulator, self.stream_bytes)

    @functools.cached_property
    def peer(self):
        private_network.require()
        private_network.world()
        return NetworkPeer()

    @functools.cached_property
    def life_cycle_home(self):
        tl = Tl()
        self._homes.append(tl)
        return tl

    def exec_words(self, *command):
        return [self.tl.binary, "sbx", "exec", self.sandbox, "--user", "root", "--", *command]

    def inside(self, *command):
        return self.tl.ok("exec", self.sandbox, "--user", "root", "--", *command).text

    @functools.cached_property
    def crowded_home(self):
        """A state folder with ten thousand records."""
        tl = Tl()
        self._homes.append(tl)
        first = tl.create("--no-wait")
        tl.ok("terminate", first)
        tl.wait_for_silence()
        records.multiply(tl.home, first, 9_999)
        # Nobody changes ten thousand records within a second, and what is that new the index leaves out.
        time.sleep(1.5)
        return tl.home


def measure(row, rounds):
    """The samples of both sides, taken in turn after one round that does not count."""
    row.prepare()
    row.measure()
    ours, theirs = [], []
    for _ in range(min(rounds, row.most_rounds or rounds)):
        ours.append(row.measure())
        value = row.reference()
        if value is not None:
            theirs.append(value)
    return Samples(ours), Samples(theirs)


def show(row, ours, theirs):
    figure = row.figure(ours.median, theirs.median if theirs else None)
    verdict = row.within(figure)
    report = {
        "row": row.name,
        "title": row.title,
        "unit": row.unit,
        "ours": ours.report(),
        "reference": theirs.report() if theirs else None,
        "figure": figure,
        "bound": row.bound,
        "pass": verdict,
    }
    compared = ""
    if theirs:
        ratio = ours.median / theirs.median
        compared = f"{theirs.median:9.2f} {theirs.low:9.2f} {theirs.p90:9.2f} {ratio:7.2f}"
    show_line(row.title, row.unit, ours, compared, figure, row.bound or "stated", verdict)
    return report


def show_line(title, unit, ours, compared, figure, bound, verdict):
    said = {True: "PASS", False: "FAIL", None: "-"}[verdict]
    print(
        f"{title:<48} {unit:<5} {ours.median:9.2f} {ours.low:9.2f} {ours.p90:9.2f} "
        f"{compared:<37} {figure:9.2f} {bound:<10} {said}",
        flush=True,
    )


def show_life_cycle(bench, parts, rounds):
    """Rows with nothing of plain QEMU's beside them; some have more than one line."""
    for line in LifeCycle(bench.life_cycle_home, rounds).run(parts):
        median = line.samples.median
        show_line(line.title, line.unit, line.samples, "", median, line.bound, line.holds)
        yield {
            "title": line.title,
            "unit": line.unit,
            "ours": line.samples.report(),
            "figure": median,
            "bound": line.bound,
            "pass": line.holds,
        }


def facts(bench):
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    qemu = subprocess.run(["qemu-system-x86_64", "--version"], stdout=subprocess.PIPE, text=True, check=True)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "tl": bench.tl.ok("tl", "--version").text,
        "qemu": qemu.stdout.splitlines()[0],
        "kernel": platform.release(),
        "processor": model,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    names = [row.name for row in ROWS] + list(LifeCycle.PARTS)
    parser.add_argument("--rows", "--parts", help=f"only these, with commas between: {','.join(names)}")
    parser.add_argument("--rounds", type=int, default=10, help="how often each side is measured (default 10)")
    parser.add_argument("--stream-mib", type=int, default=1024, help="length of the output row's stream")
    parser.add_argument("--json", metavar="FILE", help="write the report to FILE")
    chosen = parser.parse_args()
    wanted = chosen.rows.split(",") if chosen.rows else names
    unknown = set(wanted) - set(names)
    if unknown or chosen.rounds < 1:
        parser.error(f"no such row: {', '.join(sorted(unknown))}" if unknown else "at least one round")
    return chosen, [row for row in ROWS if row.name in wanted], [part for part in LifeCycle.PARTS if part in wanted]


def main():
    chosen, rows, parts = options()
    private_network.enter()  # for the rows about it
    if private_network.is_there():
        private_network.world()  # a new one has not even a loopback device
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("broken off"))  # so that what follows is cleaned up
    bench = Bench(chosen.stream_mib << 20)
    try:
        report = {"host": facts(bench), "rounds": chosen.rounds, "rows": []}
        for name, value in report["host"].items():
            print(f"{name + ':':<11}{value}")
        if report["host"]["load"] > 0.5:
            print("note: the machine is not idle; figures are higher than they should be", file=sys.stderr)
        print(f"\n{'':<48} {'':<5} {'tl':>9} {'':>9} {'':>9} {'plain QEMU':>10}")
        head = f"{'median':>9} {'min':>9} {'p90':>9}"
        print(f"{'row':<48} {'unit':<5} {head} {head} {'ratio':>7} {'figure':>9} {'bound':<10}")
        for row in rows:
            row = row(bench)
            report["rows"].append(show(row, *measure(row, chosen.rounds)))
        report["rows"].extend(show_life_cycle(bench, parts, chosen.rounds))
        if parts:
            print(f"\n{PUBLISHED}")
    finally:
        bench.close()
    if chosen.json:
        pathlib.Path(chosen.json).write_text(json.dumps(report, indent=2) + "\n")
    sys.exit(1 if any(row["pass"] is False for row in report["rows"]) else 0)


if __name__ == "__main__":
    main()
