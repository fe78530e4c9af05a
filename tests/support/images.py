# SPDX-License-Identifier: Apache-2.0
"""Makes what images are imported from, by hand; and the test case's base class for importing it."""

import gzip
import hashlib
import io
import json
import pathlib
import tarfile
import tempfile

from support import cases, environment


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
        kind = self.LAYER + ("" if compress is bytes else "+gzip")
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


class ImageCase(cases.TlCase):
    """A folder to make images in, and a static program. Importing needs no guest."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory(prefix="tl images ")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)

    @staticmethod
    def program():
        """tests/e2e/hello.c."""
        built = environment.TL.parent / "e2e_hello"
        environment.require_built(built.exists(), f"{built} is not built")
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
