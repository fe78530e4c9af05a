# SPDX-License-Identifier: Apache-2.0
"""The project's own files, as the lint checks see them: paths relative to the repository's root."""

import os

FOLDERS = ("cli", "common", "runtime", "tests", "cmake", "completions", "man", ".ci")
SKIPPED = {".git", ".cache", "__pycache__"}


def files(root, suffixes=None, names=()):
    """Every file of the project whose name ends in one of `suffixes` or is in `names`, sorted."""
    found = []
    for top in FOLDERS:
        for folder, subfolders, entries in os.walk(os.path.join(root, top)):
            subfolders[:] = sorted(set(subfolders) - SKIPPED)
            found += [os.path.relpath(os.path.join(folder, entry), root) for entry in entries]
    found += [entry for entry in os.listdir(root) if os.path.isfile(os.path.join(root, entry))]
    return sorted(
        path for path in found
        if suffixes is None or path.endswith(suffixes) or os.path.basename(path) in names)


def lines(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read().split("\n")
