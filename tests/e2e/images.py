# SPDX-License-Identifier: Apache-2.0
"""Images from layouts, archives and folders; sandboxes of them; hostile ones."""

import gzip
import hashlib
import json
import os
import pathlib
import socket
import tarfile
import tempfile

from support import cases, environment
from support.images import ImageCase, Layout, tar_of

ONE_MIB = 1 << 20


class Scratch(ImageCase):
    def test_an_image_with_nothing_but_a_static_program_runs_it(self):
        environment.require_guest()
        layout = Layout(self.folder / "scratch")
        layout.add(
            "1.0",
            [tar_of(("hello", self.program())), tar_of(("file", b"x" * 10))],
            User="33:44",
            WorkingDir="/made/for/it",
            Env=["GREETING=hi"],
            Entrypoint=["/hello"],
            Cmd=["x"],
        )
        name = self.import_image(str(layout.folder))
        self.assertEqual(name, "scratch:1.0")
        box = self.tl.create("--image", name)
        outcome = self.tl.exec(box, "--", "/hello")
        self.assertEqual((outcome.code, outcome.text), (7, "hello from 33:44 in /made/for/it"), outcome)
        outcome = self.tl.ok("exec", box, "--user", "0", "--", "/hello", "stat", "/tmp", "/proc", "/etc", "/run")
        self.assertRegex(outcome.text, r"/tmp 41777 0:0")
        self.assertNotIn("missing", outcome.text)
        self.assertEqual(self.tl.exec(box, "--", "sh", "-c", "true").code, 127)
        described = self.tl.ok("image", "describe", name, "--json").json
        self.assertEqual(described["config"]["entrypoint"], ["/hello"])
        self.assertEqual(described["config"]["env"], ["GREETING=hi"])
        self.assertEqual(described["sandboxes"], [box])
        refused = self.tl.sbx("image", "rm", name)
        self.assertRefused(refused, box, code=4)
        self.tl.ok("terminate", box)
        self.assertEqual(self.tl.ok("image", "rm", name).text, name)
        self.assertEqual(self.tl.sbx("image", "describe", name).code, 3)


class Layers(ImageCase):
    """What layers do to each other, looked at from inside."""

    def test_whiteouts_links_owners_and_attributes_are_as_the_layers_say(self):
        environment.require_guest()
        lower = tar_of(
            ("hello", self.program()),
            ("d", None),
            ("d/gone", b"1"),
            ("d/kept", b"2"),
            ("opaque", None),
            ("opaque/old", b"3"),
            ("usr/lib", None),
            ("lib", (tarfile.SYMTYPE, "usr/lib")),
            ("owned", b"4", {"uid": 1234, "gid": 4321, "mode": 0o4711}),
        )
        upper = tar_of(
            ("d/.wh.gone", b""),
            ("opaque/new", b"5"),
            ("opaque/.wh..wh..opq", b""),
            ("lib/added", b"6"),
            ("linked", (tarfile.LNKTYPE, "d/kept")),
        )
        layout = Layout(self.folder / "layers")
        layout.add("latest", [lower, upper])
        name = self.import_image(str(layout.archive(self.folder / "layers.tar")))
        self.assertEqual(name, "layers")
        box = self.tl.create("--image", name)
        paths = ["/d/gone", "/d/kept", "/opaque/old", "/opaque/new", "/usr/lib/added", "/owned", "/linked", "/lib"]
        said = self.tl.ok("exec", box, "--", "/hello", "stat", *paths).text
        for line in (
            "/d/gone missing",
            "/d/kept 100755 0:0 2",
            "/opaque/old missing",
            "/opaque/new 100755 0:0 1",
            "/usr/lib/added 100755 0:0 1",
            "/owned 104711 1234:4321 1",
            "/linked 100755 0:0 2",
        ):
            self.assertIn(line, said)
        self.assertRegex(said, "/lib 120")
        self.tl.ok("terminate", box)


