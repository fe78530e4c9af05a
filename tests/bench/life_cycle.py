# SPDX-License-Identifier: Apache-2.0
"""The rows about a sandbox's life: templates, suspend and resume, memory checkpoints, and what comes of them. The same
for both machines, with bounds of their own."""

import dataclasses
import re
import statistics
import time

import host_memory
from host_memory import Written, own_bytes, resident_guest_bytes
from measure import Samples
from support import environment
from support.processes import wait_until

LIMIT = 180  # seconds for what the host does in a moment when it has one
COPIES = 20
MIB = 1 << 20

# Holds MIBS of random bytes, and writes new ones into the first 100 of them each time it is told to.
HOLDER = """
import os, signal, sys
held = bytearray(int(sys.argv[1]) << 20)
def fill(mibs):
    for at in range(0, mibs << 20, 1 << 20):
        held[at:at + (1 << 20)] = os.urandom(1 << 20)
def say(turn):
    with open("/tmp/said.new", "w") as said:
        said.write(str(turn))
    os.rename("/tmp/said.new", "/tmp/said")
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
fill(len(held) >> 20)
turn = 0
while True:
    say(turn)
    signal.sigwait([signal.SIGUSR1])
    fill(100)
    turn += 1
"""

PUBLISHED = """\
Published by others, each for its own hardware, and no bound here: Firecracker restores a microVM in 3 to 9 ms; E2B pauses in
4 s for each GiB and resumes in 1 s; forkd makes 100 forks in 101 ms."""


@dataclasses.dataclass(frozen=True)
class Line:
    """One of the table: `beside` may be missing, `holds` is None where a figure is only stated."""

    title: str
    unit: str
    samples: Samples
    beside: float | None = None
    bound: str = "stated"
    holds: bool | None = None


def stated(title, unit, values):
    return Line(title, unit, Samples(values))


def bounded(title, unit, value, most, bound=None):
    return Line(title, unit, Samples([value]), None, bound or f"<= {most:g}", value <= most)


def milliseconds(action):
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1e3


