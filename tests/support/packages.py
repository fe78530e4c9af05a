# SPDX-License-Identifier: Apache-2.0
"""Programs of the distribution's packages that are not to be installed, for that would start them as services."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from support import environment

CACHE = pathlib.Path(os.environ.get("TL_CACHE") or pathlib.Path.home() / ".cache/tl-sbx")


def unpacked(*packages):
    """A folder with what is in the packages, fetched once; skips where they cannot be had."""
    folder = CACHE / "packages" / "+".join(packages)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        words = ["apt-get", "-q", "download", *packages]
        environment.require_host(shutil.which("apt-get"), f"this host has no {packages[0]}, and no apt to get it")
        got = subprocess.run(words, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        environment.require_host(got.returncode == 0, f"apt cannot get {packages[0]}: {got.stdout[-300:]}")
        root = pathlib.Path(work, "root")
        root.mkdir(mode=0o755)
        for package in pathlib.Path(work).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, root], check=True)
        if not folder.is_dir():
            root.rename(folder)
    return folder