class Places(ImageCase):
    """Where images come from; no machine is started."""

    def test_a_tar_of_a_root_file_system_is_an_image_plain_or_compressed(self):
        data = tar_of(("bin", None), ("bin/x", b"x"))
        plain = self.folder / "My Root.tar"
        plain.write_bytes(data)
        self.assertEqual(self.import_image(str(plain)), "my-root")
        packed = self.folder / "packed.tgz"
        packed.write_bytes(gzip.compress(data))
        self.assertEqual(self.import_image(str(packed), "--name", "other:1"), "other:1")
        names = [image["name"] for image in self.tl.ok("image", "ls", "--json").json]
        self.assertTrue({"my-root", "other:1"} <= set(names), names)

    def test_what_was_imported_before_only_gets_the_name(self):
        plain = self.folder / "again.tar"
        plain.write_bytes(tar_of(("x", b"x")))
        first = self.tl.ok("image", "import", str(plain), "--json").json
        second = self.tl.ok("image", "import", str(plain), "-n", "alias", "--json").json
        self.assertEqual(first["digest"], second["digest"])
        self.assertEqual(first["created_at"], second["created_at"])
        self.assertEqual(first["source_digest"], "sha256:" + hashlib.sha256(plain.read_bytes()).hexdigest())
        larger = self.tl.ok("image", "import", str(plain), "-n", "larger", "--disk-mb", "20480", "--json").json
        self.assertNotEqual(larger["digest"], first["digest"])
        self.assertEqual(larger["disk_mb"], 20480)
        self.tl.ok("image", "rm", "alias")
        self.tl.ok("image", "describe", "again")
        outcome = self.tl.sbx("image", "rm", "nobodys", "again", "larger")
        self.assertOutcome(outcome, 3, "nobodys")
        self.assertEqual(outcome.lines, ["again", "larger"])

    def test_a_folder_is_an_image_with_all_kinds_of_files(self):
        root = self.folder / "tree"
        (root / "sub").mkdir(parents=True)
        (root / "sub/file").write_bytes(b"data")
        os.link(root / "sub/file", root / "linked")
        os.symlink("/etc/passwd", root / "link")
        os.mkfifo(root / "fifo")
        with socket.socket(socket.AF_UNIX) as listener:
            here = os.getcwd()
            os.chdir(root)
            listener.bind("socket")
            os.chdir(here)
        with open(root / "sparse", "wb") as sparse:
            sparse.truncate(1 << 33)
        image = self.tl.ok("image", "import", str(root), "--json").json
        self.assertEqual(image["name"], "tree")
        self.assertLess(image["used_bytes"], 200 * ONE_MIB)

    def test_of_several_images_one_must_be_chosen(self):
        layout = Layout(self.folder / "several")
        layout.add("one", [tar_of(("1", b""))])
        layout.add("two", [tar_of(("2", b""))])
        self.assertRefused(self.tl.sbx("image", "import", str(layout.folder)), "one, two")
        self.assertRefused(self.tl.sbx("image", "import", f"{layout.folder}:three"), "one, two", code=3)
        self.assertEqual(self.import_image(f"{layout.folder}:two"), "several:two")

    def test_a_docker_save_archive_is_an_image(self):
        layer = tar_of(("file", b"x"))
        config = {
            "os": "linux",
            "architecture": "amd64",
            "config": {"Env": ["A=b"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"] * 2},
        }
        listed = [{"Config": "c.json", "RepoTags": ["team/app:7"], "Layers": ["1/layer.tar", "2/layer.tar"]}]
        saved = self.folder / "saved.tar"
        saved.write_bytes(
            tar_of(
                ("c.json", json.dumps(config).encode()),
                ("1/layer.tar", layer),
                ("2/layer.tar", (tarfile.SYMTYPE, "../1/layer.tar")),
                ("manifest.json", json.dumps(listed).encode()),
            )
        )
        self.assertEqual(self.import_image(str(saved)), "team/app:7")
        self.assertEqual(self.tl.ok("image", "describe", "team/app:7", "--json").json["config"]["env"], ["A=b"])

    def test_images_of_the_system_stay(self):
        environment.require_guest()
        self.assertRefused(self.tl.sbx("image", "rm", "default"), "belongs to the system", code=4)

    def test_without_skopeo_a_registry_is_out_of_reach_and_the_cure_is_told(self):
        elsewhere = dict(self.tl.variables, PATH="/nowhere")
        if any(os.access(f"{folder}/skopeo", os.X_OK) for folder in ("/usr/local/sbin", "/usr/sbin", "/sbin")):
            self.skipTest("skopeo is in a folder that is always looked in")
        outcome = self.tl.sbx("image", "import", "docker://alpine:3", env=elsewhere)
        self.assertRefused(outcome, "skopeo", "apt-get install skopeo", code=6)


class Hostile(ImageCase):
    """Refused with one sentence, and nothing of it is left."""

    def refuse(self, path, *said, code=5):
        before = self.store()
        self.assertRefused(self.tl.sbx("image", "import", str(path)), *said, code=code)
        self.assertEqual(self.store(), before)

    def write(self, name, data):
        (self.folder / name).write_bytes(data)
        return self.folder / name

    def layout(self, *layers, **more):
        folder = tempfile.mkdtemp(prefix="layout-", dir=self.folder)
        layout = Layout(pathlib.Path(folder) / "l")
        layout.add("latest", layers, **more)
        return layout

    def test_archives_that_get_out_or_are_none(self):
        self.refuse(self.write("up.tar", tar_of(("../../etc/evil\nname", b"x"))), r"\.\.")
        self.refuse(self.write("text", b"hello\n" * 100), "tar archive")
        self.refuse(self.write("cut.tar", tar_of(("x", b"x" * 5000))[:3000]), "tar archive")
        circle = [("a", (tarfile.SYMTYPE, "b")), ("b", (tarfile.SYMTYPE, "a")), ("a/x", b"")]
        self.refuse(self.layout(tar_of(*circle)).folder, "circle")
        self.refuse(self.layout(tar_of(("d/.wh...", b""))).folder, "whiteout")
        self.refuse(self.layout(b"no tar at all").folder, "layer 1 of 1")

    def test_layers_that_lie(self):
        layout = self.layout(tar_of(("x", b"x" * 100)), compress=bytes)
        for blob in (layout.folder / "blobs/sha256").iterdir():
            if blob.stat().st_size > 5000:
                whole = blob.read_bytes()
                blob.write_bytes(whole[:600] + b"!" + whole[601:])
                self.refuse(layout.folder, "digest")
                blob.write_bytes(whole + b"more")
                self.refuse(layout.folder, "more bytes")
                blob.unlink()
                self.refuse(layout.folder, "missing", code=3)

    def test_bombs(self):
        disk = 10240 * ONE_MIB
        member = tarfile.TarInfo("bomb")
        member.size = disk + ONE_MIB
        head = member.tobuf(tarfile.GNU_FORMAT)
        self.refuse(self.write("claims.tar", head + b"\0" * ONE_MIB), "tar archive")
        many = self.layout(*[tar_of(("x", b""))] * 513)
        self.refuse(many.folder, "512")
        (many.folder / "index.json").write_bytes(b"[" * (3 * ONE_MIB))
        self.refuse(many.folder, "deep")
        (many.folder / "index.json").write_bytes(b" " * (100 * ONE_MIB))
        self.refuse(many.folder, "longer")


if __name__ == "__main__":
    cases.main()
