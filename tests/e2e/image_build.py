# SPDX-License-Identifier: Apache-2.0
"""Images are made from Dockerfiles. Nothing here needs a network."""

import io
import os
import pathlib
import signal
import tarfile
import tempfile

from support import cases

LONG = 400  # seconds for a build with several machines under emulation


class ImageBuild(cases.GuestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tl build ")
        self.addCleanup(folder.cleanup)
        self.here = pathlib.Path(folder.name)

    def write(self, name, text, mode=0o644):
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def create(self, *words, **options):
        return self.tl.sbx("image", "create", "-N", *words, cwd=self.here, timeout=LONG, **options)

    def built(self, *words):
        outcome = self.create(*words)
        self.assertEqual(outcome.code, 0, outcome)
        return outcome

    def inside(self, image, *words):
        outcome = self.tl.sbx("run", "-N", "--image", image, "--", *words, timeout=LONG)
        self.assertEqual(outcome.code, 0, outcome)
        return outcome.text

    def images(self):
        return {image["name"]: image["digest"] for image in self.tl.ok("image", "ls", "--json").json}

    def assertNothingLeft(self, images):
        self.assertEqual(self.tl.ok("ls", "-q").out, b"")
        self.assertEqual(self.tl.ok("checkpoint", "ls", "--json").json, [])
        self.assertEqual(self.images(), images)

    def test_stages_arguments_users_and_copies(self):
        self.write("app/Dockerfile", "\n".join((
            "ARG BASE=default",
            "FROM $BASE AS build",
            "USER root",
            "WORKDIR /src",
            "COPY . .",
            "RUN cat one.txt sub/two.txt > whole && ls -A > list && \\",
            "    # a comment",
            "    install -D -o 7 -g 8 -m 0754 whole /out/bin/tool && ln -s tool /out/bin/link",
            "FROM $BASE AS unused",
            "RUN exit 1",
            "FROM $BASE",
            "ARG WHO=nobody",
            'ENV GREETING="hello $WHO" PATH=/opt/bin:$PATH',
            "USER root",
            "COPY --from=build /out /opt",
            "COPY --from=build --chown=tl-user --chmod=640 /src/list /src/whole /data/",
            "COPY --chown=tl-user:tl-user one.txt renamed",
            "COPY sub/*.txt /new/folder/",
            "ADD bundle.tar.gz /unpacked",
            "USER tl-user",
            "WORKDIR made",
            "SHELL [\"/bin/bash\", \"-c\"]",
            "RUN <<EOF",
            "set -e",
            "[[ $WHO = you ]]",
            "id -un > who; pwd > where",
            "EOF",
            'RUN ["touch", "a b"]',
            'ENTRYPOINT ["/bin/echo", "entry"]',
            'CMD ["cmd"]',
            "LABEL a=b",
            "")))
        self.write("app/one.txt", "one\n", 0o600)
        self.write("app/sub/two.txt", "two\n")
        self.write("app/sub/secret", "secret\n")
        self.write("app/kept/deep/yes", "")
        self.write("app/kept/no", "")
        self.write("app/.dockerignore", "**/secret\nDockerfile\n.dockerignore\n*.gz\n!bundle.tar.gz\nkept\n!kept/deep\n")
        (self.here / "app/out").symlink_to("/etc/shadow")
        os.utime(self.here / "app/one.txt", (0, 1_000_000_000))
        with tarfile.open(self.here / "app/bundle.tar.gz", "w:gz") as archive:
            member = tarfile.TarInfo("in/file")
            member.size, member.uid, member.mode = 6, 1234, 0o604
            archive.addfile(member, io.BytesIO(b"bundle"))

        outcome = self.built("--build-arg", "WHO=you", "--build-arg", "NOBODY=x", "app/Dockerfile")
        self.assertEqual(outcome.out, b"app\n")
        for said in (r"\[1/\d+\] FROM \$BASE AS build", "RUN cat one.txt", "Dockerfile:31: LABEL is ignored",
                     "--build-arg NOBODY: no ARG takes it"):
            self.assertRegex(outcome.complaint, said)
        self.assertNothingLeft(self.images())

        script = (
            "echo $GREETING; echo $PATH; id -un; pwd; cat who where; ls;"
            "cd /opt/bin; stat -c '%n %a %u:%g' tool; readlink link; cat tool;"
            "cd /data; stat -c '%n %a %U:%G' list; cat list; stat -c '%u' /data;"
            "cd /workspace; stat -c '%n %a %U:%G %Y' renamed;"
            "stat -c '%n %a %u:%g' /new/folder/two.txt /unpacked/in/file /workspace/made; cat /unpacked/in/file"
        )
        self.assertEqual(self.inside("app", "sh", "-c", script).split("\n"), [
            "hello you", self.path_of("default", "/opt/bin:"), "tl-user", "/workspace/made",
            "tl-user", "/workspace/made", "a b", "where", "who",
            "tool 754 7:8", "tool", "one", "two",
            "list 640 tl-user:tl-user", "bundle.tar.gz", "kept", "list", "one.txt", "out", "sub", "whole", "1000",
            "renamed 600 tl-user:tl-user 1000000000",
            "/new/folder/two.txt 644 0:0", "/unpacked/in/file 604 1234:0", "/workspace/made 755 1000:1000", "bundle",
        ])

    def path_of(self, image, before):
        return before + self.inside(image, "sh", "-c", "echo $PATH")

    def test_a_failure_names_its_line_and_leaves_nothing(self):
        self.write("Dockerfile", "FROM default\nRUN true\nRUN echo said; \\\n    exit 3\nRUN never\n")
        before = self.images()
        outcome = self.assertOutcome(self.create("--name", "broken", "."), 1, "Dockerfile:3: RUN .*: exit code 3")
        self.assertIn("said\n", outcome.complaint)
        self.assertNotIn("never\n", outcome.complaint)
        self.assertEqual(outcome.out, b"")
        self.assertNothingLeft(before)

    def test_a_name_goes_from_the_old_image_to_the_new_one_only_when_that_is_there(self):
        self.write("Dockerfile", "FROM default\nUSER root\nRUN echo 1 > /version\n")
        (first,) = [self.create("--name", "changing", "--json", ".").json]
        self.assertEqual(first["name"], "changing")
        self.write("Dockerfile", "FROM changing\nRUN echo 2 > /version\nRUN exit 1\n")
        before = self.images()
        self.assertOutcome(self.create("--name", "changing", "."), 1)
        self.assertNothingLeft(before)
        self.write("Dockerfile", "FROM changing AS a\nRUN echo 2 > /version\nFROM a AS b\nRUN echo 3 >> /version\n"
                                 "FROM a\nCOPY --from=b /version /b\n")
        self.built("--name", "changing", ".")
        self.assertEqual(self.inside("changing", "cat", "/version", "/b"), "2\n2\n3")
        self.assertNotEqual(self.images()["changing"], first["digest"])

    def test_whatever_ends_it_leaves_nothing(self):
        self.write("Dockerfile", "FROM default\nRUN trap '' INT TERM HUP; while :; do sleep 1; done\n")
        before = self.images()
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)):
            with self.subTest(number=number):
                log = self.here / "log"
                with open(log, "wb") as file:
                    client = self.start("image", "create", "-N", "--name", "never", ".", cwd=self.here, stderr=file)
                    self.eventually(lambda: "[2/2]" in log.read_text(), "it runs", LONG)
                    client.send_signal(number)
                    self.assertEqual(client.wait(LONG), code)
                self.eventually(lambda: self.tl.ok("ls", "-q").out == b"", "the sandbox has ended")
                self.assertNothingLeft(before)

    def test_the_sandbox_that_failed_can_be_kept(self):
        self.write("Dockerfile", "FROM default\nRUN echo here > /tmp/evidence; exit 1\n")
        outcome = self.assertOutcome(self.create("--keep", "--name", "kept", "."), 1, "kept alive")
        (box,) = self.tl.ok("ls", "-q").lines
        self.addCleanup(self.tl.ok, "terminate", box)
        self.assertIn(box, outcome.complaint)
        self.assertEqual(self.tl.ok("exec", box, "cat", "/tmp/evidence").text, "here")

    def test_each_mistake_is_one_sentence_and_starts_nothing(self):
        self.write("Dockerfile", "FROM default\n")
        before = self.tl.ok("ls", "-aq").out
        for text, code, said in (
            ("FORM default\n", 5, "Bad:1: FORM is not an instruction"),
            ("FROM nowhere:1\n", 3, "there is no image nowhere:1 on this machine"),
            ("FROM scratch\n", 5, "cannot begin with nothing"),
            ("FROM default\nRUN --mount=type=secret x\n", 5, "Bad:2: .*RUN --mount is not supported"),
            ("FROM default\nADD https://host/x /\n", 5, "ADD of a URL is not supported"),
            ("", 5, "no instructions"),
            ("x" * (10 << 20), 5, "more than"),
        ):
            with self.subTest(said=said):
                path = self.write("Bad", text)
                outcome = self.assertOutcome(self.create(path), code, said)
                self.assertEqual(outcome.complaint.count("Error:"), 1, outcome)
        self.assertOutcome(self.create("none"), 3, "no file none")
        self.assertOutcome(self.create("-f", "none", "."), 3, "no file none")
        self.assertOutcome(self.create("--target", "x", "."), 5, "no stage x")
        self.assertOutcome(self.create("--build-arg", "x", "."), 5)
        self.assertEqual(self.tl.ok("ls", "-aq").out, before)


if __name__ == "__main__":
    cases.main()
