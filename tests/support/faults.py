# SPDX-License-Identifier: Apache-2.0
"""Processes that are killed, or held, at a chosen step. A step is a system call that changes what is on disk or what
others see. strace counts those of one name in each thread, and has the signal arrive with the call: so a step is a name
and a number, ("fsync", 3)."""

import collections
import contextlib
import os
import pathlib
import shutil
import signal as signals
import subprocess

from support import environment, processes

# What goes into a disk or a memory (pwrite, pwritev, fallocate) is none: such calls are many, one like the other, and what
# they wrote counts only with the call after them.
STEPS = (
    "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat,mkdir,mkdirat,rmdir,"
    "ftruncate,write,sendto"
)
_ATTACHING = 60  # seconds, at most
_ENDING = 2


def require_tracing():
    environment.require_built(shutil.which("strace"), "there is no strace")
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.PIPE, check=False)
    environment.require_host(tried.returncode == 0, f"strace may not trace here: {tried.stderr[-200:]!r}")


def _strace(log, signal, step):
    """Of a process and its threads, not of what it executes: that is let go of at once."""
    words = ["strace", "-f", "-b", "execve", "-q", "-o", log, "-e", "signal=SIGKILL", "-e", f"trace={STEPS}"]
    return [*words, "-e", "inject={}:signal={}:when={}".format(step[0], signal, step[1])] if step else words


def _status(pid, field):
    """The first word of a field of /proc/PID/status; of a process that is gone, nothing."""
    for line in processes.status_lines(pid):
        name, _, value = line.partition(":")
        if name == field:
            return value.split()[0]
    return ""


def _is_traced(pid):
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return True  # gone: nothing is left to wait for
    return all(_status(f"{pid}/task/{thread}", "TracerPid") not in ("", "0") for thread in threads)


def _end(tracer):
    """In order, so that its log is whole. It does not end with a tracee that is stopped: then at once, and that stays so."""
    tracer.terminate()
    try:
        tracer.wait(_ENDING)
    except subprocess.TimeoutExpired:
        tracer.kill()
        tracer.wait()


def _attach(pid, words):
    tracer = subprocess.Popen([*words, "-p", str(pid)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        processes.wait_until(
            lambda: tracer.poll() is not None or _is_traced(pid), _ATTACHING, f"strace has attached to {pid}"
        )
    except AssertionError:
        _end(tracer)
        raise
    return tracer


@contextlib.contextmanager
def attached(pid, step, log, signal="SIGKILL"):
    """While this lasts, the step of a thread of the running process brings it the signal. The log has the steps."""
    tracer = _attach(pid, _strace(log, signal, step))
    try:
        yield
    finally:
        _end(tracer)


def of_command(step, log):
    """The same for a command: what to put before it. -D: it is not strace's child, and strace ends with it."""
    return [*_strace(log, "SIGKILL", step), "-D"]


def is_stopped(pid):
    return _status(pid, "State") in ("T", "t")


# What to put before a command whose monitor is to stand still at the beginning: its first act is to call itself so.
HOLDING_MONITOR = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=prctl", "-e", "inject=prctl:signal=SIGSTOP"]


def let_go(pid):
    """Ends the strace that holds a process, which stays stopped."""
    tracer = _status(pid, "TracerPid")
    if tracer not in ("", "0"):
        os.kill(int(tracer), signals.SIGKILL)
        processes.wait_until(lambda: _status(pid, "TracerPid") in ("", "0"), _ATTACHING, "strace is gone")


def killed_in(log):
    return "+++ killed by SIGKILL" in pathlib.Path(log).read_text(errors="replace")


def steps_in(log, most):
    """(Which steps to try, how many there are): of the thread that has most, at most so many, evenly spread. Another thread
    that comes to the same number of calls of that name before is killed there."""
    threads = collections.defaultdict(list)
    for line in pathlib.Path(log).read_text(errors="replace").splitlines():
        thread, _, call = line.partition(" ")
        if "(" in call and "resumed>" not in call:
            threads[thread].append(call.split("(")[0].strip())
    calls = max(threads.values(), key=len, default=[])
    steps = [(call, calls[: at + 1].count(call)) for at, call in enumerate(calls)]
    if len(steps) <= most:
        return steps, len(steps)
    return [steps[round(at * (len(steps) - 1) / (most - 1))] for at in range(most)], len(steps)
