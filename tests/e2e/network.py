# SPDX-License-Identifier: Apache-2.0
"""A sandbox's network: what it reaches, and what it is not to reach."""

import re
import time

from support import cases, environment, private_network
from support.private_network import ECHO_PORT, HOST, HOST6, OTHER, PORT

MEBIBYTES = 2 if environment.IN_LAB else 8
ECHO = f"""
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
    handle.settimeout(30)
    handle.sendto(b"a datagram", ("{HOST}", {ECHO_PORT}))
    print(handle.recv(100).decode())
"""
STREAM = f"""
import hashlib, os, socket, threading
data = os.urandom(1 << 20) * {MEBIBYTES}
connection = socket.create_connection(("{HOST}", {ECHO_PORT}), 60)
def send():
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
back = hashlib.sha256()
while part := connection.recv(65536):
    back.update(part)
print(back.hexdigest() == hashlib.sha256(data).hexdigest())
"""
FLOOD = f"""
import socket, time
end = time.monotonic() + 5
ports = 0
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
    handle.setblocking(False)
    while time.monotonic() < end:
        ports += 1
        try:
            handle.sendto(bytes(1400), ("{HOST}", 10000 + ports % 50000))
        except OSError:
            pass
print(ports)
"""
# Says what it hears until nothing comes any more.
TALK = f"""
import socket, sys, time
connection = socket.create_connection(("{HOST}", {ECHO_PORT}), 60)
connection.settimeout(8)
number = 0
try:
    while number < 1000:
        number += 1
        connection.sendall(b"x")
        if not connection.recv(1): break
        print(number, flush=True)
        time.sleep(0.2)
except OSError as failed:
    print("over", flush=True)
"""


class NetworkCase(cases.GuestCase):
    @classmethod
    def setUpClass(cls):
        private_network.require()
        super().setUpClass()
        cls.world = private_network.world()

    def fetch(self, box, host, seconds=60):
        """The outcome of `curl` inside."""
        url = f"http://[{host}]:{PORT}/" if ":" in host else f"http://{host}:{PORT}/"
        return self.tl.exec(box, "--", "curl", "-sSg", "-m", str(seconds), url)

    def assertReaches(self, box, host):
        outcome = self.fetch(box, host)
        self.assertEqual(outcome.text, "hello from the host", outcome)

    def assertRefused(self, box, host):
        """And at once: a program does not wait for an answer that will not come."""
        began = time.monotonic()
        outcome = self.fetch(box, host)
        self.assertNotEqual(outcome.code, 0, outcome)
        self.assertNotEqual(outcome.code, 28, f"curl waited: {outcome}")
        self.assertLess(time.monotonic() - began, 45)

    def python(self, box, script):
        return self.tl.ok("exec", box, "--", "python3", "-c", script).text

    def mac(self, box):
        return self.tl.shell(box, "cat /sys/class/net/eth0/address")


