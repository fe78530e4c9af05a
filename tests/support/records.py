# SPDX-License-Identifier: Apache-2.0
"""The documents that the registry keeps, as files."""

import os
import pathlib
import string

DIGITS = string.digits + string.ascii_lowercase


def document_of(home, sandbox):
    """The sandbox's document, wherever in the state folder the registry keeps it."""
    for path, _, names in os.walk(home):
        for name in names:
            file = pathlib.Path(path, name)
            if name.endswith(".json") and sandbox in str(file.relative_to(home)):
                return file
    raise AssertionError(f"{sandbox} has no document in {home}")


def multiply(home, sandbox, count):
    """Adds copies of the sandbox's document under other IDs."""
    document = document_of(home, sandbox)
    relative, text = str(document.relative_to(home)), document.read_text()
    for number in range(count):
        other = "".join(DIGITS[number // 36**place % 36] for place in range(4)).ljust(len(sandbox), "z")
        target = home / relative.replace(sandbox, other)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        target.write_text(text.replace(sandbox, other))
