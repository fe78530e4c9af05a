# SPDX-License-Identifier: Apache-2.0
"""Images from everywhere: layouts, archives, folders and a registry; sandboxes of them; hostile ones."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.request

from support import cases, environment

ONE_MIB = 1 << 20


def tar_of(*members):
    """A tar of (name, contents, what else is to be set); contents None is a folder, a tuple (type, link)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, contents, *more in members:
            member = tarfile.TarInfo(name)
            member.mode = 0o755
            data = b""
            if contents is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(contents, tuple):
                member.type, member.linkname = contents
            else:
                data = contents
                member.size = len(data)
            for change in more:
                for attribute, value in change.items():
                    setattr(member, attribute, value)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


class Layout:
    """An OCI image layout, by hand."""

    MANIFEST = "application/vnd.oci.image.manifest.v1+json"
    LAYER = "application/vnd.oci.image.layer.v1.tar"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        (self.folder / "blobs/sha256").mkdir(parents=True)
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.manifests = []

    def blob(self, media_type, data):
        digits = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs/sha256" / digits).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digits}", "size": len(data)}

    def add(self, name, layers, compress=gzip.compress, **config):
        kind = self.LAYER + ("+gzip" if compress is gzip.compress else "")
        document = {
            "os": "linux",
            "architecture": "amd64",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": self.MANIFEST,
            "config": self.blob("application/vnd.oci.image.config.v1+json", json.dumps(document).encode()),
            "layers": [self.blob(kind, compress(each)) for each in layers],
        }
        described = self.blob(self.MANIFEST, json.dumps(manifest).encode())
        described["annotations"] = {"org.opencontainers.image.ref.name": name}
        self.manifests.append(described)
        self.write()
        return described

    def write(self):
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self.manifests}))

    def archive(self, path):
        with tarfile.open(path, "w") as tar:
            tar.add(self.folder, arcname=".")
        return path


STATIC_HELLO = """
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
int main(int argc, char **argv) {
  char where[4096];
  struct stat s;
  if (argc > 1 && !strcmp(argv[1], "stat")) {
    for (int i = 2; i < argc; ++i) {
      if (lstat(argv[i], &s)) printf("%s missing\\n", argv[i]);
      else printf("%s %o %u:%u %lu\\n", argv[i], s.st_mode, s.st_uid, s.st_gid, (unsigned long)s.st_nlink);
    }
    return 0;
  }
  printf("hello from %u:%u in %s\\n", getuid(), getgid(), getcwd(where, sizeof where));
  return 7;
}
"""


