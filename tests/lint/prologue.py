#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every source begins with its licence; a header's next line is #pragma once, and neither is there twice.
A file that is long enough to be looked at again is mentioned, which is no failure.

usage: prologue.py [ROOT]
"""

import os
import sys

import sources

LICENCE = "SPDX-License-Identifier: Apache-2.0"
# What is compiled into Linux must be under its licence as well.
KERNEL_LICENCE = "SPDX-License-Identifier: GPL-2.0 OR Apache-2.0"
MARKS = {".hpp": "// ", ".cpp": "// ", ".h": "// ", ".c": "// ", ".py": "# ", ".sh": "# ",
         ".cmake": "# ", ".config": "# "}
LOOK_AGAIN = 400


def mark(root, path):
    """How a comment begins in this file, or None when it carries no prologue."""
    for suffix, text in MARKS.items():
        if path.endswith(suffix):
            return text
    first = sources.lines(root, path)[0]
    if path.endswith(".S"):
        return "# " if first.startswith("#") else "// "
    return "# " if first.startswith("#!") or os.path.basename(path) == "CMakeLists.txt" else None


def violations(root):
    for path in sources.files(root):
        comment = mark(root, path)
        if comment is None:
            continue
        lines = sources.lines(root, path)
        if lines[0].startswith("#!"):
            lines = lines[1:]
        licence = KERNEL_LICENCE if path.startswith("runtime/guest/kernel/") and path.endswith(".c") else LICENCE
        if not lines or lines[0] != comment + licence:
            yield f"{path}: does not begin with '{comment}{licence}'"
        elif sum(line.startswith(comment + "SPDX-License") for line in lines) > 1:
            yield f"{path}: names its licence twice"
        if path.endswith((".hpp", ".h")):
            if lines[1:2] != ["#pragma once"]:
                yield f"{path}: its second line is not '#pragma once'"
            elif lines.count("#pragma once") > 1:
                yield f"{path}: has '#pragma once' twice"


def long_files(root):
    for path in sources.files(root, (".hpp", ".cpp", ".c", ".py", ".sh")):
        count = len(sources.lines(root, path))
        if count > LOOK_AGAIN:
            yield f"{path}: {count} lines, look again (not an error)"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    found = list(violations(root))
    for line in found:
        print(line)
    for line in long_files(root):
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
