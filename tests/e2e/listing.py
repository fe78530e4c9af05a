# SPDX-License-Identifier: Apache-2.0
"""ls, describe and name: what they show to people and to scripts."""

import datetime
import re

from support import cases, environment
from support.terminal import Terminal

COLUMNS = ["ID", "Name", "Status", "Image", "CPUs", "Memory", "Disk", "Created At"]


class Listing(cases.GuestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ended = cls.tl.create("ended-one", "--no-wait")
        cls.tl.ok("terminate", cls.ended)
        cls.named = cls.tl.create("shown", "--disk_mb", "11000")
        cls.nameless = cls.tl.create("-m", "1100")

    def test_ls_in_a_pipe_is_tab_separated(self):
        head, *rows = [line.split("\t") for line in self.tl.ok("ls").lines if "\t" in line]
        self.assertEqual(head, COLUMNS)
        shown = {row[0]: row for row in rows}
        self.assertEqual(set(shown), {self.named, self.nameless})
        self.assertEqual(shown[self.named][1:7], ["shown", "Running", "default", "1", "1024 MB", "11000 MB"])
        self.assertEqual(shown[self.nameless][5], "1100 MB")
        self.assertRegex(shown[self.named][7], "ago|now")

    def test_filters_choose_what_is_listed(self):
        def ids(*flags):
            return set(self.tl.ok("ls", "-q", *flags).lines)

        live = {self.named, self.nameless}
        self.assertEqual(ids(), live)
        self.assertEqual(ids("--quiet", "--all"), live | {self.ended})
        self.assertEqual(ids("-a"), live | {self.ended})
        self.assertEqual(ids("-r"), live)
        self.assertEqual(ids("--running"), live)
        self.assertEqual(ids("-s"), set())
        self.assertEqual(ids("--suspended"), set())
        self.assertEqual(set(self.tl.ok("list", "-q").lines), live)

    def test_a_count_says_how_many_terminated_ones_are_hidden(self):
        with Terminal(self.tl, "ls") as terminal:
            self.assertEqual(terminal.finish(), 0)
        self.assertIn(b"2 sandboxes, 1 terminated hidden", terminal.screen)
        self.assertNotIn(b"hidden", self.tl.ok("ls").out, "not where a script would take it for a row")

    def test_ls_json_has_the_documented_fields_and_types(self):
        listed = {entry["sandbox_id"]: entry for entry in self.tl.ok("ls", "--all", "--json").json}
        self.assertEqual(set(listed), {self.named, self.nameless, self.ended})
        entry = listed[self.named]
        self.assertEqual((entry["name"], entry["status"], entry["image"]), ("shown", "running", "default"))
        self.assertEqual(entry["resources"], {"cpus": 1.0, "memory_mb": 1024, "disk_mb": 11000})
        self.assertIsInstance(entry["timeout_secs"], int)
        self.assertIsNone(listed[self.nameless]["name"])
        self.assertEqual(listed[self.ended]["status"], "terminated")
        created = datetime.datetime.fromisoformat(entry["created_at"].replace("Z", "+00:00"))
        age = datetime.datetime.now(datetime.timezone.utc) - created
        self.assertLess(abs(age.total_seconds()), 600)

    def test_describe_json_tells_everything(self):
        report = self.tl.describe("shown")
        listed = next(entry for entry in self.tl.ok("ls", "--json").json if entry["sandbox_id"] == self.named)
        self.assertEqual({name: report[name] for name in listed}, listed, "ls and describe agree")
        self.assertEqual(report["accelerator"], environment.ACCEL)
        self.assertGreater(report["live"]["memory_used_bytes"], 10_000_000)
        self.assertGreater(report["live"]["disk_used_bytes"], 0)
        self.assertGreaterEqual(report["live"]["layers"], 1)
        self.assertTrue(self.tl.describe(self.ended)["reason"])

    def test_describe_for_people_shows_the_same(self):
        text = self.tl.ok("describe", self.named).text
        for word in (self.named, "shown", "Running", "default", "1024 MB", "11000 MB", environment.ACCEL):
            self.assertIn(word, text)
        self.assertEqual(self.tl.ok("info", "shown").lines[0], text.splitlines()[0])

    def test_on_a_terminal_columns_are_aligned(self):
        with Terminal(self.tl, "ls", columns=200) as terminal:
            self.assertEqual(terminal.finish(), 0)
            lines = terminal.screen.decode().replace("\r", "").splitlines()
        self.assertNotIn(b"\t", terminal.screen)
        head = next(line for line in lines if line.startswith("ID"))
        column = head.index("Status")
        rows = [line for line in lines if re.match(r"[0-9a-z]{21}\b", line)]
        self.assertEqual([row[column : column + 7] for row in rows], ["Running", "Running"])

    def test_colour_is_only_for_terminals_without_no_color(self):
        self.assertNotIn(b"\x1b[", self.tl.ok("ls", "--all").out)
        with Terminal(self.tl, "ls", "--all") as terminal:
            terminal.finish()
        self.assertNotIn(b"\x1b[", terminal.screen, "NO_COLOR is set in this suite")


class Naming(cases.GuestCase):
    def test_create_on_a_terminal_tells_people_how_to_go_on(self):
        with Terminal(self.tl, "create", "--accel", environment.ACCEL) as terminal:
            self.assertEqual(terminal.finish(), 0)
        box = re.search(rb"\b[0-9a-z]{21}\b", terminal.screen).group().decode()
        self.assertRegex(terminal.screen, rb"(?i)tl sbx exec")
        self.assertRegex(terminal.screen, rb"(?i)tl sbx name", "the hint for a nameless one")
        self.tl.ok("terminate", box)

    def test_a_nameless_sandbox_gets_a_name_and_a_named_one_another(self):
        box = self.tl.create()
        self.assertEqual(self.tl.ok("name", box, "first-name").text, "first-name")
        self.assertEqual(self.tl.describe("first-name")["sandbox_id"], box)
        self.tl.ok("name", "first-name", "second-name")
        self.assertEqual(self.tl.ok("exec", "second-name", "echo", "ok").text, "ok")
        self.assertEqual(self.tl.sbx("describe", "first-name").code, 3, "the old name is free")
        self.tl.ok("name", "second-name", "second-name")
        other = self.tl.create("first-name", "--no-wait")
        self.assertOutcome(self.tl.sbx("name", other, "second-name"), 4, "second-name")
        self.assertEqual(self.tl.describe("second-name")["sandbox_id"], box)
        for bad in ("Bad", "x" * 64, "0123456789abcdefghijk"):
            self.assertOutcome(self.tl.sbx("name", box, bad), 5)
        self.tl.ok("terminate", box, other)
        self.assertOutcome(self.tl.sbx("name", box, "third-name"), 4, "terminated")


class Races(cases.GuestCase):
    def test_of_two_creates_with_one_name_exactly_one_wins(self):
        for _ in range(3):
            words = ("create", "wanted", "--no-wait", "--accel", environment.ACCEL)
            clients = [self.start(*words) for _ in range(4)]
            outcomes = [self.tl.finish(client) for client in clients]
            winners = [outcome for outcome in outcomes if outcome.code == 0]
            self.assertEqual(len(winners), 1, outcomes)
            for outcome in outcomes:
                if outcome.code != 0:
                    self.assertOutcome(outcome, 4, "wanted")
            self.assertEqual(self.tl.ok("ls", "-q").lines, [winners[0].text])
            self.tl.ok("terminate", "wanted")


if __name__ == "__main__":
    cases.main()
