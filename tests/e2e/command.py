# SPDX-License-Identifier: Apache-2.0
"""The command itself: help, versions, aliases, doctor, images. No guest is needed."""

import re
import subprocess

from support import cases, environment

VERBS = ("create", "ls", "describe", "name", "exec", "run", "terminate", "doctor", "image")


class Surface(cases.TlCase):
    def test_the_version_is_told(self):
        long = self.tl.ok("tl", "version")
        self.assertRegex(long.text, r"\d+\.\d+\.\d+")
        self.assertEqual(self.tl.ok("tl", "--version").text, long.text)

    def test_every_command_has_help_on_stdout(self):
        for words in (("tl", "--help"), ("--help",), ("image", "ls", "--help"), *((verb, "-h") for verb in VERBS)):
            with self.subTest(words=words):
                outcome = self.tl.ok(*words)
                self.assertRegex(outcome.text, "(?i)usage")
                self.assertEqual(outcome.err, b"")
        text = self.tl.ok("--help").text
        for verb in VERBS:
            self.assertIn(verb, text)

    def test_aliases_and_unambiguous_prefixes_work(self):
        for words in (("list",), ("li",), ("image", "ls"), ("im", "l")):
            self.tl.ok(*words)
        for word in ("new", "info", "stop", "cr", "desc", "do", "term"):
            self.tl.ok(word, "--help")
        self.assertEqual(self.tl.sbx("").code, 2)

    def test_an_empty_listing_is_no_error(self):
        self.assertEqual(self.tl.ok("ls", "-q").out, b"")
        self.assertEqual(self.tl.ok("ls", "--json").json, [])

    def test_a_closed_stdout_ends_quietly(self):
        for words in (("--help",), ("ls",), ("image", "ls")):
            client = self.start(*words)
            client.stdout.close()
            self.assertEqual((client.wait(30), client.stderr.read()), (0, b""), words)

    def test_it_is_one_executable(self):
        linked = subprocess.run(["ldd", self.tl.binary], capture_output=True, text=True, check=False)
        needed = re.findall(r"^\s*(\S+) =>", linked.stdout, re.MULTILINE)
        environment.require_host(not needed, "not the static build")
        self.assertRegex(linked.stdout + linked.stderr, "not a dynamic executable|statically linked")


class Doctor(cases.TlCase):
    def test_doctor_explains_what_it_found(self):
        outcome = self.tl.sbx("doctor")
        self.assertIn(outcome.code, (0, 6), outcome)
        for word in ("kvm", "tcg", "kernel", "image"):
            self.assertRegex(outcome.text, f"(?i){word}")

    def test_doctor_json_has_a_verdict_for_each_check(self):
        report = self.tl.sbx("doctor", "--json").json
        self.assertIsInstance(report["usable"], bool)
        names = set()
        for check in report["checks"]:
            names.add(check["name"])
            self.assertIn(check["verdict"], ("ok", "warning", "failure"))
            self.assertTrue(check["detail"])
        self.assertLessEqual({"kvm", "kernel"}, names)

    def test_auto_chooses_a_machine_that_works(self):
        environment.require_guest()
        outcome = self.tl.sbx("run", "--", "echo", "automatic")
        self.assertEqual((outcome.code, outcome.text), (0, "automatic"), outcome)


class Images(cases.TlCase):
    def test_image_ls_shows_the_default_image(self):
        environment.require_guest()
        self.assertIn("default", self.tl.ok("image", "ls").text)
        (image,) = [entry for entry in self.tl.ok("image", "ls", "--json").json if entry["name"] == "default"]
        self.assertRegex(image["digest"], "^sha256:[0-9a-f]{64}$")
        self.assertGreater(image["size_bytes"], 10_000_000)


if __name__ == "__main__":
    cases.main()
