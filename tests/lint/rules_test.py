#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The lint checks find what they are there to find."""

import os
import tempfile
import unittest

import include_direction
import prologue

CPP = "// SPDX-License-Identifier: Apache-2.0\n"
HPP = CPP + "#pragma once\n"


class House(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = self.folder.name
        for header in ("common/a.hpp", "runtime/storage/a.hpp", "runtime/guest/a.hpp", "runtime/monitor/a.hpp",
                       "runtime/sandbox/a.hpp", "runtime/build/a.hpp", "cli/a.hpp"):
            self.write(header, HPP)

    def tearDown(self):
        self.folder.cleanup()

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def includes(self, path, used):
        self.write(path, CPP + f'#include "{used}"\n')
        found = list(include_direction.violations(self.root))
        os.remove(os.path.join(self.root, path))
        return not found

    def test_the_arrow_goes_from_cli_to_runtime_to_common(self):
        self.assertTrue(self.includes("cli/b.cpp", "runtime/sandbox/a.hpp"))
        self.assertTrue(self.includes("runtime/storage/b.cpp", "common/a.hpp"))
        self.assertFalse(self.includes("runtime/sandbox/b.cpp", "cli/a.hpp"))
        self.assertFalse(self.includes("common/b.cpp", "runtime/storage/a.hpp"))
        self.assertFalse(self.includes("common/http2/b.cpp", "cli/a.hpp"))

    def test_siblings_do_not_know_each_other(self):
        self.assertTrue(self.includes("runtime/storage/disk/b.cpp", "runtime/storage/a.hpp"))
        self.assertFalse(self.includes("runtime/storage/b.cpp", "runtime/guest/a.hpp"))
        self.assertFalse(self.includes("runtime/guest/b.cpp", "runtime/monitor/a.hpp"))

    def test_sandbox_and_monitor_are_on_top(self):
        self.assertTrue(self.includes("runtime/monitor/b.cpp", "runtime/guest/a.hpp"))
        self.assertTrue(self.includes("runtime/sandbox/b.cpp", "runtime/monitor/a.hpp"))
        self.assertFalse(self.includes("runtime/monitor/b.cpp", "runtime/sandbox/a.hpp"))

    def test_build_stands_on_sandbox_alone(self):
        self.assertTrue(self.includes("runtime/build/b.cpp", "runtime/sandbox/a.hpp"))
        self.assertTrue(self.includes("cli/b.cpp", "runtime/build/a.hpp"))
        self.assertFalse(self.includes("runtime/build/b.cpp", "runtime/storage/a.hpp"))
        self.assertFalse(self.includes("runtime/sandbox/b.cpp", "runtime/build/a.hpp"))

    def test_an_include_is_written_from_the_root(self):
        self.assertFalse(self.includes("cli/b.cpp", "a.hpp"))
        self.assertFalse(self.includes("cli/b.cpp", "../common/a.hpp"))

    def test_a_folder_outside_the_plan_is_found(self):
        self.write("runtime/utils/a.cpp", CPP)
        self.assertEqual(len(list(include_direction.violations(self.root))), 1)

    def test_a_missing_prologue_is_found(self):
        self.assertEqual(list(prologue.violations(self.root)), [])
        self.write("cli/b.hpp", CPP + "\n#pragma once\n")
        self.write("cli/c.cpp", "int c;\n")
        self.write("cli/d.hpp", HPP + HPP)
        self.write("dev", "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n")
        found = [line.split(":")[0] for line in prologue.violations(self.root)]
        self.assertEqual(found, ["cli/b.hpp", "cli/c.cpp", "cli/d.hpp", "cli/d.hpp"])


if __name__ == "__main__":
    unittest.main()
