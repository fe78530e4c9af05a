# SPDX-License-Identifier: Apache-2.0
"""The rows of the table: what is measured, beside what, and the bound."""

import contextlib
import gzip
import os
import shutil
import signal
import socket
import statistics
import subprocess
import time

from measure import Spawned, cpu_seconds
from network_peer import TRANSFER_BYTES
from support.images import Layout, tar_of
from support.terminal import Terminal


class Row:
    """measure() and reference() are called in turn, once a round; each gives one value in the row's unit."""

    name = ""
    title = ""
    unit = "ms"
    bound = None  # in words; None: the figure is only stated
    most_rounds = None  # of a row that takes long

    def __init__(self, bench):
        self.bench = bench

    def prepare(self):
        pass

    def measure(self):
        raise NotImplementedError

    def reference(self):
        """None: there is nothing of plain QEMU's to compare with."""

    def figure(self, ours, theirs):
        """What the bound is about, from the medians."""
        return ours

    def within(self, figure):
        return None


class Create(Row):
    name = "create"
    title = "create (cold) | plain QEMU to its init"
    bound = "<= 1.25 x"

    def measure(self):
        began = time.perf_counter()
        sandbox = self.bench.tl.create("--no-template")
        seconds = time.perf_counter() - began
        self.bench.tl.ok("terminate", sandbox)
        return seconds * 1e3

    def reference(self):
        return self.bench.plain.seconds_to_init() * 1e3

    def figure(self, ours, theirs):
        return ours / theirs

    def within(self, figure):
        return figure <= 1.25


class CreateTuned(Create):
    """What is left of QEMU's boot once it has everything that makes ours fast: the floor."""

    name = "create-tuned"
    title = "create (cold) | QEMU tuned as tl's, to its init"
    bound = None

    def reference(self):
        return self.bench.plain.seconds_to_init(tuned=True) * 1e3

    def within(self, figure):
        return None


class Exec(Row):
    name = "exec"
    title = "exec true | fork+exec+wait inside"
    bound = "<= +12 ms"

    def measure(self):
        words = self.bench.exec_words("/bin/true")
        return statistics.median(Spawned(words, self.bench.variables).seconds for _ in range(5)) * 1e3

    def reference(self):
        return float(self.bench.inside("/tmp/spawn_loop", "30", "/bin/true")) / 1e3

    def figure(self, ours, theirs):
        return ours - theirs

    def within(self, figure):
        return figure <= 12


class ExecHost(Row):
    name = "exec-host"
    title = "exec true, CPU time of tl and monitor"
    bound = "<= 3 ms"
    batch = 5

    def measure(self):
        words = self.bench.exec_words("/bin/true")
        before = cpu_seconds(self.bench.monitor.pid)
        clients = sum(Spawned(words, self.bench.variables).cpu_seconds for _ in range(self.batch))
        return (clients + cpu_seconds(self.bench.monitor.pid) - before) / self.batch * 1e3

    def within(self, figure):
        return figure <= 3


class Version(Row):
    name = "version"
    title = "tl --version | qemu-system-x86_64 --version"
    bound = "< 10 ms"

    def measure(self):
        return Spawned([self.bench.tl.binary, "--version"], self.bench.variables).seconds * 1e3

    def reference(self):
        return Spawned([shutil.which("qemu-system-x86_64"), "--version"], self.bench.variables).seconds * 1e3

    def within(self, figure):
        return figure < 10


class List(Row):
    name = "ls"
    title = "ls with 10,000 records"
    bound = "< 100 ms"
    flags = ()

    def prepare(self):
        self.variables = {**self.bench.variables, "TL_HOME": str(self.bench.crowded_home)}

    def measure(self):
        return Spawned([self.bench.tl.binary, "sbx", "ls", *self.flags], self.variables).seconds * 1e3

    def within(self, figure):
        return figure < 100


class ListAll(List):
    name = "ls-all"
    title = "ls --all with 10,000 records, all shown"
    flags = ("--all",)


class ListWithoutIndex(List):
    """What the index saves: every document is opened and read."""

    name = "ls-no-index"
    title = "ls with 10,000 records, its index deleted"
    bound = None

    def measure(self):
        self.bench.crowded_home.joinpath("sandboxes/.index").unlink(missing_ok=True)
        return super().measure()

    def within(self, figure):
        return None


class Output(Row):
    name = "output"
    title = "exec output | bare virtserialport and socat"
    unit = "MB/s"

    def measure(self):
        length = self.bench.stream_bytes
        began = time.perf_counter()
        client = self.bench.tl.start(*self.bench.exec_words("head", "-c", str(length), "/dev/zero")[2:])
        left = length
        while piece := os.read(client.stdout.fileno(), 1 << 20):
            left -= len(piece)
        outcome = self.bench.tl.finish(client)
        if outcome.code != 0 or left != 0:
            raise RuntimeError(f"{left} bytes are missing: {outcome}")
        return length / (time.perf_counter() - began) / 1e6

    def reference(self):
        return self.bench.stream_bytes / self.bench.plain.stream_seconds() / 1e6

    def figure(self, ours, theirs):
        return ours / theirs


