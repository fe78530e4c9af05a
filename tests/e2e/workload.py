# SPDX-License-Identifier: Apache-2.0
"""What people leave running: a program with memory, files, pipes, connections and timers over many suspensions, and a
database through checkpoints."""

import json
import os
import random
import time

from support import cases

ROUNDS = 4 if "TL_LAB" in os.environ else 20
CHECKPOINTS = 2 if "TL_LAB" in os.environ else 5

CLOCK = 0.5 if "TL_LAB" in os.environ else 0.05  # seconds; as in lifecycle.py

PROGRAM = r"""
import hashlib, json, os, random, signal, socket, threading, time
data = random.Random(7).randbytes(200_000_000)
digest = hashlib.sha256(data).hexdigest()
gone = open("/tmp/gone", "w+"); os.unlink("/tmp/gone")
pipe_out, pipe_in = os.pipe()
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
fired = []
signal.signal(signal.SIGALRM, lambda *_: fired.append(time.monotonic()))
signal.setitimer(signal.ITIMER_REAL, 2.0)
count, began, backwards = 0, time.monotonic(), 0
last = began
while True:
    count += 1
    now = time.monotonic()
    backwards += now < last
    last = now
    word = b"%08d" % count
    gone.write(word.decode()); gone.flush()
    os.write(pipe_in, word); client.sendall(word)
    echoes = os.read(pipe_out, 8) == word and peer.recv(8, socket.MSG_WAITALL) == word
    if os.path.exists("/tmp/check"):
        gone.seek(0)
        kept = gone.read() == "".join("%08d" % i for i in range(1, count + 1))
        report = {"count": count, "echoes": echoes, "kept": kept, "backwards": backwards, "fired": len(fired),
                  "lived": now - began,
                  "data": hashlib.sha256(data).hexdigest() == digest, "wall": time.time()}
        with open("/tmp/report.new", "w") as out: json.dump(report, out)
        os.rename("/tmp/report.new", "/tmp/report"); os.unlink("/tmp/check")
    elif not echoes:
        raise SystemExit("an echo was lost")
    time.sleep(0.01)
"""

DATABASE = r"""
import sqlite3, sys, time
db = sqlite3.connect("/root/data.db", isolation_level=None)
db.execute("PRAGMA journal_mode=WAL"); db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, text TEXT)")
n = 0
while True:
    n += 1
    db.execute("BEGIN"); db.execute("INSERT INTO t VALUES (?, ?)", (n, "x" * 500)); db.execute("COMMIT")
    print(n, flush=True)
    time.sleep(0.005)
"""

CHECK = r"""
import sqlite3
db = sqlite3.connect("/root/data.db")
print(db.execute("PRAGMA integrity_check").fetchone()[0], db.execute("SELECT max(n), count(*) FROM t").fetchone())
"""


class Workload(cases.GuestCase):
    def setUp(self):
        self.tl = self.home_of_its_own()

    def put(self, box, path, text):
        self.tl.ok("exec", box, "-i", "--user", "root", "--", "tee", path, stdin=text.encode())

    def report(self, box):
        self.tl.shell(box, "touch /tmp/check")
        self.eventually(lambda: self.tl.exec(box, "test", "-e", "/tmp/report").code == 0, "the program reports", 120)
        return json.loads(self.tl.shell(box, "cat /tmp/report; rm /tmp/report"))

    def test_a_program_loses_nothing_over_many_suspensions(self):
        box = self.tl.create("worker")
        self.put(box, "/root/program.py", PROGRAM)
        self.tl.shell(box, "setsid python3 /root/program.py >/root/said 2>&1 </dev/null & echo")
        count = self.report(box)["count"]
        since = time.monotonic()
        lived = self.report(box)["lived"]
        gaps = random.Random(11)
        for _ in range(ROUNDS):
            self.tl.ok("suspend", "worker")
            time.sleep(gaps.uniform(0, 0.5))
            self.tl.ok("resume", "worker")
            began = time.time()
            inside = float(self.tl.shell(box, "date +%s.%N"))
            self.assertTrue(began - CLOCK <= inside <= time.time() + CLOCK, "the wall clock is right")
        found = self.report(box)
        self.assertGreater(found["count"], count)
        self.assertLessEqual(found["lived"] - lived, time.monotonic() - since + CLOCK, "no time has passed that did not")
        said = self.tl.shell(box, "cat /root/said")
        facts = {name: found[name] for name in ("echoes", "kept", "backwards", "data", "fired")}
        self.assertEqual(facts, {"echoes": True, "kept": True, "backwards": 0, "data": True, "fired": 1}, said)
        self.tl.ok("terminate", box)

    def test_a_database_is_whole_in_every_checkpoint(self):
        box = self.tl.create("database")
        self.put(box, "/root/database.py", DATABASE)
        self.put(box, "/root/check.py", CHECK)
        committed = self.tl.folder / "committed"
        with committed.open("wb") as log:
            writer = self.start("exec", box, "--user", "root", "--", "python3", "/root/database.py", stdout=log)

        def newest():
            words = committed.read_bytes().rsplit(b"\n", 1)[0].split()
            return int(words[-1]) if words else 0

        taken = []
        for turn in range(2 * CHECKPOINTS):
            seen = newest()
            self.eventually(lambda: newest() > seen + 5, "it goes on writing")
            kind = "memory" if turn % 2 else "filesystem"
            before = newest()
            taken.append((self.tl.ok("checkpoint", box, "--checkpoint-type", kind).text, before))
        self.assertIsNone(writer.poll(), "the writer went on all the time")
        self.tl.ok("terminate", box)
        for snapshot, before in taken:
            copy = self.tl.ok("create", "--snapshot", snapshot).text
            verdict = self.tl.shell(copy, "pkill -f '[d]atabase.py'; python3 /root/check.py")
            self.assertRegex(verdict, r"^ok \(")
            most, rows = (int(word) for word in verdict[4:-1].split(", "))
            self.assertEqual(most, rows)
            self.assertGreaterEqual(most, before, "what was reported committed is there")
            self.tl.ok("terminate", copy)


if __name__ == "__main__":
    cases.main()
