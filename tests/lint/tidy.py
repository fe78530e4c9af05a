#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy over the project's .cpp files, and remembers which are clean.

A file is clean for as long as nothing changes of what clang-tidy saw: its version, .clang-tidy, the compile
command, the file and the project's headers it includes. Clean results are kept as empty files named by the
digest of all that, in a folder outside the clone.

usage: tidy.py BUILD_FOLDER CACHE_FOLDER [FILE…]
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
# Clang 14 has coroutines but neither says so to libstdc++ nor is believed by Asio.
COROUTINES = ["-D__cpp_impl_coroutine=201902L", "-DASIO_HAS_CO_AWAIT", "-DASIO_HAS_STD_COROUTINE"]


def clang_version():
    text = subprocess.run(["clang-tidy", "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"version (\d+)", text).group(1)), text


def content(path, known):
    """The bytes of a file and of every project file it includes, as one digest a file."""
    if path in known:
        return
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        known[path] = b""
        return
    known[path] = hashlib.sha256(text).digest()
    for used in INCLUDE.findall(text):
        content(os.path.join(ROOT, os.fsdecode(used)), known)


def digest(entry, version):
    known = {}
    content(entry["file"], known)
    content(os.path.join(ROOT, ".clang-tidy"), known)
    whole = hashlib.sha256((version + " ".join(entry["arguments"])).encode())
    for path in sorted(known):
        whole.update(os.path.relpath(path, ROOT).encode() + b"\0" + known[path])
    return whole.hexdigest()


def commands(build, major):
    """The compile commands of our own sources, as clang understands them."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    by_file = {}
    for entry in entries:
        path = os.path.realpath(os.path.join(entry["directory"], entry["file"]))
        if not path.endswith(".cpp") or os.path.relpath(path, ROOT).startswith(("..", "build")):
            continue
        arguments = [word for word in shlex.split(entry["command"])
                     if word not in ("-fcoroutines", "-Werror") and not word.startswith("-fsanitize")]
        if os.path.basename(arguments[0]) == "ccache":
            arguments = arguments[1:]
        if major < 15:
            arguments[1:1] = COROUTINES
        by_file.setdefault(path, {"directory": entry["directory"], "file": path, "arguments": arguments})
    return by_file


def main():
    build, cache = sys.argv[1:3]
    only = {os.path.realpath(path) for path in sys.argv[3:]}
    os.makedirs(cache, exist_ok=True)
    major, version = clang_version()
    entries = commands(build, major)
    digests = {path: digest(entry, version) for path, entry in entries.items() if not only or path in only}
    todo = sorted(path for path, name in digests.items() if not os.path.exists(os.path.join(cache, name)))
    print(f"clang-tidy: {len(digests) - len(todo)} files known to be clean, {len(todo)} to check", flush=True)

    failed = 0
    with tempfile.TemporaryDirectory() as database:
        with open(os.path.join(database, "compile_commands.json"), "w", encoding="utf-8") as file:
            json.dump(list(entries.values()), file)

        def check(path):
            return path, subprocess.run(["clang-tidy", "-p", database, "--quiet", path], cwd=ROOT, text=True,
                                        capture_output=True, check=False)

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for number, (path, result) in enumerate(pool.map(check, todo), 1):
                relative = os.path.relpath(path, ROOT)
                if result.returncode == 0:
                    with open(os.path.join(cache, digests[path]), "w", encoding="utf-8"):
                        pass
                    print(f"[{number}/{len(todo)}] {relative}", flush=True)
                else:
                    failed += 1
                    print(f"[{number}/{len(todo)}] {relative}: FAILED\n{result.stdout}", flush=True)
                    if not result.stdout.strip():
                        print(result.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