class World(NetworkCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.tl.create("web")

    def test_pages_are_fetched_by_address_and_by_name(self):
        self.world.names["www.example"] = [HOST]
        self.assertReaches(self.box, HOST)
        self.assertReaches(self.box, "www.example")
        self.assertNotEqual(self.fetch(self.box, "nobody.example").code, 0)

    def test_a_resolver_that_does_not_answer_holds_up_nothing_else(self):
        self.world.silent.add("silent.example")
        asking = self.start("exec", self.box, "--", "getent", "hosts", "silent.example")
        self.eventually(lambda: "silent.example" in self.world.asked, "the resolver was asked")
        self.assertReaches(self.box, HOST)
        ended = self.tl.finish(asking)
        self.assertEqual((ended.code, ended.out), (2, b""), ended)
        follower = self.tl.create("-A", "silent.example", "-A", HOST)
        self.assertReaches(follower, HOST)
        self.tl.ok("terminate", follower)

    def test_datagrams_are_answered(self):
        self.assertEqual(self.python(self.box, ECHO), "a datagram")

    def test_pages_are_fetched_by_ipv6(self):
        environment.require_host(self.world.has_ipv6, "this host has no IPv6")
        self.assertReaches(self.box, HOST6)

    def test_a_stream_in_both_directions_is_whole(self):
        self.assertEqual(self.python(self.box, STREAM), "True")

    def test_the_hosts_loopback_is_out_of_reach(self):
        for address in ("10.0.2.2", "10.0.2.3"):
            self.assertRefused(self.box, address)
        # Its own, where nobody listens, is another one; by way of the card it is nobody's.
        route = f"ip route add 127.9.9.9/32 via 10.0.2.2 table local 2>&1; curl -sS -m 10 http://127.9.9.9:{PORT}/"
        self.assertNotIn("hello", self.tl.sbx("exec", self.box, "--user", "root", "--", "sh", "-c", route).text)

    def test_who_reads_packets_is_confined(self):
        [process] = [each for each in self.tl.processes() if "tl-net" in each.program]
        with open(f"/proc/{process.pid}/status") as status:
            facts = dict(line.split(":\t", 1) for line in status.read().splitlines())
        self.assertEqual((facts["Seccomp"], facts["NoNewPrivs"]), ("2", "1"))
        self.assertReaches(self.box, HOST)

    def test_a_flood_costs_the_host_little(self):
        [process] = [each for each in self.tl.processes() if "tl-net" in each.program]
        self.assertGreater(int(self.python(self.box, FLOOD)), 100)
        self.assertLess(process.peak_kib(), 96 << 10)
        self.assertReaches(self.box, HOST)

    def test_what_is_suspended_copied_or_made_anew_has_its_network(self):
        first = self.mac(self.box)
        self.tl.ok("suspend", self.box)
        self.tl.ok("resume", self.box)
        self.assertReaches(self.box, HOST)
        self.assertEqual(self.mac(self.box), first)
        copy = self.tl.ok("copy", self.box).text
        self.addCleanup(self.tl.ok, "terminate", copy)
        self.assertReaches(copy, HOST)
        another = self.tl.create()  # from the template
        self.addCleanup(self.tl.ok, "terminate", another)
        self.assertReaches(another, HOST)
        macs = {first, self.mac(copy), self.mac(another)}
        self.assertEqual(len(macs), 3)
        for mac in macs:
            self.assertRegex(mac, "^02(:[0-9a-f]{2}){5}$")


class Rules(NetworkCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.tl.create("ruled", "-N")

    def test_without_internet_there_is_nobody_not_even_the_resolver(self):
        self.tl.ok("update", self.box, "-N")
        self.world.names["www.example"] = [HOST]
        self.assertRefused(self.box, HOST)
        self.assertRefused(self.box, "www.example")
        self.assertRegex(self.tl.ok("describe", self.box).text, r"Internet: +blocked")

    def test_what_is_listed_is_allowed_and_denied(self):
        self.tl.ok("update", self.box, "-A", "192.0.2.0/24", "-D", OTHER)
        self.assertReaches(self.box, HOST)
        self.assertRefused(self.box, OTHER)
        if self.world.has_ipv6:
            self.assertRefused(self.box, HOST6)
        self.assertEqual(self.tl.describe(self.box)["network"]["deny_out"], [OTHER])
        self.tl.ok("update", self.box, "--clear-network")
        self.assertReaches(self.box, OTHER)

    def test_an_allowed_name_is_followed_when_its_address_changes(self):
        self.tl.ok("update", self.box, "-A", "moving.example")
        self.world.names["moving.example"] = [HOST]
        self.assertRefused(self.box, HOST)
        self.assertReaches(self.box, "moving.example")
        self.assertReaches(self.box, HOST)
        self.assertRefused(self.box, OTHER)
        self.world.names["moving.example"] = [OTHER]
        self.assertReaches(self.box, "moving.example")
        self.assertReaches(self.box, OTHER)

    def test_a_denied_name_is_not_resolved(self):
        self.world.names.update({"bad.example": [OTHER], "good.example": [HOST]})
        self.tl.ok("update", self.box, "-D", "bad.example")
        self.assertReaches(self.box, "good.example")
        self.assertNotEqual(self.fetch(self.box, "bad.example").code, 0)
        self.assertRefused(self.box, OTHER)

    def test_a_connection_that_is_not_allowed_any_more_stands_still(self):
        self.tl.ok("update", self.box, "--clear-network")
        talk = self.start("exec", self.box, "--", "python3", "-uc", TALK)
        for _ in range(3):
            self.assertRegex(talk.stdout.readline(), rb"^\d+\n$")
        self.tl.ok("update", self.box, "-D", HOST)
        said = talk.stdout.read().splitlines()
        self.assertEqual(said[-1], b"over")
        self.assertLess(len(said), 100)

    def test_rules_outlive_a_suspension_and_are_changed_within_one(self):
        self.tl.ok("update", self.box, "-D", HOST)
        self.tl.ok("suspend", self.box)
        self.tl.ok("update", self.box, "-D", OTHER)
        self.assertReaches(self.box, HOST)
        self.assertRefused(self.box, OTHER)


class Refusals(cases.TlCase):
    def test_what_cannot_be_a_rule_is_named(self):
        for words in (("-A", "1.2.3.4.5"), ("-D", "http://a.example"), ("-N", "-A", "a.example")):
            self.assertOutcome(self.tl.sbx("create", *words), 5, re.escape(words[-1]) if len(words) == 2 else "-N|--no-internet")
        self.assertOutcome(self.tl.sbx("update", "nobody", "-N"), 3, "nobody")
        self.assertOutcome(self.tl.sbx("update", "nobody"), 5, "nothing to update")


private_network.enter()
cases.main()
