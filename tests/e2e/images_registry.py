# SPDX-License-Identifier: Apache-2.0
"""Images of a registry on this machine's loopback address, and those that skopeo and umoci make."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

from support import cases, environment, packages
from support.images import ImageCase

ONE_MIB = 1 << 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Registry(ImageCase):
    """skopeo, umoci and a registry on this machine's loopback address."""

    @classmethod
    def setUpClass(cls):
        for program in ("skopeo", "umoci"):
            environment.require_built(shutil.which(program) or environment.IN_LAB, f"no {program} in PATH")
            environment.require_host(shutil.which(program), f"no {program} in PATH")
        super().setUpClass()
        cls.address = cls.start_registry()
        cls.layout = cls.folder / "made"
        cls.make()

    @staticmethod
    def find_registry():
        return shutil.which("docker-registry") or packages.unpacked("docker-registry") / "usr/bin/docker-registry"

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
        server = subprocess.Popen([cls.find_registry(), "serve", config], stdout=log, stderr=log)
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
        there = f"docker://{cls.address}/team/made:1"
        cls.run_program("skopeo", "copy", "--dest-tls-verify=false", "oci:made:1", there)

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
