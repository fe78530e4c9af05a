# SPDX-License-Identifier: Apache-2.0
"""Snapshots become images, and images leave as OCI layouts that other tools agree with."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import unittest

from support import cases, environment

SCRIPT = """set -e
mkdir -p /srv/tools/deep
echo tools > /srv/tools/file
ln /srv/tools/file /srv/tools/deep/same
ln -s ../file /srv/tools/deep/link
printf 'in between' | dd of=/srv/tools/sparse bs=1 seek=50000000 2>/dev/null
truncate -s 60000000 /srv/tools/sparse
chown 1234:4321 /srv/tools/file
chmod 4751 /srv/tools/file
mknod /srv/tools/null c 1 3
mkfifo /srv/tools/fifo
touch -d @1234567890 /srv/tools/fifo
python3 -c 'import os; os.setxattr("/srv/tools/file", "user.colour", b"red")'
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/srv/tools/socket")'
# Small is fast.
rm -rf /usr/share/* /usr/lib/python3* /usr/lib/git-core /usr/lib/x86_64-linux-gnu/perl*
"""


def is_clean(path):
    """By e2fsck, which changes nothing."""
    checked = subprocess.run(
        ["e2fsck", "-fn", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False
    )
    return checked.returncode == 0, checked.stdout.decode()


class Layout:
    """An OCI layout, whose blobs are what their digests say."""

    def __init__(self, folder, case):
        self.folder = pathlib.Path(folder)
        self.case = case
        case.assertEqual(json.loads((self.folder / "oci-layout").read_text()), {"imageLayoutVersion": "1.0.0"})
        (self.named,) = json.loads((self.folder / "index.json").read_text())["manifests"]
        self.manifest = json.loads(self.blob(self.named))
        self.config = json.loads(self.blob(self.manifest["config"]))
        (descriptor,) = self.manifest["layers"]
        self.tar = gzip.decompress(self.blob(descriptor))
        (diff_id,) = self.config["rootfs"]["diff_ids"]
        case.assertEqual(diff_id, "sha256:" + hashlib.sha256(self.tar).hexdigest())

    def blob(self, descriptor):
        bytes_ = (self.folder / "blobs/sha256" / descriptor["digest"][len("sha256:") :]).read_bytes()
        self.case.assertEqual(descriptor["digest"], "sha256:" + hashlib.sha256(bytes_).hexdigest())
        self.case.assertEqual(descriptor["size"], len(bytes_))
        return bytes_

    def members(self):
        with tarfile.open(fileobj=io.BytesIO(self.tar)) as tar:
            return {member.name: member for member in tar.getmembers()}

    def read(self, name):
        with tarfile.open(fileobj=io.BytesIO(self.tar)) as tar:
            return tar.extractfile(name).read()


class Images(cases.GuestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        box = cls.tl.create()
        cls.tl.shell(box, SCRIPT)
        cls.snapshot = cls.tl.ok("checkpoint", box, "--name", "made").text
        cls.registered = cls.tl.ok("image", "register", "tools", "made", "--json").json
        cls.tl.ok("terminate", box)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tl images ")
        self.addCleanup(folder.cleanup)
        self.here = pathlib.Path(folder.name)

    def root_file(self, digest):
        return self.tl.home / "images" / digest.replace(":", "-") / "root.ext4"

    def export(self, *words, **options):
        return self.tl.sbx("image", "export", *words, cwd=self.here, **options)

    def exported(self, *words):
        outcome = self.export(*words)
        self.assertEqual(outcome.code, 0, outcome)
        return outcome

    # Register

    def test_a_sandbox_of_the_image_has_the_files_of_the_snapshot(self):
        box = self.tl.create("--image", "tools")
        self.addCleanup(self.tl.sbx, "terminate", box)
        self.assertEqual(self.tl.shell(box, "cat /srv/tools/deep/same"), "tools")
        self.assertEqual(self.tl.shell(box, "stat -c '%u %g %a %h' /srv/tools/file"), "1234 4321 4751 2")
        self.assertEqual(self.tl.shell(box, "tail -c +50000001 /srv/tools/sparse | head -c 10"), "in between")
        self.assertEqual(self.tl.shell(box, "ls /usr/share"), "")
        # The configuration is that of the image below.
        self.assertEqual(self.tl.exec(box, "pwd").text, "/workspace")
        self.assertEqual(self.tl.exec(box, "id", "-un").text, "tl-user")

    @unittest.skipUnless(shutil.which("e2fsck"), "there is no e2fsck")
    def test_the_image_is_a_clean_file_system_as_large_as_the_disk(self):
        root = self.root_file(self.registered["digest"])
        clean, said = is_clean(root)
        self.assertTrue(clean, said)
        status = root.stat()
        self.assertEqual(status.st_size, 10240 << 20)
        self.assertEqual(self.registered["size_bytes"], status.st_size)
        self.assertLess(status.st_blocks * 512, 2 << 30)

    def test_a_second_registration_only_names_it(self):
        before = time.monotonic()
        again = self.tl.ok("image", "register", "tools-2", self.snapshot, "--json").json
        self.assertEqual(again["digest"], self.registered["digest"])
        self.assertEqual(again["created_at"], self.registered["created_at"])
        self.assertLess(time.monotonic() - before, 60)
        self.assertEqual(self.tl.ok("image", "register", "tools-2", "made").out, b"tools-2\n")
        names = {image["name"] for image in self.tl.ok("image", "ls", "--json").json}
        self.assertLessEqual({"default", "tools", "tools-2"}, names)

    def test_the_snapshot_may_be_removed(self):
        box = self.tl.create("--image", "tools")
        self.addCleanup(self.tl.sbx, "terminate", box)
        snapshot = self.tl.ok("checkpoint", box).text
        self.tl.ok("image", "register", "stays", snapshot)
        self.tl.ok("checkpoint", "rm", snapshot)
        other = self.tl.create("--image", "stays")
        self.addCleanup(self.tl.sbx, "terminate", other)
        self.assertEqual(self.tl.shell(other, "cat /srv/tools/file"), "tools")
        self.assertOutcome(self.tl.sbx("image", "register", "gone", snapshot), 3, "snapshot")

    def test_what_cannot_be_an_image_is_refused(self):
        box = self.tl.create("--image", "tools")
        self.addCleanup(self.tl.sbx, "terminate", box)
        memory = self.tl.ok("checkpoint", box, "--checkpoint-type", "memory").text
        self.assertOutcome(self.tl.sbx("image", "register", "warm", memory), 4, "running machine", "hint:")
        self.assertOutcome(self.tl.sbx("image", "register", "No Name", "made"), 5, "hint:")
        self.assertOutcome(self.tl.sbx("image", "register", "none", "no-such"), 3)
        names = {image["name"] for image in self.tl.ok("image", "ls", "--json").json}
        self.assertEqual(names & {"warm", "none"}, set())

    @unittest.skipUnless(shutil.which("e2fsck"), "there is no e2fsck")
    def test_an_unfinished_file_system_is_finished_first(self):
        """That of a suspended sandbox, and one in which a removed file is open."""
        box = self.tl.create("sleeper", "--image", "tools")
        self.addCleanup(self.tl.sbx, "terminate", box)
        self.tl.shell(box, "echo late > /srv/late")
        script = "exec 3> /srv/open; rm /srv/open; touch /srv/ready; exec sleep 9999"
        self.tl.ok("exec", "--user", "root", "--detach", box, "--", "sh", "-c", script)
        self.eventually(lambda: self.tl.exec(box, "test", "-e", "/srv/ready").code == 0, "a removed file is open")
        running = self.tl.ok("checkpoint", box).text
        self.tl.ok("suspend", box)
        suspended = self.tl.ok("checkpoint", box).text
        for snapshot in (running, suspended):
            digest = self.tl.ok("image", "register", f"of-{snapshot}", snapshot, "--json").json["digest"]
            clean, said = is_clean(self.root_file(digest))
            self.assertTrue(clean, said)
        # Who finished them is gone, and so is what was frozen on the way.
        others = [each for each in self.tl.ok("ls", "--all", "--json").json if each.get("snapshot_id")]
        self.assertEqual(others, [])
        kept = {each["snapshot_id"] for each in self.tl.ok("checkpoint", "ls", "--json").json}
        folders = {name for name in os.listdir(self.tl.home / "snapshots") if not name.startswith(".")}
        self.assertEqual(folders, kept)
        self.exported(f"of-{suspended}", "late")
        self.assertEqual(Layout(self.here / "late", self).read("srv/late"), b"late\n")

    # Export

    def test_a_layout_has_the_files_and_the_configuration(self):
        outcome = self.exported("tools", "layout", "--tag", "1.2", "--json")
        layout = Layout(self.here / "layout", self)
        self.assertEqual(outcome.json["digest"], layout.named["digest"])
        self.assertEqual(outcome.json["path"], "layout")
        self.assertEqual(layout.named["annotations"], {"org.opencontainers.image.ref.name": "1.2"})
        self.assertEqual((layout.config["architecture"], layout.config["os"]), ("amd64", "linux"))
        self.assertEqual(layout.config["config"]["WorkingDir"], "/workspace")
        self.assertEqual(layout.config["config"]["User"], "tl-user")
        members = layout.members()
        file = members["srv/tools/deep/same"]  # which comes before the other name
        self.assertEqual((file.uid, file.gid, file.mode, file.size), (1234, 4321, 0o4751, 6))
        self.assertEqual(file.pax_headers["SCHILY.xattr.user.colour"], "red")
        self.assertTrue(members["srv/tools/file"].islnk())
        self.assertEqual(members["srv/tools/file"].linkname, "srv/tools/deep/same")
        self.assertEqual(members["srv/tools/deep/link"].linkname, "../file")
        self.assertTrue(members["srv/tools/null"].ischr())
        self.assertEqual((members["srv/tools/null"].devmajor, members["srv/tools/null"].devminor), (1, 3))
        self.assertEqual(members["srv/tools/fifo"].mtime, 1234567890)
        sparse = layout.read("srv/tools/sparse")
        self.assertEqual(len(sparse), 60000000)
        self.assertEqual(sparse.strip(b"\0"), b"in between")
        self.assertLess(len(layout.tar), 2 << 30)
        self.assertNotIn("srv/tools/socket", members)
        for left_out in ("lost+found", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/machine-id"):
            self.assertNotIn(left_out, members)
        self.assertIn("etc/passwd", members)

    def test_the_same_image_has_the_same_digests(self):
        (self.here / "empty").mkdir()
        first = self.exported("tools", "new", "--json").json
        second = self.exported("tools", "empty", "--json").json
        self.assertEqual(first["digest"], second["digest"])
        self.assertEqual(self.exported("tools", "one.tar").out, b"one.tar\n")
        with tarfile.open(self.here / "one.tar") as tar:
            tar.extractall(self.here / "unpacked")
        self.assertEqual(Layout(self.here / "unpacked", self).named["digest"], first["digest"])
        self.assertEqual(sorted(os.listdir(self.here)), ["empty", "new", "one.tar", "unpacked"])

    def test_refusals(self):
        (self.here / "full").mkdir()
        (self.here / "full/file").touch()
        (self.here / "there.tar").touch()
        self.assertOutcome(self.export("tools", "full"), 4, "not empty", "hint:")
        self.assertOutcome(self.export("tools", "there.tar"), 4, "there already", "hint:")
        self.assertOutcome(self.export("no-such", "new"), 3, "no image")
        self.assertOutcome(self.export("tools", "new", "--tag", "a b"), 5, "tag")
        self.assertOutcome(self.export("tools", "no/such/folder"), 3, "no folder")
        self.assertEqual(sorted(os.listdir(self.here)), ["full", "there.tar"])

    def test_an_interrupted_export_leaves_nothing(self):
        for path in ("layout", "layout.tar"):
            client = self.start("image", "export", "tools", path, cwd=self.here)
            self.eventually(lambda: any(self.here.glob(".tl-export.*/blobs/sha256/.layer")), "the export is under way")
            client.send_signal(signal.SIGINT)
            outcome = self.tl.finish(client)
            self.assertEqual(outcome.code, 130, outcome)
            self.assertEqual(os.listdir(self.here), [])

    def test_without_space_nothing_is_left(self):
        environment.require_root("mounting a small file system")
        small = self.here / "small"
        small.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", small], stderr=subprocess.PIPE, check=False)
        environment.require_host(mounted.returncode == 0, f"mount: {mounted.stderr}")
        self.addCleanup(subprocess.run, ["umount", small], check=True)
        for path in ("small", "small/new", "small/new.tar"):
            self.assertOutcome(self.export("tools", path), 6, "No space left")
            self.assertEqual(os.listdir(small), [])

    def test_a_terminal_is_told_how_far_it_is(self):
        primary, secondary = pty.openpty()
        client = self.start("image", "export", "tools", "layout", cwd=self.here, stderr=secondary)
        os.close(secondary)
        said = b""
        try:
            while chunk := os.read(primary, 4096):
                said += chunk
        except OSError:
            pass
        os.close(primary)
        self.assertEqual(client.wait(), 0)
        self.assertRegex(said.decode(), "iB, .*iB/s")

    @unittest.skipUnless(shutil.which("skopeo"), "there is no skopeo")
    def test_skopeo_takes_the_layout(self):
        digest = self.exported("tools", "layout", "--tag", "1.2", "--json").json["digest"]
        self.exported("tools", "layout.tar", "--tag", "1.2")
        for source in ("oci:layout:1.2", "oci-archive:layout.tar:1.2"):
            raw = subprocess.run(["skopeo", "inspect", "--raw", source], cwd=self.here, stdout=subprocess.PIPE, check=True)
            self.assertEqual("sha256:" + hashlib.sha256(raw.stdout).hexdigest(), digest)
        seen = subprocess.run(["skopeo", "inspect", "oci:layout:1.2"], cwd=self.here, stdout=subprocess.PIPE, check=True)
        seen = json.loads(seen.stdout)
        self.assertEqual((seen["Digest"], seen["Architecture"], seen["Os"]), (digest, "amd64", "linux"))
        subprocess.run(
            ["skopeo", "--insecure-policy", "copy", "-q", "oci:layout:1.2", "oci:copy:same"], cwd=self.here, check=True
        )
        self.assertEqual(Layout(self.here / "copy", self).named["digest"], digest)

    @unittest.skipUnless(shutil.which("umoci"), "there is no umoci")
    def test_umoci_unpacks_the_layout(self):
        self.exported("tools", "layout", "--tag", "1.2")
        # Devices become empty files without root, and owners ours.
        subprocess.run(
            ["umoci", "unpack", "--rootless", "--image", "layout:1.2", "bundle"], cwd=self.here, check=True, stdout=subprocess.DEVNULL
        )
        root = self.here / "bundle/rootfs"
        self.assertEqual((root / "srv/tools/deep/same").read_text(), "tools\n")
        self.assertEqual((root / "srv/tools/deep/same").stat().st_nlink, 2)
        self.assertEqual((root / "srv/tools/sparse").stat().st_size, 60000000)
        box = self.tl.create("--image", "tools")
        self.addCleanup(self.tl.sbx, "terminate", box)
        inside = self.tl.shell(box, "cd /usr && find . -xdev -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum")
        here = subprocess.run(
            "find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum",
            shell=True, cwd=root / "usr", stdout=subprocess.PIPE, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        self.assertEqual(here.stdout.decode().strip(), inside)


if __name__ == "__main__":
    cases.main()
