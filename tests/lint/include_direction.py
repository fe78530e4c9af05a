#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that dependencies go one way: cli -> runtime -> common, and inside runtime sandbox -> monitor ->
the siblings, which do not know each other; build stands on sandbox alone. Walks the #include "…" lines, which
are written from the repository's root.

usage: include_direction.py [ROOT]
"""

import os
import re
import sys

import sources

SIBLINGS = {"machine", "virtio", "storage", "network", "guest", "snapshot", "registry"}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def component(path):
    """The part of the house a file is in: ("runtime", "storage"), ("common", ""), …"""
    parts = path.split("/")
    if parts[0] == "runtime":
        return ("runtime", parts[1] if len(parts) > 2 else "")
    return (parts[0], "")


def allowed(user, used):
    """Whether a file of component `user` may include one of component `used`."""
    if user == used or used[0] == "common" or user[0] == "tests":
        return True
    if user[0] == "cli":
        return used[0] == "runtime"
    if user[0] != "runtime" or used[0] != "runtime":
        return False
    if user[1] == "build":
        return used[1] == "sandbox"
    if user[1] == "sandbox":
        return used[1] == "monitor" or used[1] in SIBLINGS
    return user[1] == "monitor" and used[1] in SIBLINGS


def violations(root):
    for path in sources.files(root, (".hpp", ".cpp", ".h", ".c", ".S")):
        user = component(path)
        if user[0] == "runtime" and user[1] not in SIBLINGS | {"build", "sandbox", "monitor"}:
            yield f"{path}: runtime/ has no folder of this name in the plan"
        for number, line in enumerate(sources.lines(root, path), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            used = match.group(1)
            if not os.path.exists(os.path.join(root, used)):
                yield f'{path}:{number}: "{used}" is not a path from the repository\'s root'
            elif not allowed(user, component(used)):
                yield f'{path}:{number}: {"/".join(filter(None, user))} must not include "{used}"'


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    found = list(violations(root))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
