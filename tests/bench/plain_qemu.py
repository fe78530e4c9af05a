# SPDX-License-Identifier: Apache-2.0
"""The reference: plain `qemu-system-x86_64 -M microvm -accel tcg` with the kernel and the initramfs of one of
tl's sandboxes, to which a small init of our own is added. It boots as anybody would boot it, or *tuned*: with
the processor model and the kernel command line that tl has found out to be fast."""

import os
import pathlib
import select
import shutil
import subprocess
import time

from network_peer import TRANSFER_BYTES

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE = 300  # seconds until a measurement is given up


class PlainQemu:
    """Knows what to boot. Every machine it starts has ended when the method that started it returns."""

    def __init__(self, folder, emulator, stream_bytes):
        """Takes kernel, command line, initramfs and processor from a running emulator of tl's."""
        self.stream_bytes = stream_bytes
        self._folder = pathlib.Path(folder)
        words = [os.fsdecode(word) for word in emulator.command]
        self._program = os.path.realpath(f"/proc/{emulator.pid}/exe")
        self._kernel = words[words.index("-kernel") + 1]
        self._tuned_line = words[words.index("-append") + 1]
        self._tuned_processor = words[words.index("-cpu") + 1]
        self._initramfs = self._folder / "initramfs"
        self.program = self._folder / "root/reference-init"
        self.initramfs_bytes = self._pack(words[words.index("-initrd") + 1], emulator.pid)

    def _pack(self, initrd, pid):
        """tl's initramfs as QEMU got it, and behind it ours: the kernel unpacks both."""
        source = initrd.replace("/proc/self/", f"/proc/{pid}/")
        (self._folder / "root").mkdir()
        compiler = ["gcc", "-O2", "-static", "-no-pie", "-fno-pie", "-nostdlib", "-ffreestanding"]
        compiler += ["-fno-stack-protector", f"-DSTREAM_BYTES={self.stream_bytes}L", f"-DTRANSFER_BYTES={TRANSFER_BYTES}L"]
        subprocess.run([*compiler, "-o", self.program, HERE / "reference_init.c"], check=True)
        subprocess.run(["strip", self.program], check=True)
        with open(self._initramfs, "wb") as packed:
            with open(source, "rb") as theirs:
                theirs.seek(0)
                shutil.copyfileobj(theirs, packed)
            size = packed.tell()
            packed.write(b"\0" * (-size % 4))
            packed.write(cpio_newc("reference-init", self.program.read_bytes()))
        return size

    def _words(self, *more, arguments="", tuned=False):
        machine = "microvm,acpi=off,rtc=on"  # without a clock the kernel would wait a second for it
        processor = ("-cpu", self._tuned_processor) if tuned else ()
        line = self._tuned_line if tuned else "console=ttyS0 quiet"
        return [
            *(self._program, "-M", machine, "-accel", "tcg", *processor, "-m", "1024"),
            *("-smp", "1", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
            *("-kernel", self._kernel, "-initrd", self._initramfs),
            *("-append", f"{line} rdinit=/reference-init{arguments}", "-serial", "stdio", *more),
        ]

    def seconds_to_init(self, tuned=False):
        """From the exec of QEMU to the first byte of init on the console."""
        began = time.perf_counter()
        machine = subprocess.Popen(self._words(tuned=tuned), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            wait_for(machine.stdout, b"\1")
            return time.perf_counter() - began
        finally:
            machine.kill()
            machine.wait()
            machine.stdout.close()

    def transfer_seconds(self, peer, direction):
        """Of a connection to the peer, through QEMU's own user-mode network."""
        card = ["-netdev", "user,id=n", "-device", "virtio-net-device,netdev=n", "-global", "virtio-mmio.force-legacy=off"]
        machine = subprocess.Popen(self._words(*card, arguments=f" {direction}"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            return peer.seconds_of_next(direction)
        finally:
            machine.kill()
            machine.wait()
            machine.stdout.close()

    def stream_seconds(self):
        """From the go to the arrival of the last byte of the stream, through a virtserialport and socat."""
        path = self._folder / "port"
        port = ["-chardev", f"socket,id=p,path={path},server=on,wait=off", "-device", "virtio-serial-device"]
        port += ["-device", "virtserialport,chardev=p,nr=1", "-global", "virtio-mmio.force-legacy=off"]
        words = self._words(*port, arguments=" stream")
        machine = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        reader = None
        try:
            wait_for_path(path, machine)
            take = ["socat", "-b", "65536", "-", f"UNIX-CONNECT:{path}"]
            reader = subprocess.Popen(take, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            time.sleep(3)  # the guest boots and waits at the port
            began = time.perf_counter()
            os.write(reader.stdin.fileno(), b"g")
            left = self.stream_bytes
            while left > 0:
                piece = os.read(reader.stdout.fileno(), 1 << 20)
                if not piece:
                    raise RuntimeError(f"the stream broke off {left} bytes before its end")
                left -= len(piece)
            return time.perf_counter() - began
        finally:
            for process in filter(None, (machine, reader)):
                process.kill()
                process.wait()
            path.unlink(missing_ok=True)


def cpio_newc(name, contents):
    """An archive with one executable file."""

    def entry(path, mode, data):
        encoded = path.encode() + b"\0"
        fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)

    return entry(name, 0o100755, contents) + entry("TRAILER!!!", 0, b"")


def wait_for(pipe, byte):
    """Reads the console until the byte appears on it."""
    deadline = time.monotonic() + PATIENCE
    seen = b""
    while byte not in seen:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(pipe.fileno(), 4096) if ready else b""
        if not piece:
            raise RuntimeError(f"plain QEMU did not get to its init; its console: {seen!r}")
        seen += piece


def wait_for_path(path, process):
    deadline = time.monotonic() + 30
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("plain QEMU did not start")
        time.sleep(0.01)
