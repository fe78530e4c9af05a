# SPDX-License-Identifier: Apache-2.0
"""What is refused, with which exit code, before anything is made. No guest is needed."""

from support import cases


class Refusals(cases.TlCase):
    def tearDown(self):
        self.assertEqual(self.tl.ok("ls", "--all", "-q").out, b"", "a refused create leaves nothing behind")

    def refused(self, code, *words):
        with self.subTest(words=words):
            return self.assertOutcome(self.tl.sbx(*words), code)

    def test_cpus_are_more_than_0_and_at_most_64(self):
        for value in ("0", "-1", "64.01", "1e9", "nan", "inf", "many", "", "1x"):
            self.refused(5, "create", f"--cpus={value}")

    def test_memory_is_1024_to_8192_mb_for_each_core(self):
        outside = [("1", 1023), ("1", 8193), ("0.5", 8193), ("2", 2047), ("1.1", 1024), ("2", 16385), ("64", 65535)]
        malformed = (("1", value) for value in ("0", "-1024", "1g", "", "1024.5", "99999999999999999999"))
        for cpus, memory in (*outside, *malformed):
            self.refused(5, "create", "-c", cpus, f"--memory={memory}")

    def test_the_disk_is_10240_to_102400_mib(self):
        for flag in ("--disk_mb", "--disk-mb"):
            for value in ("10239", "102401", "0", "-1", "ten", "4294977536"):
                self.refused(5, "create", f"{flag}={value}")

    def test_timeouts_are_whole_seconds(self):
        for value in ("-1", "soon", "1.5", "1e99", "99999999999999999999"):
            self.refused(5, "create", f"--timeout={value}")
            self.refused(5, "create", f"--idle-timeout={value}")

    def test_what_this_version_lacks_is_said_and_refused(self):
        self.assertOutcome(self.tl.sbx("run", "--detach", "true"), 125, "exec --detach")

    def test_the_accelerator_is_one_of_three(self):
        self.assertIn(self.tl.sbx("create", "--accel", "magic").code, (2, 5))

    def test_names_are_of_the_documented_form(self):
        malformed = ["Upper", "1abc", "9", "under_score", "do.t", "sla/sh", "..", "a b", "ends-", "é", "", "a\nb"]
        for name in (*malformed, "x" * 64, "abcdefghij0123456789k"):
            self.refused(5, "create", name)

    def test_the_refusal_says_what_is_allowed(self):
        self.assertOutcome(self.tl.sbx("create", "-m", "512"), 5, "1024", "8192")
        self.assertOutcome(self.tl.sbx("create", "--disk_mb", "5"), 5, "10240", "102400")
        self.assertOutcome(self.tl.sbx("create", "-c", "65"), 5, "64")
        self.assertOutcome(self.tl.sbx("create", "Bad"), 5, "lower")

    def test_unknown_sandboxes_are_exit_3(self):
        for sandbox in ("nobody", "0123456789abcdefghijk", "../../etc/passwd", "", "a" * 5000):
            self.refused(3, "describe", sandbox)
            self.refused(3, "terminate", sandbox)
            self.refused(3, "name", sandbox, "new-name")
            for verb in ("suspend", "resume", "checkpoint", "copy"):
                self.refused(3, verb, sandbox)
            self.refused(125, "exec", sandbox, "true")

    def test_an_unknown_image_is_exit_3(self):
        self.refused(3, "create", "--image", "no-such-image")
        self.refused(5, "create", "--image", "../../etc")

    def test_unknown_commands_and_flags_are_usage_errors(self):
        self.assertOutcome(self.tl.sbx("creat0"), 2, "create")
        self.assertOutcome(self.tl.sbx("terminat3"), 2, "did you mean")
        self.assertOutcome(self.tl.sbx("ls", "--quite"), 2, "--quiet")
        for words in ("frobnicate", "ls --no-such", "describe", "name one", "terminate", "describe a b", ""):
            self.assertEqual(self.tl.sbx(*words.split()).code, 2, words)

    def test_nothing_is_printed_on_stdout_by_a_failure(self):
        for words in (("create", "Bad"), ("describe", "nobody"), ("frobnicate",), ("exec", "nobody", "true")):
            self.assertEqual(self.tl.sbx(*words).out, b"", words)


if __name__ == "__main__":
    cases.main()