class LifeCycle:
    """`tl` has a state folder of its own, in which nobody else works."""

    PARTS = ("template", "suspend", "written", "checkpoint", "copies")

    def __init__(self, tl, rounds):
        self.tl = tl
        self.rounds = rounds
        self.kvm = environment.ACCEL == "kvm"

    def run(self, parts):
        """The lines of the parts, each as soon as it is known."""
        for part in parts:
            yield from getattr(self, part)()

    # What the rows share

    def holder(self, name, mibs):
        """A sandbox in which a program holds so many MiB."""
        sandbox = self.tl.ok("create", name, "--accel", environment.ACCEL, "--no-template", "--json").json["sandbox_id"]
        self.tl.ok("exec", sandbox, "--user", "root", "-i", "--", "tee", "/tmp/hold.py", stdin=HOLDER.encode())
        self.tl.shell(sandbox, f"nohup python3 /tmp/hold.py {mibs} >/tmp/hold.log 2>&1 & echo $! >/tmp/hold.pid")
        self.wait_for_turn(sandbox, 0)
        return sandbox

    def wait_for_turn(self, sandbox, turn):
        script = f'until [ "$(cat /tmp/said 2>/dev/null)" = {turn} ]; do kill -0 $(cat /tmp/hold.pid) || exit 1; sleep 0.1; done'
        self.tl.shell(sandbox, f"{script}; sync")

    def rewrite(self, sandbox, turn):
        self.tl.shell(sandbox, "kill -USR1 $(cat /tmp/hold.pid)")
        self.wait_for_turn(sandbox, turn)

    def work(self, sandbox):
        return self.tl.home / "work" / sandbox

    def end(self, *sandboxes):
        self.tl.ok("terminate", *sandboxes)

    # The rows

    def template(self):
        def times(*flags):
            began = time.perf_counter()
            sandbox = self.tl.create(*flags)
            created = time.perf_counter()
            self.tl.ok("exec", sandbox, "--", "true")
            answered = time.perf_counter()
            self.end(sandbox)
            return (answered - began) * 1e3, (created - began) * 1e3

        maker = self.tl.create()  # the first one leaves its template behind
        manifests = self.tl.home / "templates"
        wait_until(lambda: list(manifests.glob("*/manifest.json")), LIMIT, "a template is there")
        self.end(maker)
        (manifest,) = manifests.glob("*/manifest.json")
        cold, warm = [], []
        for turn in range(self.rounds + 1):
            used = manifest.stat().st_mtime_ns
            samples = times("--no-template"), times()
            if manifest.stat().st_mtime_ns == used:
                raise RuntimeError("no template was used")
            if turn > 0:  # the first fills caches
                cold.append(samples[0])
                warm.append(samples[1])
        (whole_cold, create_cold), (whole, create) = (list(zip(*samples)) for samples in (cold, warm))
        yield stated("create --no-template", "ms", create_cold)
        yield stated("the same to the first exec's answer", "ms", whole_cold)
        yield stated("create from a template", "ms", create)
        median, most = statistics.median(whole), None if self.kvm else 150
        bound, holds = (f"<= {most}", median <= most) if most else ("stated", None)
        yield Line("the same to the first exec's answer", "ms", Samples(whole), None, bound, holds)
        share = median / statistics.median(whole_cold)
        yield bounded("with a template in shares of without", "x", share, 0.1 if self.kvm else 0.2)

    def suspend(self):
        """The 100 MB have all been written anew before each suspend."""
        sandbox = self.holder("bench-suspend", 100)
        suspends, resumes = [], []
        for turn in range(self.rounds + 1):
            if turn > 0:
                self.rewrite(sandbox, turn)
            samples = [milliseconds(lambda verb=verb: self.tl.ok(verb, sandbox)) for verb in ("suspend", "resume")]
            if turn > 0:  # the first writes all that the guest has
                suspends.append(samples[0])
                resumes.append(samples[1])
        self.end(sandbox)
        yield stated("suspend, 1 GiB with 100 MB touched", "ms", suspends)
        yield stated("resume of the same", "ms", resumes)
        both = Samples(map(sum, zip(suspends, resumes)))
        yield Line("both together", "ms", both, None, "stated" if self.kvm else "< 500", None if self.kvm else both.median < 500)

    def written(self):
        sandbox = self.holder("bench-written", 200)
        touched = resident_guest_bytes(self.tl.processes())
        self.tl.ok("suspend", sandbox)
        taken = (self.work(sandbox) / "machine/memory").stat().st_blocks * 512
        yield stated("the guest's touched memory", "MB", [touched / 1e6])
        yield bounded("disk taken by a first suspend, in shares of it", "x", taken / touched, 1.1)
        self.tl.ok("resume", sandbox)
        self.rewrite(sandbox, 1)
        (monitor,) = self.tl.monitors()
        written = Written(monitor.pid)
        client = self.tl.start("suspend", sandbox)
        count = written.until_end(client)
        outcome = self.tl.finish(client)
        if outcome.code != 0:
            raise RuntimeError(str(outcome))
        self.end(sandbox)
        yield stated("written when 100 of 200 MiB were rewritten", "MiB", [count / MIB])
        yield bounded("the same in shares of the 100 MiB", "x", count / (100 * MIB), 1.1)

    def checkpoint(self):
        sandbox = self.holder("bench-checkpoint", 100)
        took = []
        for _ in range(self.rounds):
            began = time.perf_counter()
            snapshot = self.tl.ok("checkpoint", "--checkpoint-type", "memory", sandbox).text
            took.append((time.perf_counter() - began) * 1e3)
            self.tl.ok("checkpoint", "rm", snapshot)
        log = (self.work(sandbox) / "monitor.log").read_text()
        still = re.findall(r"checkpoint of the machine: the guest stood still for (\d+) ms", log)
        self.end(sandbox)
        yield stated("memory checkpoint, 100 MB touched", "ms", took)
        yield stated("the guest stood still in it", "ms", map(int, still))

    def copies(self):
        source = self.holder("bench-copies", 100)
        snapshot = self.tl.ok("checkpoint", "--checkpoint-type", "memory", source).text
        self.end(source)
        self.tl.wait_for_silence()
        copies, took, taken = [], [], {}

        def copy_until(count):
            while len(copies) < count:
                began = time.perf_counter()
                copies.append(self.tl.ok("create", "--snapshot", snapshot).text)
                took.append((time.perf_counter() - began) * 1e3)
            taken[count] = self.settled()

        copy_until(1)
        host_memory.touch((COPIES - 1) * taken[1])
        for count in (5, COPIES - 5, COPIES):
            copy_until(count)
        self.end(*copies)
        self.tl.ok("checkpoint", "rm", snapshot)
        first = [(taken[5] - taken[1]) / 4 / 1e6]
        last = [(taken[COPIES] - taken[COPIES - 5]) / 5 / 1e6]
        for title, unit, most, earlier, later in (
            ("create --snapshot, a warm copy", "ms", 1.5, took[:5], took[-5:]),
            ("memory for one copy more", "MB", 1.3, first, last),
        ):
            yield stated(f"{title}: first 5", unit, earlier)
            yield stated(f"{title}: last 5 of {COPIES}", unit, later)
            share = statistics.median(later) / statistics.median(earlier)
            yield bounded("the last in shares of the first", "x", share, most)

    def settled(self):
        """What all sandboxes take, none of them younger than some seconds, in which a guest that goes on wakes up for what
        it does now and then, and touches more of its memory. Without it the youngest would weigh less."""
        time.sleep(5)
        return own_bytes(self.tl.processes())
