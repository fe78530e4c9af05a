# SPDX-License-Identifier: Apache-2.0
"""What a program does before the first guest instruction that it has run, as the host's kernel sees it (ftrace)."""

import dataclasses
import os
import pathlib
import re
import subprocess

FOLDER = pathlib.Path("/sys/kernel/debug/tracing")
EVENTS = ("kvm/kvm_entry", "raw_syscalls/sys_enter", "exceptions/page_fault_user", "sched/sched_process_exec")
LINE = re.compile(r"\s*(?P<name>.+)-(?P<pid>\d+)\s+\[\d+\]\s+\S+\s+(?P<time>[\d.]+): (?P<event>\w+):")


def is_there():
    return all((FOLDER / "events" / event / "enable").exists() for event in EVENTS)


@dataclasses.dataclass
class Start:
    seconds: float
    syscalls: int
    page_faults: int


def _set(name, value):
    (FOLDER / name).write_text(value)


def until_first_entry(words, variables, vcpu, stop):
    """Runs `words` until `stop(process)` returns. `vcpu`: how the names of vCPU threads begin."""
    _set("tracing_on", "0")
    _set("buffer_size_kb", "16384")
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
        stop(process)
    finally:
        _set("tracing_on", "0")
        for event in EVENTS:
            _set(f"events/{event}/enable", "0")
        _set("set_event_pid", "")
    began, syscalls, faults = None, 0, 0
    for line in (FOLDER / "trace").read_text(errors="replace").splitlines():
        found = LINE.match(line)
        if not found:
            continue
        event, now = found["event"], float(found["time"])
        if event == "sched_process_exec" and began is None:
            began = now
        if began is None:
            continue
        if event == "kvm_entry" and found["name"].strip().startswith(vcpu):
            return Start(now - began, syscalls, faults)
        syscalls += event == "sys_enter"
        faults += event == "page_fault_user"
    raise RuntimeError("no guest was entered")
