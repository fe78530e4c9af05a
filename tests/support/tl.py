# SPDX-License-Identifier: Apache-2.0
"""The command under test with a state folder of its own."""

import atexit
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from support import environment, processes

# A background job of a shell starts with SIGINT ignored, and so would every `tl` that this suite interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Seconds that no healthy command needs, on a loaded two-core machine under emulation; more than the 180 after
# which a guest that does not answer is given up, so that the command says so itself.
GENEROUS = 240
SHOWN_LINES = 30  # of the logs of a command that hangs


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a finished command left."""

    words: tuple
    code: int
    out: bytes
    err: bytes
    seconds: float

    @property
    def text(self):
        return self.out.decode().removesuffix("\n")

    @property
    def lines(self):
        return self.out.decode().splitlines()

    @property
    def complaint(self):
        return self.err.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.out)

    def __str__(self):
        shown = " ".join(os.fsdecode(word) for word in self.words)[:300]
        said = f"stdout: {self.out[-2000:]!r}\nstderr: {self.complaint[-2000:]}"
        return f"`{shown}` ended with {self.code} in {self.seconds:.1f} s\n{said}"


class Tl:
    """Runs `tl` on a private state folder. close() ends its sandboxes and complains about what stays alive."""

    _open = []

    def __init__(self, binary=None, home="home", variables=None):
        self.binary = pathlib.Path(binary or environment.TL)
        # A space and a comma: both are special to somebody between here and QEMU's command line.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tl e2e, "))
        self.home = self.folder / home
        self.variables = {
            name: value for name, value in os.environ.items() if not name.startswith(("TL_", "XDG_"))
        }
        self.variables.update(TL_HOME=str(self.home), NO_COLOR="1", PATH=self._path_with_qemu())
        self.variables.update(variables or {})
        self._clients = []
        Tl._open.append(self)

    def _path_with_qemu(self):
        """A QEMU found in our folder has that in its arguments: so we know it when nothing else is left of it."""
        inherited = os.environ.get("PATH", os.defpath)
        if qemu := shutil.which("qemu-system-x86_64"):
            (self.folder / "bin").mkdir()
            (self.folder / "bin/qemu-system-x86_64").symlink_to(qemu)
        return f"{self.folder / 'bin'}:{inherited}"

    # Commands

    def start(self, *words, **options):
        """A running `tl sbx …` (subprocess.Popen), with pipes unless told otherwise."""
        options = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "env": self.variables,
            "start_new_session": True,
            **options,
        }
        client = subprocess.Popen([self.binary, *_top_level(words)], **options)
        self._clients.append(client)
        return client

    def finish(self, client, stdin=None, timeout=GENEROUS):
        """Waits for a started command."""
        began = time.monotonic()
        try:
            out, err = client.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            meanwhile = self.circumstances()
            client.kill()
            out, err = client.communicate()
            said = f"stdout {out[-500:]!r}, stderr {err[-2000:]!r}" if out or err else "it said nothing"
            raise AssertionError(f"{client.args} hangs; {said}\n{meanwhile}") from None
        finally:
            if client in self._clients:
                self._clients.remove(client)
        seconds = time.monotonic() - began
        return Outcome(tuple(client.args), client.returncode, out or b"", err or b"", seconds)

    def sbx(self, *words, stdin=None, timeout=GENEROUS, **options):
        """Runs `tl sbx …` to its end."""
        if stdin is not None:
            options["stdin"] = subprocess.PIPE
        return self.finish(self.start(*words, **options), stdin, timeout)

    def ok(self, *words, **options):
        outcome = self.sbx(*words, **options)
        if outcome.code != 0:
            raise AssertionError(f"expected success: {outcome}")
        return outcome

    # Sandboxes

    def create(self, *words):
        """The ID of a new running sandbox."""
        return self.ok("create", "--accel", environment.ACCEL, *words).text

    def exec(self, sandbox, *words, **options):
        return self.sbx("exec", sandbox, *words, **options)

    def shell(self, sandbox, script, user="root"):
        """What a shell script in the sandbox printed; it must succeed."""
        return self.ok("exec", sandbox, "--user", user, "--", "sh", "-c", script).text

    def describe(self, sandbox):
        return self.ok("describe", sandbox, "--json").json

    def status(self, sandbox):
        return self.describe(sandbox)["status"]

    def wait_for_status(self, sandbox, status, seconds=60):
        processes.wait_until(lambda: self.status(sandbox) == status, seconds, f"{sandbox} is {status}")

    # Processes

    def processes(self):
        """What runs for this state folder, apart from the commands that the test itself started."""
        clients = {client.pid for client in self._clients}
        return [process for process in processes.of_folder(self.folder) if process.pid not in clients]

    def emulators(self):
        return [process for process in self.processes() if process.is_emulator()]

    def monitors(self):
        return [process for process in self.processes() if process.program == self.binary.name]

    def circumstances(self):
        """For whoever has to find out why something hangs: what each process waits for, and the newest logs."""
        lines = []
        for process in processes.of_folder(self.folder):
            lines.append(repr(process))
            lines += (f"    {waits}" for waits in process.waits())
        for log in sorted(self.home.rglob("*.log")):
            lines.append(f"{log.relative_to(self.home)}:")
            with contextlib.suppress(OSError):
                lines += (f"    {line}" for line in log.read_text(errors="replace").splitlines()[-SHOWN_LINES:])
        return "\n".join(lines)

    def wait_for_silence(self, seconds=60):
        """Until no process of the state folder is left."""
        try:
            processes.wait_until(lambda: not self.processes(), seconds, "silence")
        except AssertionError:
            raise AssertionError(f"still alive after {seconds} s: {self.processes()}") from None

    def space_used(self):
        """Bytes of the host's disk that the state folder takes, but for the templates, which are everybody's."""
        total = 0
        for path, folders, files in os.walk(self.home):
            if path == str(self.home) and "templates" in folders:
                folders.remove("templates")
            for name in files:
                with contextlib.suppress(FileNotFoundError):
                    total += os.lstat(os.path.join(path, name)).st_blocks * 512
        return total

    # The end

    def close(self):
        if self not in Tl._open:
            return
        try:
            self.end_sandboxes()
        finally:
            self.remove()

    def end_sandboxes(self):
        """Terminates all of them; an AssertionError when a process is left then."""
        for client in self._clients:
            end(client)
        if self.processes():
            living = self.sbx("ls", "-q").lines
            if living:
                self.sbx("terminate", *living)
        self.wait_for_silence()

    def remove(self):
        """Whatever it takes: no process and no file stays."""
        if self in Tl._open:
            Tl._open.remove(self)
        self.kill_processes()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill_processes(self):
        for process in processes.of_folder(self.folder):
            process.kill()


def end(client):
    """Leaves nothing of a started command, whatever became of it."""
    if client.poll() is None:
        client.kill()
    client.wait()
    for pipe in filter(None, (client.stdin, client.stdout, client.stderr)):
        with contextlib.suppress(OSError):
            pipe.close()


def _top_level(words):
    """A leading "tl" in the words says that `sbx` is not to be put before them: `tl --home X sbx ls`."""
    return words[1:] if words and words[0] == "tl" else ("sbx", *words)


@atexit.register
def sweep():
    """When a run is broken off, unittest's own cleaning up is skipped; machines must not outlive it."""
    for tl in list(Tl._open):
        tl.remove()