class Keystroke(Row):
    """From a key to its echo by the terminal inside: one way in, one way out."""

    name = "keystroke"
    title = "keystroke to its echo, median"
    batch = 100
    rank = 0.5

    def measure(self):
        words = ("exec", self.bench.sandbox, "--tty", "--", "sh", "-c", "echo ready; exec cat")
        with Terminal(self.bench.tl, *words) as terminal:
            terminal.wait_for(b"ready")
            samples = sorted(self._seconds(terminal) for _ in range(self.batch))
            terminal.press(b"\x03")
            terminal.finish()
        return samples[int(self.rank * self.batch)] * 1e3

    @staticmethod
    def _seconds(terminal):
        terminal.screen = b""
        began = time.perf_counter()
        terminal.press(b"x")
        terminal.wait_for(b"x")
        return time.perf_counter() - began


class KeystrokeWorst(Keystroke):
    name = "keystroke-99"
    title = "keystroke to its echo, 99th of 100"
    rank = 0.99


class Memory(Row):
    name = "memory"
    title = "resident memory of the idle monitor"
    unit = "MiB"
    bound = "<= 8 MiB"

    def measure(self):
        self.bench.inside("true")
        time.sleep(0.5)
        return self.bench.monitor.own_kib() / 1024

    def within(self, figure):
        return figure <= 8


class Copy(Row):
    """Beside it what people do without it: tar through exec, which moves the same bytes."""

    unit = "MB/s"
    what = "big"
    most_rounds = 3

    def prepare(self):
        self.tree = self.bench.copied_tree(self.what)
        self.length = sum(path.stat().st_size for path in self.tree.rglob("*") if path.is_file())
        self.there = f"{self.bench.sandbox}:/tmp/bench-{self.what}"
        self.clear()
        self.run("cp", self.tree, self.there)

    def clear(self):
        self.bench.inside("rm", "-rf", f"/tmp/bench-{self.what}")

    def run(self, *words, **options):
        began = time.perf_counter()
        self.bench.tl.ok(*words, **options)
        return self.length / (time.perf_counter() - began) / 1e6

    def figure(self, ours, theirs):
        return ours / theirs


class CopyUp(Copy):
    name = "cp-up"
    title = "cp of 1 GiB in | tar c | exec -i tar x"

    def measure(self):
        self.clear()
        return self.run("cp", self.tree, self.there)

    def reference(self):
        self.clear()
        self.bench.inside("mkdir", f"/tmp/bench-{self.what}")
        with subprocess.Popen(["tar", "c", "-C", self.tree, "."], stdout=subprocess.PIPE) as tar:
            began = time.perf_counter()
            words = ("--user", "root", "-i", "--", "tar", "x", "-C", f"/tmp/bench-{self.what}")
            client = self.bench.tl.start("exec", self.bench.sandbox, *words, stdin=tar.stdout)
            if (outcome := self.bench.tl.finish(client)).code != 0:
                raise RuntimeError(str(outcome))
            return self.length / (time.perf_counter() - began) / 1e6


class CopyDown(Copy):
    name = "cp-down"
    title = "cp of 1 GiB out | exec tar c | tar x"

    def fresh(self):
        folder = self.tree.parent / "back"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def measure(self):
        return self.run("cp", self.there, self.fresh())

    def reference(self):
        with subprocess.Popen(["tar", "x", "-C", self.fresh()], stdin=subprocess.PIPE) as tar:
            began = time.perf_counter()
            words = ("tar", "c", "-C", f"/tmp/bench-{self.what}", ".")
            self.run("exec", self.bench.sandbox, "--user", "root", "--", *words, stdout=tar.stdin)
            tar.stdin.close()
            tar.wait()
            return self.length / (time.perf_counter() - began) / 1e6


class CopySmallUp(CopyUp):
    name = "cp-small-up"
    title = "cp of 10,000 files in | tar c | exec -i tar x"
    what = "small"


class CopySmallDown(CopyDown):
    name = "cp-small-down"
    title = "cp of 10,000 files out | exec tar c | tar x"
    what = "small"


