# SPDX-License-Identifier: Apache-2.0
"""Files go into sandboxes, come out of them and from one to another."""

import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from support import cases, environment

GIB = 1 << 30
SMALL_FILES = 200 if environment.IN_LAB else 2000


class Copying(cases.SandboxCase):
    create_words = ("copying",)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tl cp ")
        self.addCleanup(folder.cleanup)
        self.here = pathlib.Path(folder.name)
        self.there = f"/tmp/{self.id().rpartition('.')[2]}"

    def cp(self, *words, **options):
        return self.tl.sbx("cp", *words, cwd=self.here, **options)

    def copied(self, *words, **options):
        outcome = self.cp(*words, **options)
        self.assertEqual(outcome.code, 0, outcome)
        return outcome

    def inside(self, script):
        return self.shell(script, user="tl-user")

    def assertNothingHalf(self, folder=None):
        """No temporary file of a copy is left, here or inside."""
        self.assertEqual([path for path in self.here.rglob(".tl-cp-*")], [])
        self.assertEqual(self.inside(f"find {folder or self.there} -name '.tl-cp-*'"), "")

    # Trees

    def test_a_tree_comes_back_as_it_went(self):
        tree = self.here / "tree"
        (tree / "deep/er").mkdir(parents=True)
        (tree / "closed").mkdir()
        (tree / "closed/in").write_text("in")
        (tree / "file").write_bytes(os.urandom(300_000))
        (tree / "tool").write_text("#!/bin/sh\n")
        (tree / "tool").chmod(0o751)
        (tree / "none").touch()
        os.link(tree / "file", tree / "deep/same")
        for name in (b"new\nline", b"not utf-8 \xff\xc3", b"-dash", "Umläut ✓".encode(), b"x" * 255):
            (tree / os.fsdecode(name)).write_text("odd")
        (tree / "link").symlink_to("deep/../file")
        (tree / "lost").symlink_to(os.fsdecode(b"/nowhere\xff"))
        os.utime(tree / "file", ns=(0, 123_456_789_987_654_321))
        os.utime(tree / "deep/er", ns=(0, 86_400_000_000_001))
        os.utime(tree / "lost", ns=(0, 1_000_000_000_000_000_002), follow_symlinks=False)
        (tree / "closed").chmod(0o500)
        self.addCleanup((tree / "closed").chmod, 0o700)
        self.copied("tree", f"{self.box}:{self.there}/made/tree")
        self.assertEqual(self.inside(f"find {self.there} ! -user tl-user"), "")
        self.assertEqual(self.inside(f"stat -c %y {self.there}/made/tree/file").split(".")[1][:9], "987654321")
        self.copied(f"{self.box}:{self.there}/made/tree", "back")
        self.addCleanup((self.here / "back/closed").chmod, 0o700)
        self.assertEqual(listing(self.here / "back"), listing(tree))

    def test_many_small_files(self):
        tree = self.here / "many"
        for number in range(SMALL_FILES):
            path = tree / str(number % 20) / str(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(number) * (number % 50))
        self.copied("-r", "many", f"{self.box}:{self.there}")
        self.copied(f"{self.box}:{self.there}", "back")
        self.assertEqual(listing(self.here / "back"), listing(tree))

    def test_a_sparse_file_stays_sparse(self):
        with open(self.here / "sparse", "wb") as file:
            file.truncate(5 * GIB)
            file.seek(3 * GIB)
            file.write(b"in between")
        outcome = self.copied("sparse", f"{self.box}:{self.there}")
        self.assertIn(f"({5 * GIB} bytes)", outcome.complaint)
        size, blocks = map(int, self.inside(f"stat -c '%s %b' {self.there}").split())
        self.assertEqual(size, 5 * GIB)
        self.assertLess(blocks, 1000)
        self.copied(f"{self.box}:{self.there}", "back")
        status = (self.here / "back").stat()
        self.assertEqual(status.st_size, 5 * GIB)
        self.assertLess(status.st_blocks, 1000)
        with open(self.here / "back", "rb") as file:
            file.seek(3 * GIB)
            self.assertEqual(file.read(10), b"in between")

    # Where

    def test_names_are_those_of_cp(self):
        (self.here / "f").write_text("f")
        (self.here / "d").mkdir()
        (self.here / "d/in").write_text("in")
        box, there = self.box, self.there
        self.inside(f"mkdir {there}")
        for source, destination in (("f", there), ("f", f"{there}/new/name"), ("d", there), ("d/.", f"{there}/new")):
            self.copied(source, f"{box}:{destination}")
        self.assertEqual(self.inside(f"cd {there}; find * -type f | sort").split(), ["d/in", "f", "new/in", "new/name"])
        self.copied("f", f"{box}:relative")
        self.assertEqual(self.inside("cat /workspace/relative"), "f")
        self.copied(f"{box}:relative", ".")
        self.assertEqual((self.here / "relative").read_text(), "f")
        (self.here / "a:b").write_text("colon")
        self.copied("./a:b", f"copying:{there}/a:b")
        self.assertEqual(self.inside(f"cat {there}/a:b"), "colon")

    def test_stdin_and_stdout(self):
        data = os.urandom(1_500_000)
        place = f"{self.box}:{self.there}/file"
        self.copied("-", place, stdin=data)
        outcome = self.copied(place, "-")
        self.assertEqual(outcome.out, data)
        self.assertIn(f"-> - ({len(data)} bytes)", outcome.complaint)
        self.copied("-", place, stdin=b"")
        self.assertEqual(self.copied(place, "-").out, b"")
        self.assertOutcome(self.cp("-", f"{self.box}:/tmp", stdin=b"x"), 4, "is a folder")
        self.assertOutcome(self.cp(f"{self.box}:/tmp", "-"), 4, "room for one file")

    def test_between_sandboxes(self):
        other = self.tl.create("other-end")
        self.addCleanup(self.tl.ok, "terminate", other)
        self.inside(f"mkdir {self.there}; cd {self.there}; echo hello >a; ln a b; ln -s a c; truncate -s 1G d")
        outcome = self.copied(f"copying:{self.there}", "other-end:got")
        self.assertIn(f"({GIB + 6} bytes)", outcome.complaint)
        script = "cd {}; ls -l --time-style=full-iso; cat a; stat -c %h a"
        self.assertEqual(
            self.tl.shell(other, script.format("/workspace/got"), "tl-user"), self.inside(script.format(self.there))
        )
        self.assertOutcome(self.cp("copying:/none", "other-end:x"), 3, "there is no file or folder")
        self.assertOutcome(self.cp(f"copying:{self.there}", "other-end:/etc/x"), 1, "permission denied")
        self.assertOutcome(self.cp("copying:a", f"{self.box}:b"), 5, "both sides")

    # What goes wrong

    def test_each_mistake_is_one_sentence(self):
        (self.here / "f").write_text("f")
        (self.here / "d").mkdir()
        box = self.box
        for words, code, said in (
            (("f", "g"), 2, "neither SRC nor DEST"),
            (("f",), 2, "DEST is missing"),
            (("none", f"{box}:x"), 3, "no file or folder none"),
            ((f"{box}:/none", "x"), 3, "no file or folder /none"),
            (("f", "nobody:x"), 3, "nobody"),
            ((f"{box}:/etc/hostname", "none/x"), 3, "no folder none"),
            (("f", f"{box}:/dev/null"), 4, "neither a file nor a folder"),
            (("d", f"{box}:/etc/passwd"), 4, "not a folder"),
            (("f", f"{box}:/root/x"), 1, "permission denied"),
            ((f"{box}:/etc/shadow", "x"), 1, "permission denied"),
        ):
            with self.subTest(words=words):
                outcome = self.assertOutcome(self.cp(*words), code, said)
                self.assertEqual(outcome.complaint.count("Error:"), 1, outcome)
                self.assertEqual(outcome.out, b"")
        self.assertEqual(sorted(path.name for path in self.here.iterdir()), ["d", "f"])

    def test_no_space_inside(self):
        self.shell(f"mkdir {self.there} && mount -t tmpfs -o size=2m,mode=0777 tmpfs {self.there}")
        self.addCleanup(self.shell, f"umount -l {self.there}")
        (self.here / "big").write_bytes(os.urandom(3_000_000))
        self.inside(f"echo old > {self.there}/big")
        self.assertOutcome(self.cp("big", f"{self.box}:{self.there}/big"), 1, "sandbox copying", "no space left")
        self.assertEqual(self.inside(f"cat {self.there}/big"), "old")
        self.assertNothingHalf()

    def test_no_space_here(self):
        environment.require_root("mounting a small file system")
        words = ["mount", "-t", "tmpfs", "-o", "size=1m", "e2e", self.here]
        mounted = subprocess.run(words, stderr=subprocess.PIPE, check=False)
        environment.require_host(mounted.returncode == 0, f"tmpfs cannot be mounted: {mounted.stderr!r}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.here], check=True)
        (self.here / "big").write_text("old")
        self.inside(f"head -c 3000000 /dev/urandom > {self.there}")
        self.assertOutcome(self.cp(f"{self.box}:{self.there}", "big"), 6, "no space left")
        self.assertEqual([path.name for path in self.here.iterdir()], ["big"])
        self.assertEqual((self.here / "big").read_text(), "old")

    def test_a_copy_that_is_broken_off_leaves_the_old_file(self):
        """Up and down, by an interrupt and by kill -9."""
        box, there = self.box, self.there
        self.inside(f"mkdir {there}; echo old > {there}/up; head -c 1G /dev/zero | tr '\\0' x > {there}/down &")
        (self.here / "down").write_text("old")
        with self.endless() as stream:
            for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
                up = self.start("cp", "-", f"{box}:{there}/up", stdin=stream)
                time.sleep(1)
                self.break_off(up, number, code)
        with open(self.here / "big", "wb") as file:
            file.truncate(4 * GIB)
            file.seek(0)
            for _ in range(256):
                file.write(os.urandom(1 << 20))
        for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
            up = self.start("cp", self.here / "big", f"{box}:{there}/up")
            time.sleep(0.7)
            self.break_off(up, number, code)
        self.inside(f"while pgrep tr >/dev/null && [ $(stat -c %s {there}/down) -lt 200000000 ]; do sleep 0.1; done; pkill -x tr; true")
        for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
            down = self.start("cp", f"{box}:{there}/down", self.here / "down")
            time.sleep(0.7)
            self.break_off(down, number, code)
            self.assertEqual((self.here / "down").read_text(), "old")
        self.eventually(lambda: self.inside("pgrep -x tl-agent -u tl-user || true") == "", "no copy goes on inside")
        self.assertEqual(self.inside(f"cat {there}/up"), "old")
        self.assertNothingHalf()

    def break_off(self, client, number, code):
        self.assertIsNone(client.poll(), "it is still at it")
        client.send_signal(number)
        self.assertEqual(self.tl.finish(client, timeout=60).code, code)

    @contextlib.contextmanager
    def endless(self):
        """A stream that gives something and does not end."""
        reading, writing = os.pipe()
        os.write(writing, b"the beginning")
        try:
            yield reading
        finally:
            os.close(reading)
            os.close(writing)

    # The life of the sandbox

    def test_a_suspended_sandbox_is_resumed_and_a_suspend_ends_a_copy(self):
        (self.here / "f").write_text("f")
        self.tl.ok("suspend", "copying")
        self.copied("f", f"copying:{self.there}")
        self.assertEqual(self.inside(f"cat {self.there}"), "f")
        with self.endless() as stream:
            copy = self.start("cp", "-", f"copying:{self.there}", stdin=stream)
            time.sleep(1)
            self.tl.ok("suspend", "copying")
            self.assertOutcome(self.tl.finish(copy, timeout=60), 4, "copying is suspended")
        self.assertEqual(self.inside(f"cat {self.there}"), "f")
        self.assertNothingHalf("/tmp")

    def test_a_terminated_sandbox_ends_a_copy(self):
        box = self.tl.create()
        with self.endless() as stream:
            copy = self.start("cp", "-", f"{box}:x", stdin=stream)
            time.sleep(1)
            self.tl.ok("terminate", box)
            self.assertOutcome(self.tl.finish(copy, timeout=60), 4, "is terminated")
        self.assertOutcome(self.cp(f"{box}:x", "y"), 4, "is terminated")


def listing(top):
    """Names, kinds, modes, times, sizes, targets and contents of all below, and which files are one."""
    found, first = {}, {}
    for path in [top, *sorted(top.rglob("*"))]:
        name = str(path.relative_to(top))
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        same = first.setdefault(status.st_ino, name) if status.st_nlink > 1 and content else None
        found[name] = (status.st_mode, status.st_mtime_ns, content, same)
    return found


if __name__ == "__main__":
    cases.main()
