# SPDX-License-Identifier: Apache-2.0
"""What a program does before the first guest instruction that it has run, as the host's kernel sees it (ftrace)."""

import dataclasses
import os
import pathlib
import re
import subprocess
import time

ENTRY_LIMIT = 120  # seconds within which any host gets a machine to its first instruction
FOLDER = pathlib.Path("/sys/kernel/debug/tracing")
EVENTS = ("kvm/kvm_entry", "raw_syscalls/sys_enter", "exceptions/page_fault_user", "sched/sched_process_exec")
LINE = re.compile(r"\s*(?P<name>.+)-(?P<pid>\d+)\s+\[\d+\]\s+\S+\s+(?P<time>[\d.]+): (?P<event>\w+):")


def is_there():
    return all((FOLDER / "events" / event / "enable").exists() for event in EVENTS)


@dataclasses.dataclass
class Start:
    seconds: float  # since the first program was executed
    seconds_of_last: float  # since the last one was, before the guest began
    seconds_of_guest: float  # from the guest's first instruction to the stop
    syscalls: int
    page_faults: int


def _set(name, value):
    (FOLDER / name).write_text(value)


def _entries(vcpu):
    """The lines in which a thread whose name begins so enters a guest."""
    for line in (FOLDER / "trace").read_text(errors="replace").splitlines():
        found = LINE.match(line)
        if found and found["event"] == "kvm_entry" and found["name"].strip().startswith(vcpu):
            yield found


def wait_for_end(process, vcpu):
    process.communicate()


def kill_when_entered(process, vcpu):
    """For a machine that never ends by itself."""
    deadline = time.monotonic() + ENTRY_LIMIT
    while not any(_entries(vcpu)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill()
    process.communicate()


def until_first_entry(words, variables, vcpu, stop):
    """Runs `words` until `stop(process, vcpu)` returns. `vcpu`: how the names of vCPU threads begin."""
    _set("tracing_on", "0")
    _set("buffer_size_kb", "16384")
    _set("options/overwrite", "0")  # when it is full the beginning stays, which is what we are here for
    _set("trace_clock", "mono")
    _set("trace", "")
    _set("options/event-fork", "1")
    for event in EVENTS:
        _set(f"events/{event}/enable", "1")

    def join():
        (FOLDER / "set_event_pid").write_text(str(os.getpid()))
        _set("tracing_on", "1")

    try:
        process = subprocess.Popen(
            words, env=variables, preexec_fn=join, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        stop(process, vcpu)
        stopped = time.monotonic()  # the trace's clock, too
    finally:
        _set("tracing_on", "0")
        for event in EVENTS:
            _set(f"events/{event}/enable", "0")
        _set("set_event_pid", "")
    began, last, syscalls, faults = None, None, 0, 0
    for line in (FOLDER / "trace").read_text(errors="replace").splitlines():
        found = LINE.match(line)
        if not found:
            continue
        event, now = found["event"], float(found["time"])
        if event == "sched_process_exec":
            began, last = began or now, now
        if began is None:
            continue
        if event == "kvm_entry" and found["name"].strip().startswith(vcpu):
            return Start(now - began, now - last, stopped - now, syscalls, faults)
        syscalls += event == "sys_enter"
        faults += event == "page_fault_user"
    raise RuntimeError("no guest was entered")
