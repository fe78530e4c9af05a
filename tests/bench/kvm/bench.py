#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The kvm machine beside QEMU with -enable-kvm, measured in turn on the same machine in the same run: `./dev bench
--kvm` runs it where /dev/kvm works, else in the lab."""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]
os.environ["TL_E2E_ACCEL"] = "kvm"

import qemu_on_kvm  # noqa: E402
import tracing  # noqa: E402
from life_cycle import PUBLISHED, LifeCycle  # noqa: E402
from measure import Samples, Spawned, cpu_seconds  # noqa: E402
from network_peer import TRANSFER_BYTES, NetworkPeer  # noqa: E402
from plain_qemu import cpio_newc  # noqa: E402
from support import environment, private_network, ssh_server  # noqa: E402
from support.tl import Tl  # noqa: E402

PROGRAMS = environment.TL.parent
# What a program does, counted: the same on every machine, so a regression shows.
COUNTS = json.loads((HERE / "counts.json").read_text())
EXITS = pathlib.Path("/sys/kernel/debug/kvm/exits")
UPTIME = "read up _ </proc/uptime; echo $up $EPOCHREALTIME"
KVM_COUNTS = ("exits", "io_exits", "mmio_exits", "halt_exits", "pf_taken", "irq_injections")
FIO = "--direct=1 --size=64M --filename=/bench.data --ioengine=psync --runtime=3 --time_based --output-format=terse"
COPIED_BYTES = 64 << 20
JOBS = {"4k randread": "randread 4k", "4k randwrite": "randwrite 4k", "1M read": "read 1M", "1M write": "write 1M"}


def row(title, unit, ours, theirs, bound, holds):
    """One line of the table; `theirs` may be missing."""
    compared = f"{theirs:10.2f} {ours / theirs:7.2f} x" if theirs else f"{'':20}"
    said = {True: "PASS", False: "FAIL", None: "stated"}[holds]
    print(f"{title:<46} {unit:<6} {ours:10.2f} {compared}  {bound:<22} {said}", flush=True)
    return holds is not False


def count(name, value):
    """One line of a count that has its bound in counts.json."""
    most = COUNTS[name]
    return row(name, "", value, None, f"<= {most}", value <= most)


class Bench:
    def __init__(self, rounds):
        self.rounds = rounds
        self.folder = tempfile.TemporaryDirectory(prefix="tl-bench-")
        self.ours = Tl()
        os.environ["PATH"] = qemu_on_kvm.install_wrapper(self.folder.name) + ":" + os.environ["PATH"]
        self.qemus = Tl()
        self.initramfs = None

    def close(self):
        self.ours.close()
        self.qemus.close()
        self.folder.cleanup()

    def plain(self):
        """QEMU with the kernel and the initramfs of a sandbox, and an init that says when it is there."""
        sandbox = self.qemus.ok("create", "--accel", "tcg", "--no-template").text
        (emulator,) = self.qemus.emulators()
        words = [os.fsdecode(word) for word in emulator.command]
        source = words[words.index("-initrd") + 1].replace("/proc/self/", f"/proc/{emulator.pid}/")
        packed = pathlib.Path(self.folder.name, "initramfs")
        with open(source, "rb") as theirs:
            theirs.seek(0)
            data = theirs.read()
        init = (PROGRAMS / "bench-reference-init").read_bytes()
        packed.write_bytes(data + b"\0" * (-len(data) % 4) + cpio_newc("reference-init", init))
        self.qemus.ok("terminate", sandbox)
        return qemu_on_kvm.PlainQemu(words[words.index("-kernel") + 1], str(packed))

    def boot(self):
        plain = self.plain()
        ours, theirs, ratios = [], [], []
        for turn in range(self.rounds + 1):
            began = time.monotonic()
            sandbox = self.ours.create("--no-template")
            ready, at = time.monotonic(), time.time()
            # The guest has the host's time, so it can tell how long it had been up when create came back.
            said = self.ours.ok("exec", sandbox, "--", "bash", "-c", UPTIME).text.split()
            up = float(said[0]) - (float(said[1]) - at)
            self.ours.ok("terminate", sandbox)
            reference = plain.seconds_to_init()
            if turn == 0:
                continue  # caches
            ours.append((ready - began) * 1e3)
            theirs.append(reference * 1e3)
            ratios.append((ready - began) / up)
        mine, other = Samples(ours), Samples(theirs)
        good = row("create, to agent ready | QEMU to its init", "ms", mine.median, other.median, "< 1 x", mine.median < other.median)
        ratio = statistics.median(ratios)
        return row("create | the guest's own uptime then", "x", ratio, None, "<= 1.15", ratio <= 1.15) and good

    def share(self):
        if not tracing.is_there():
            print("first KVM_RUN: this host's kernel has no ftrace", flush=True)
            return True
        plain = self.plain()
        words = [str(self.ours.binary), "sbx", "create", "--accel", "kvm", "--no-template"]
        mine, other = [], []
        for _ in range(5):
            mine.append(tracing.until_first_entry(words, self.ours.variables, "vcpu-", tracing.wait_for_end))
            self.ours.ok("terminate", *self.ours.sbx("ls", "-q").lines)
            stop = tracing.kill_when_entered
            other.append(tracing.until_first_entry(plain.words, self.ours.variables, "qemu-system", stop))
        # The guest's own uptime begins when a good part of its boot is over; this is from its first instruction on.
        ratio = statistics.median((start.seconds + start.seconds_of_guest) / start.seconds_of_guest for start in mine)
        row("create | the guest's life until then", "x", ratio, None, "", None)
        good = True
        for title, unit, scale, field in (
            ("exec to first KVM_RUN", "ms", 1e3, "seconds"),
            ("system calls until then", "", 1, "syscalls"),
            ("page faults until then", "", 1, "page_faults"),
        ):
            a, b = (statistics.median(getattr(start, field) for start in starts) * scale for starts in (mine, other))
            good = row(f"{title} | QEMU's", unit, a, b, "<= 0.25 x", a <= b / 4) and good
        for name, field in (("system calls", "syscalls"), ("page faults", "page_faults")):
            name += " until the first KVM_RUN"
            good = count(name, statistics.median(getattr(start, field) for start in mine)) and good
        return good

    def idle(self):
        sandbox = self.ours.create("--no-template")
        self.ours.shell(sandbox, "true")
        (monitor,) = self.ours.monitors()
        time.sleep(15)  # a kernel tidies up when it has come up
        exits, used = int(EXITS.read_text()), cpu_seconds(monitor.pid)
        time.sleep(30)
        per_second = (int(EXITS.read_text()) - exits) / 30
        share = (cpu_seconds(monitor.pid) - used) / 30 * 100
        beside = monitor.own_kib() / 1024
        self.ours.ok("terminate", sandbox)
        good = row("monitor's memory beside guest RAM, idle", "MiB", beside, None, "<= 5", beside <= 5)
        row("exits a second, idle", "", per_second, None, "", None)
        return row("CPU of an idle sandbox", "%", share, None, "< 1", share < 1) and good

    def counts(self):
        """By the names of /sys/kernel/debug/kvm."""
        self.ours.ok("terminate", self.ours.create("--no-template"))  # the first one also tries whether KVM runs guests
        before = {name: int((EXITS.parent / name).read_text()) for name in KVM_COUNTS}
        sandbox = self.ours.create("--no-template")
        found = {name: int((EXITS.parent / name).read_text()) - before[name] for name in KVM_COUNTS}
        self.ours.ok("terminate", sandbox)
        # Each nested fault is an exit too, and how many there are is the size of the host's pages.
        found["exits but pf_taken"] = found.pop("exits") - found["pf_taken"]
        return all([count(f"KVM's {name} until the agent is ready", value) for name, value in found.items()])

    def life_cycle(self, parts):
        good = True
        for line in LifeCycle(self.ours, self.rounds).run(parts):
            good = row(line.title, line.unit, line.samples.median, None, line.bound, line.holds) and good
        return good

    def vmm(self):
        """What the monitor does to restore a machine, without what was before it: the client, the links; beside what
        QEMU does to go on from one that it has saved."""
        if not tracing.is_there():
            print("restore to first KVM_RUN: this host's kernel has no ftrace", flush=True)
            return True
        source = self.ours.create("--no-template")
        snapshot = self.ours.ok("checkpoint", "--checkpoint-type", "memory", source).text
        self.ours.ok("terminate", source)
        words = [str(self.ours.binary), "sbx", "create", "--snapshot", snapshot]
        starts = []
        for _ in range(5):
            starts.append(tracing.until_first_entry(words, self.ours.variables, "vcpu-", tracing.wait_for_end))
            self.ours.ok("terminate", *self.ours.sbx("ls", "-q").lines)
        self.ours.ok("checkpoint", "rm", snapshot)
        saved, stop = qemu_on_kvm.SavedQemu(self.plain(), self.folder.name), tracing.kill_when_entered
        others = [tracing.until_first_entry(saved.words, self.ours.variables, "qemu-system", stop) for _ in range(5)]
        own = statistics.median(start.seconds_of_last for start in starts) * 1e3
        whole = statistics.median(start.seconds for start in starts) * 1e3
        other = statistics.median(start.seconds for start in others) * 1e3
        row("restore: exec of monitor to KVM_RUN | -incoming", "ms", own, other, "", None)
        row("restore: exec of client to KVM_RUN | -incoming", "ms", whole, other, "", None)
        return True

    def round_trip(self):
        pairs = []
        for tl, accelerator in ((self.ours, "kvm"), (self.qemus, "tcg")):
            sandbox = tl.ok("create", "--accel", accelerator, "--no-template").text
            words = ("exec", sandbox, "--user", "root", "-i", "--", "sh", "-c", "cat > /tmp/loop; chmod +x /tmp/loop")
            tl.ok(*words, stdin=(PROGRAMS / "bench-spawn-loop").read_bytes())
            pairs.append((tl, sandbox, [], []))
        for _ in range(self.rounds):
            for tl, sandbox, outside, inside in pairs:
                words = [tl.binary, "sbx", "exec", sandbox, "--user", "root", "--", "/bin/true"]
                outside.append(statistics.median(Spawned(words, tl.variables).seconds for _ in range(5)) * 1e3)
                inside.append(float(tl.ok(*words[2:-1], "/tmp/loop", "30", "/bin/true").text) / 1e3)
        mine, other = (statistics.median(outside) - statistics.median(inside) for _, _, outside, inside in pairs)
        good = row("exec true - fork+exec inside | on QEMU", "ms", mine, other, "<= 1 x", mine <= other)
        rates = []
        for tl, sandbox, _, _ in pairs:
            began = time.monotonic()
            tl.ok("exec", sandbox, "--", "head", "-c", str(64 << 20), "/dev/zero")
            rates.append((64 << 20) / (time.monotonic() - began) / 1e6)
            tl.ok("terminate", sandbox)
        row("exec output | on QEMU", "MB/s", rates[0], rates[1], "", None)
        return good

    def network(self):
        """The same program on both sides; the reference's network is QEMU's own."""
        private_network.require()
        private_network.world()
        peer, plain = NetworkPeer(), self.plain()
        sandbox = self.ours.create("--no-template")
        words = ("--user", "root", "-i", "--", "sh", "-c", "cat > /tmp/peer; chmod +x /tmp/peer")
        self.ours.ok("exec", sandbox, *words, stdin=(PROGRAMS / "bench-reference-init").read_bytes())
        good = True
        for direction, title in (("upload", "from inside to here"), ("download", "from here to inside")):
            mine, other = [], []
            for _ in range(3):
                client = self.ours.start("exec", sandbox, "--", "/tmp/peer", direction)
                mine.append(TRANSFER_BYTES / peer.seconds_of_next(direction) / 1e6)
                if (outcome := self.ours.finish(client)).code != 0:
                    raise RuntimeError(str(outcome))
                other.append(TRANSFER_BYTES / plain.transfer_seconds(peer, direction) / 1e6)
            a, b = statistics.median(mine), statistics.median(other)
            good = row(f"TCP {title} | -netdev user", "MB/s", a, b, ">= 1 x", a >= b) and good
        self.ours.ok("terminate", sandbox)
        return good

    def copy(self):
        """cp beside OpenSSH's scp into the same sandbox."""
        sandbox = self.ours.create("copied", "--no-template")
        ssh_server.install(self.ours, sandbox)
        folder = pathlib.Path(self.folder.name)
        (folder / "config").write_bytes(self.ours.ok("ssh", sandbox, "--config").out)
        (folder / "file").write_bytes(os.urandom(COPIED_BYTES))
        cp, scp = [self.ours.binary, "sbx", "cp"], ["scp", "-q", "-F", folder / "config"]
        variables = {**self.ours.variables, "HOME": self.folder.name}
        there = "copied:/tmp/file"  # for OpenSSH it has its name only
        for title, ends in (("in", (folder / "file", there)), ("out", (there, folder / "back"))):
            rates = ([], [])
            for _ in range(3):
                for rate, program in zip(rates, (cp, scp)):
                    began = time.monotonic()
                    subprocess.run([*program, *ends], env=variables, stdout=subprocess.DEVNULL, check=True)
                    rate.append(COPIED_BYTES / (time.monotonic() - began) / 1e6)
            row(f"cp of 64 MiB {title} | scp", "MB/s", *map(statistics.median, rates), "", None)
        self.ours.ok("terminate", sandbox)
        return True

    def block(self):
        """fio in a sandbox of each kind; QEMU has a plain file of the same contents."""
        raw = pathlib.Path(self.folder.name, "raw.img")
        image = next(path for path in (environment.SHARE / "images").rglob("*") if path.is_file() and path.stat().st_size > 1 << 30)
        subprocess.run(["cp", "--sparse=always", image, raw], check=True)
        os.truncate(raw, 102400 << 20)
        self.qemus.variables["BENCH_RAW_DISK"] = str(raw)
        results = []
        for tl, accelerator in ((self.ours, "kvm"), (self.qemus, "tcg")):
            sandbox = tl.ok("create", "--accel", accelerator, "--no-template").text
            tl.ok("exec", sandbox, "--user", "root", "-i", "--", "tar", "-x", "-C", "/", stdin=fio_with_libraries())
            tl.shell(sandbox, "dd if=/dev/zero of=/bench.data bs=1M count=64 conv=fsync 2>/dev/null")
            results.append((tl, sandbox, {job: [] for job in JOBS}))
        for _ in range(3):
            for tl, sandbox, rates in results:
                for job, words in JOBS.items():
                    kind, size = words.split()
                    script = f"LD_LIBRARY_PATH=/fio /fio/fio --name=x --rw={kind} --bs={size} {FIO}"
                    fields = tl.shell(sandbox, script).splitlines()[-1].split(";")
                    rates[job].append(float(fields[6 if "read" in kind else 47]) / 1e3)  # KiB/s
        good = True
        for job in JOBS:
            a, b = (statistics.median(rates[job]) for _, _, rates in results)
            good = row(f"fio {job} | QEMU on a raw file", "MB/s", a, b, ">= 1 x", a >= b) and good
        for tl, sandbox, _ in results:
            tl.ok("terminate", sandbox)
        return good


def fio_with_libraries():
    """A tar archive with /fio/fio and what it is linked with."""
    program = shutil.which("fio")
    libraries = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    paths = [word for line in libraries.splitlines() for word in line.split() if word.startswith("/")]
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder, "fio")
        target.mkdir()
        for path in [program, *paths]:
            shutil.copy(path, target)
        return subprocess.run(["tar", "-c", "-C", folder, "fio"], stdout=subprocess.PIPE, check=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("boot", "share", "counts", "idle", "round_trip", "network", "copy", "block", "vmm", *LifeCycle.PARTS)
    parser.add_argument("--parts", default=",".join(parts), help="of: " + ", ".join(parts))
    parser.add_argument("--rounds", type=int, default=10)
    chosen = parser.parse_args()
    private_network.enter()  # for the rows about it; the others have no use for any
    bench = Bench(chosen.rounds)
    print(f"{'row':<46} {'unit':<6} {'tl':>10} {'QEMU':>10} {'ratio':>9}  bound", flush=True)
    try:
        wanted = chosen.parts.split(",")
        good = [getattr(bench, part)() for part in wanted if part not in LifeCycle.PARTS]
        if lives := [part for part in wanted if part in LifeCycle.PARTS]:
            good.append(bench.life_cycle(lives))
            print(f"\n{PUBLISHED}")
    finally:
        bench.close()
    sys.exit(0 if all(good) else 1)


main()
