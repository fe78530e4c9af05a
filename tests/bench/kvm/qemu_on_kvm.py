# SPDX-License-Identifier: Apache-2.0
"""QEMU with -enable-kvm in two ways: plain, as anybody would boot our kernel and initramfs with it, and as the machine
of a sandbox of tl's, so that everything but the machine is the same."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

REAL = shutil.which("qemu-system-x86_64")

# Takes what tl gives to an emulating QEMU and makes it one that runs on KVM: another accelerator and processor, a
# kernel that finds out about its clocks from KVM, and a raw file in place of tl's disk where one is named.
WRAPPER = r"""#!/usr/bin/python3
import os, re, sys
words = sys.argv[1:]
raw = os.environ.get("BENCH_RAW_DISK")
for i, word in enumerate(words):
    if word.startswith("tcg"):
        words[i] = "kvm"
    elif word.startswith("max,"):
        words[i] = "host"
    elif word.startswith("driver=nbd") and raw:
        words[i] = f"driver=raw,node-name=disk,discard=unmap,file.driver=file,file.filename={raw}"
    words[i] = re.sub(r" machine_clocks=\S+| no_timer_check| noreplace-smp", "", words[i])
os.execv(REAL, [sys.argv[0], *words])
"""


def install_wrapper(folder):
    """A folder for the front of PATH."""
    path = pathlib.Path(folder, "qemu-system-x86_64")
    path.write_text(WRAPPER.replace("REAL", repr(REAL)))
    path.chmod(0o755)
    return str(folder)


class PlainQemu:
    def __init__(self, kernel, initramfs):
        self.words = [
            *(REAL, "-M", "microvm,acpi=off,rtc=on", "-enable-kvm", "-cpu", "host", "-m", "1024", "-smp", "1"),
            *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"),
            *("-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyS0 quiet rdinit=/reference-init"),
        ]

    def seconds_to_init(self):
        """From the exec to the first byte of init on the console."""
        began = time.perf_counter()
        machine = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            wait_for_init(machine)
            return time.perf_counter() - began
        finally:
            end(machine)

    def transfer_seconds(self, peer, direction):
        """Of a connection to the peer, through QEMU's own user-mode network."""
        card = ["-netdev", "user,id=n", "-device", "virtio-net-device,netdev=n", "-global", "virtio-mmio.force-legacy=off"]
        words = [*self.words[:-1], f"{self.words[-1]} {direction}", *card]
        machine = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            return peer.seconds_of_next(direction)
        finally:
            end(machine)


def wait_for_init(machine):
    while b"\1" not in (piece := os.read(machine.stdout.fileno(), 4096)):
        if not piece:
            raise RuntimeError("QEMU did not get to its init")


def end(machine):
    machine.kill()
    machine.wait()
    machine.stdout.close()


class SavedQemu:
    """A plain machine that got to its init and was migrated to a file, as QEMU's manual says."""

    def __init__(self, plain, folder):
        self.state = pathlib.Path(folder, "qemu-state")
        control = pathlib.Path(folder, "qemu-control")
        words = [*plain.words, "-qmp", f"unix:{control},server=on,wait=off"]
        machine = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            wait_for_init(machine)
            self._migrate(control)
        finally:
            end(machine)
        self.words = [*plain.words, "-incoming", f"exec:cat {self.state}"]

    def _migrate(self, control):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(control))
            with connection.makefile("rw") as qmp:

                def ask(command, **arguments):
                    qmp.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
                    qmp.flush()
                    while "return" not in (answer := json.loads(qmp.readline())):
                        if "error" in answer:
                            raise RuntimeError(f"QEMU: {command}: {answer['error']}")
                    return answer["return"]

                qmp.readline()  # the greeting
                ask("qmp_capabilities")
                ask("migrate", uri=f"exec:cat > {self.state}")
                while (status := ask("query-migrate")["status"]) != "completed":
                    if status in ("failed", "cancelled"):
                        raise RuntimeError(f"QEMU could not save its machine: {status}")
                    time.sleep(0.05)