class ImageCase(cases.TlCase):
    """A folder to make images in, and a static program. Importing needs no guest."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory(prefix="tl images ")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)

    @classmethod
    def program(cls):
        """`hello`, without any library: built where there is a compiler, else a program of this system's."""
        source = cls.folder / "hello.c"
        if not shutil.which("cc"):
            environment.require_host(False, "no C compiler for a static program")
        built = cls.folder / "hello"
        if not built.exists():
            source.write_text(STATIC_HELLO)
            subprocess.run(["cc", "-static", "-Os", "-s", "-o", built, source], check=True)
        return built.read_bytes()

    def import_image(self, *words, **options):
        outcome = self.tl.ok("image", "import", *words, **options)
        self.assertEqual(outcome.err, b"")
        self.assertEqual(len(outcome.lines), 1, outcome)
        return outcome.text

    def store(self):
        """Everything in the store but its locks."""
        images = self.tl.home / "images"
        if not images.exists():
            return set()
        found = {str(path.relative_to(images)) for path in images.rglob("*")}
        return {name for name in found if not name.startswith(("locks", "layers"))} - {"names"}

    def assertRefused(self, outcome, *said, code=5):
        self.assertOutcome(outcome, code, *said)
        self.assertEqual(outcome.out, b"")
        self.assertEqual(len(outcome.complaint.split("hint:")[0].strip().splitlines()), 1, outcome)


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


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Registry(ImageCase):
    """skopeo, umoci and a registry on this machine's loopback address."""

    @classmethod
    def setUpClass(cls):
        for program in ("skopeo", "umoci", "docker-registry"):
            environment.require_built(shutil.which(program) or environment.IN_LAB, f"no {program} in PATH")
            environment.require_host(shutil.which(program), f"no {program} in PATH")
        super().setUpClass()
        cls.address = cls.start_registry()
        cls.layout = cls.folder / "made"
        cls.make()

    @classmethod
    def start_registry(cls):
        port = free_port()
        config = cls.folder / "registry.yml"
        data = cls.folder / "registry"
        config.write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: '{data}'}}}}\n"
            f"http: {{addr: '127.0.0.1:{port}'}}\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
        )
        log = open(cls.folder / "registry.log", "wb")
        server = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log)
        log.close()
        cls.addClassCleanup(lambda: (server.terminate(), server.wait()))
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=10).close()
                return f"127.0.0.1:{port}"
            time.sleep(0.1)
        raise AssertionError((cls.folder / "registry.log").read_text())

    @classmethod
    def run_program(cls, *words):
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cls.folder)
        if done.returncode != 0:
            raise AssertionError(f"{words}: {done.stdout.decode()}")

    @classmethod
    def make(cls):
        """An image of two layers by umoci, in the registry too."""
        cls.run_program("umoci", "init", "--layout", "made")
        cls.run_program("umoci", "new", "--image", "made:1")
        for name, contents in (("first", b"one"), ("second", os.urandom(ONE_MIB))):
            (cls.folder / name).write_bytes(contents)
            cls.run_program("umoci", "insert", "--rootless", "--image", "made:1", name, f"/data/{name}")
        (cls.folder / "hello-program").write_bytes(cls.program())
        (cls.folder / "hello-program").chmod(0o755)
        cls.run_program("umoci", "insert", "--rootless", "--image", "made:1", "hello-program", "/hello")
        cls.run_program("umoci", "insert", "--rootless", "--image", "made:1", "--whiteout", "/data/first")
        cls.run_program("umoci", "config", "--image", "made:1", "--config.workingdir", "/data")
        cls.run_program("skopeo", "copy", "--dest-tls-verify=false", "oci:made:1", f"docker://{cls.address}/team/made:1")

    def import_from_registry(self, *words):
        return self.tl.sbx("image", "import", f"docker://{self.address}/team/made:1", *words)

    def test_an_image_of_a_registry_is_imported_and_only_named_again(self):
        self.assertOutcome(self.import_from_registry(), 1, "skopeo", "--insecure")
        outcome = self.import_from_registry("--insecure")
        self.assertEqual((outcome.code, outcome.lines), (0, ["team/made:1"]), outcome)
        first = self.tl.ok("image", "describe", "team/made:1", "--json").json
        again = self.tl.ok("image", "import", f"docker://{self.address}/team/made:1", "--insecure", "--json").json
        self.assertEqual(again["created_at"], first["created_at"])
        self.assertGreater(self.tl.ok("prune", "--json").json["layers"], 2)
        self.assertEqual(self.tl.ok("prune", "--json").json["layers"], 0)
        self.tl.ok("image", "describe", "team/made:1")

    def test_an_image_that_umoci_made_runs(self):
        environment.require_guest()
        name = self.import_image(f"{self.layout}:1", "-n", "team/made:1")
        box = self.tl.create("--image", name)
        self.assertEqual(self.tl.exec(box, "--", "/hello").text, "hello from 0:0 in /data")
        said = self.tl.ok("exec", box, "--", "/hello", "stat", "/data/first", "/data/second").text
        self.assertIn("/data/first missing", said)
        self.assertNotIn("/data/second missing", said)
        self.tl.ok("terminate", box)

    def test_what_skopeo_writes_is_imported_in_every_form(self):
        digests = set()
        for form in ("oci:as-layout:x", "oci-archive:as-oci.tar:x"):
            self.run_program("skopeo", "copy", "oci:made:1", form)
            path = self.folder / form.split(":")[1]
            digests.add(self.tl.ok("image", "import", str(path), "-n", "one", "--json").json["digest"])
        digests.add(self.tl.ok("image", "import", f"{self.layout}:1", "-n", "one", "--json").json["digest"])
        self.assertEqual(len(digests), 1)
        self.run_program("skopeo", "copy", "oci:made:1", "docker-archive:as-docker.tar:team/other:2")
        self.assertEqual(self.import_image(str(self.folder / "as-docker.tar")), "team/other:2")

    def test_what_is_not_there_is_told_in_skopeos_words(self):
        outcome = self.tl.sbx("image", "import", f"docker://{self.address}/team/made:none", "--insecure")
        self.assertRefused(outcome, "manifest unknown", code=3)
        self.assertFalse((self.tl.home / "images/layers/fetching").exists())

    def test_an_interrupted_fetch_ends_skopeo_and_leaves_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"docker://127.0.0.1:{silent.getsockname()[1]}/x:1"
            client = self.start("image", "import", address, "--insecure")
            connection, _ = silent.accept()  # skopeo is there, and will hear nothing
            with connection:
                client.send_signal(signal.SIGINT)
                outcome = self.tl.finish(client, timeout=60)
        self.assertOutcome(outcome, 130, "interrupted")
        self.assertFalse((self.tl.home / "images/layers/fetching").exists())
        self.tl.wait_for_silence()


if __name__ == "__main__":
    cases.main()