class Tunnel(Row):
    """A server inside that pours as many bytes as it is asked for."""

    title = "tunnel, 64 MiB to here"
    name = "tunnel"
    unit = "MB/s"
    length = 64 << 20
    port = 7070
    SERVER = (
        "import socketserver as s\n"
        "class H(s.StreamRequestHandler):\n"
        "    def handle(self):\n"
        "        for n in range(int(self.rfile.readline()) >> 16): self.wfile.write(bytes(65536))\n"
        "class S(s.ThreadingTCPServer): request_queue_size = 256; daemon_threads = True\n"
        f"S(('127.0.0.1', {port}), H).serve_forever()"
    )

    def prepare(self):
        start = 'setsid python3 -c "$1" >/dev/null 2>&1 </dev/null & until grep -qi ":1B9E .* 0A " /proc/net/tcp; do sleep 0.1; done'
        self.bench.inside("sh", "-c", start, "sh", self.SERVER)
        self.measure()

    @contextlib.contextmanager
    def place(self):
        client = self.bench.tl.start("tunnel", self.bench.sandbox, str(self.port), "-l", "0")
        host, port = client.stdout.readline().decode().strip().split(":")
        yield host, int(port)
        client.send_signal(signal.SIGINT)
        self.bench.tl.finish(client)

    def ask(self, place, length):
        got = 0
        with socket.create_connection(place) as connection:
            connection.sendall(b"%d\n" % length)
            while data := connection.recv(1 << 20):
                got += len(data)
        if got != length:
            raise RuntimeError(f"{got} bytes came, and {length} were asked for")

    def measure(self):
        with self.place() as place:
            began = time.perf_counter()
            self.ask(place, self.length)
            return self.length / (time.perf_counter() - began) / 1e6


class TunnelConnections(Tunnel):
    title = "tunnel, new connections one after another"
    name = "tunnel-new"
    unit = "/s"
    count = 100

    def measure(self):
        with self.place() as place:
            began = time.perf_counter()
            for _ in range(self.count):
                self.ask(place, 0)
            return self.count / (time.perf_counter() - began)


class Upload(Row):
    """The same program on both sides; the reference's network is QEMU's own."""

    name = "net-up"
    title = "TCP from inside to here | QEMU's -netdev user"
    unit = "MB/s"
    bound = ">= 1 x"
    direction = "upload"

    def prepare(self):
        self.peer = self.bench.peer
        words = ("--user", "root", "-i", "--", "sh", "-c", "cat > /tmp/peer; chmod +x /tmp/peer")
        self.bench.tl.ok("exec", self.bench.sandbox, *words, stdin=self.bench.plain.program.read_bytes())

    def measure(self):
        client = self.bench.tl.start(*self.bench.exec_words("/tmp/peer", self.direction)[2:])
        seconds = self.peer.seconds_of_next(self.direction)
        if (outcome := self.bench.tl.finish(client)).code != 0:
            raise RuntimeError(str(outcome))
        return TRANSFER_BYTES / seconds / 1e6

    def reference(self):
        return TRANSFER_BYTES / self.bench.plain.transfer_seconds(self.peer, self.direction) / 1e6

    def figure(self, ours, theirs):
        return ours / theirs

    def within(self, figure):
        return figure >= 1


class Download(Upload):
    name = "net-down"
    title = "TCP from here to inside | QEMU's -netdev user"
    direction = "download"


class ImageImport(Row):
    """500 MB in 2,000 files of one gzip layer, half of them random; as a file system here, as files there."""

    name = "image-import"
    title = "image import of 500 MB | umoci unpack"
    unit = "MB/s"

    def prepare(self):
        self.folder = self.bench.folder / self.name
        self.folder.mkdir()
        self.layout = Layout(self.folder / "layout")
        files = [(f"data/{number}", os.urandom(128 << 10) * 2) for number in range(2000)]
        self.layout.add("bench", [tar_of(*files)], compress=lambda data: gzip.compress(data, 1))

    def clean(self):
        shutil.rmtree(self.folder / "bundle", ignore_errors=True)

    def take(self, words):
        began = time.perf_counter()
        subprocess.run(words, env=self.bench.variables, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return (2000 << 18) / (time.perf_counter() - began) / 1e6

    def measure(self):
        tl, image = self.bench.tl, f"{self.layout.folder}:bench"
        if "bench" in (each["name"] for each in tl.ok("image", "ls", "--json").json):
            tl.ok("image", "rm", "bench")
        return self.take([tl.binary, "sbx", "image", "import", image, "--name", "bench"])

    def reference(self):
        self.clean()
        image = f"{self.layout.folder}:bench"
        return self.take(["umoci", "unpack", "--rootless", "--image", image, self.folder / "bundle"])

    def figure(self, ours, theirs):
        return ours / theirs


class ImageSpace(ImageImport):
    name = "image-space"
    title = "its bytes on disk | of umoci's"
    unit = "MiB"

    def measure(self):
        super().measure()
        return self.bench.tl.ok("image", "describe", "bench", "--json").json["used_bytes"] / (1 << 20)

    def reference(self):
        super().reference()
        used = subprocess.run(["du", "-sk", self.folder / "bundle"], stdout=subprocess.PIPE, text=True, check=True)
        return int(used.stdout.split()[0]) / 1024


ROWS = (
    *(Create, CreateTuned, Exec, ExecHost, Version, List, ListAll, ListWithoutIndex, Output, Memory),
    *(Keystroke, KeystrokeWorst),
    *(CopyUp, CopyDown, CopySmallUp, CopySmallDown),
    *(Tunnel, TunnelConnections, Upload, Download, ImageImport, ImageSpace),
)
