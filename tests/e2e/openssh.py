# SPDX-License-Identifier: Apache-2.0
"""OpenSSH's own programs, by way of `ssh --config`."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from support import cases, environment, ssh_server

CLIENTS = ("ssh", "scp", "sftp", "rsync", "ssh-keygen")
MIB = 1 << 20


class OpenSsh(cases.GuestCase):
    @classmethod
    def setUpClass(cls):
        for program in CLIENTS:
            environment.require_built(shutil.which(program), f"no {program} on this host")
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.box = cls.tl.create("far")
        ssh_server.install(cls.tl, cls.box)
        cls.config = cls.folder / "config"
        cls.config.write_bytes(cls.tl.ok("ssh", cls.box, "--config").out)
        cls.variables = {**cls.tl.variables, "HOME": folder.name}

    def run_program(self, program, *words, **options):
        return subprocess.run(
            [program, "-F", self.config, *words], env=self.variables, capture_output=True, timeout=300, **options
        )

    def ssh(self, *words, **options):
        return self.run_program("ssh", *words, **options)

    def assertDone(self, done):
        self.assertEqual(done.returncode, 0, done)

    def random_file(self, size):
        path = self.folder / "random"
        path.write_bytes(os.urandom(size))
        return path

    def test_a_command_has_its_input_output_and_exit_code(self):
        done = self.ssh("far", "id -un; cat; echo oops >&2; exit 7", input=b"typed")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (7, b"tl-user\ntyped", b"oops\n"), done)

    def test_another_user_is_let_in(self):
        self.assertEqual(self.ssh("root@far", "id -u").stdout, b"0\n")

    def test_scp_takes_files_both_ways(self):
        path = self.random_file(5 * MIB)
        self.assertDone(self.run_program("scp", path, "far:there"))
        self.assertDone(self.run_program("scp", "far:there", self.folder / "back"))
        self.assertEqual((self.folder / "back").read_bytes(), path.read_bytes())

    def test_sftp_takes_files_both_ways(self):
        path = self.random_file(MIB)
        batch = f"put {path} by-sftp\nget by-sftp {self.folder / 'again'}\nrm by-sftp\n"
        done = self.run_program("sftp", "-b", "-", "far", input=batch.encode())
        self.assertDone(done)
        self.assertEqual((self.folder / "again").read_bytes(), path.read_bytes())

    def test_rsync_keeps_a_tree(self):
        tree = self.folder / "source"
        (tree / "deep/er").mkdir(parents=True)
        for number in range(100):
            (tree / f"deep/{number}").write_text("x" * number)
        (tree / "link").symlink_to("deep/1")
        words = ["rsync", "-a", "--delete", "--stats", "-e", f"ssh -F '{self.config}'", f"{tree}/", "far:tree"]
        self.assertDone(subprocess.run(words, env=self.variables, capture_output=True, timeout=300))
        (tree / "deep/7").unlink()
        second = subprocess.run(words, env=self.variables, capture_output=True, timeout=300)
        self.assertDone(second)
        self.assertRegex(second.stdout.decode(), r"deleted files: 1\b")
        self.assertEqual(self.tl.shell(self.box, "find ~tl-user/tree -type f | wc -l; readlink ~tl-user/tree/link"), "99\ndeep/1")

    def test_a_suspended_sandbox_is_resumed(self):
        self.tl.ok("suspend", self.box)
        self.assertEqual(self.ssh("far", "echo here").stdout, b"here\n")

    def test_a_stranger_is_not_let_in(self):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / "other"], check=True)
        words = ("-o", f"IdentityFile={self.folder / 'other'}", "-o", "BatchMode=yes")
        text = self.config.read_text().replace("IdentityFile", "# IdentityFile")
        config = self.folder / "without"
        config.write_text(text)
        done = subprocess.run(["ssh", "-F", config, *words, "far", "true"], env=self.variables, capture_output=True)
        self.assertEqual(done.returncode, 255, done)
        self.assertIn(b"Permission denied", done.stderr)

    def test_an_image_without_a_server_says_so(self):
        box = self.tl.create()
        config = self.folder / "bare"
        config.write_bytes(self.tl.ok("ssh", box, "--config").out)
        done = subprocess.run(["ssh", "-F", config, box, "true"], env=self.variables, capture_output=True)
        self.assertEqual(done.returncode, 255, done)
        self.assertIn(b"install openssh-server", done.stderr)
        self.tl.ok("terminate", box)

    def test_who_is_not_there_has_no_stanza(self):
        self.assertOutcome(self.tl.sbx("ssh", "nobody", "--config"), 125, "nobody")


if __name__ == "__main__":
    cases.main()
