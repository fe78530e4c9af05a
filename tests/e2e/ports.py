# SPDX-License-Identifier: Apache-2.0
"""Ports of a sandbox, here: tunnel, port, create --expose."""

import contextlib
import hashlib
import os
import signal
import socket
import threading

from support import cases

# Servers inside, one a port: what they do with each connection.
SERVER = """
import socket, sys, threading
def echo(c):
    while data := c.recv(65536): c.sendall(data)
    c.sendall(b'<end>'); c.close()
def first(c):
    c.sendall(b'hello'); c.shutdown(socket.SHUT_WR)
    heard = b''
    while data := c.recv(65536): heard += data
    open('/tmp/heard', 'wb').write(heard); c.close()
def pour(c):
    piece = b'x' * 65536
    try:
        while True: c.sendall(piece)
    except OSError: pass
def serve(family, address, port, work):
    s = socket.socket(family); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((address, port)); s.listen(512)
    while True: threading.Thread(target=work, args=(s.accept()[0],), daemon=True).start()
for one in ((socket.AF_INET, '127.0.0.1', 7001, echo), (socket.AF_INET6, '::1', 7002, echo),
            (socket.AF_INET, '0.0.0.0', 7003, first), (socket.AF_INET, '127.0.0.1', 7004, pour)):
    threading.Thread(target=serve, args=one).start()
"""


class Tunnel(cases.SandboxCase):
    create_words = ("harbour",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tl.ok("exec", "-i", cls.box, "--", "sh", "-c", "cat > /tmp/server.py", stdin=SERVER.encode())
        cls.tl.shell(cls.box, "setsid python3 /tmp/server.py >/dev/null 2>&1 </dev/null & true")
        listening = "until [ $(grep -ci ' 0A ' /proc/net/tcp) -ge 3 ] && grep -qi ' 0A ' /proc/net/tcp6; do sleep 0.1; done"
        cls.tl.shell(cls.box, listening)

    def tunnel(self, remote, *words):
        """The client, and the address that it has printed."""
        client = self.start("tunnel", self.box, str(remote), "-l", "0", *words)
        host, port = client.stdout.readline().decode().strip().split(":")
        self.assertEqual(host, "127.0.0.1")
        return client, (host, int(port))

    def connect(self, place):
        connection = socket.create_connection(place, timeout=120)
        self.addCleanup(connection.close)
        return connection

    def all_of(self, connection):
        text = b""
        while data := connection.recv(65536):
            text += data
        return text

    def end(self, client, code, *said, number=None):
        if number:
            client.send_signal(number)
        self.assertOutcome(self.tl.finish(client), code, *said)

    def test_bytes_go_both_ways_and_each_direction_ends_by_itself(self):
        client, place = self.tunnel(7001)
        data = os.urandom(3_000_000)
        connection = self.connect(place)
        got = {}
        reader = threading.Thread(target=lambda: got.update(all=self.all_of(connection)))
        reader.start()
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        reader.join()
        self.assertEqual(hashlib.sha256(got["all"]).digest(), hashlib.sha256(data + b"<end>").digest())
        self.end(client, 0, number=signal.SIGINT)

    def test_the_far_side_may_end_first(self):
        client, place = self.tunnel(7003)
        connection = self.connect(place)
        self.assertEqual(self.all_of(connection), b"hello")
        connection.sendall(b"late words")
        connection.close()
        self.eventually(lambda: self.exec("cat", "/tmp/heard").out == b"late words", "they are heard")
        self.end(client, 0, number=signal.SIGTERM)

    def test_who_listens_by_ipv6_only_is_reached(self):
        client, place = self.tunnel(7002)
        connection = self.connect(place)
        connection.sendall(b"six")
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(self.all_of(connection), b"six<end>")
        self.end(client, 0, number=signal.SIGINT)

    def test_many_connections_at_once(self):
        client, place = self.tunnel(7001)
        connections = [self.connect(place) for _ in range(200)]
        for number, connection in enumerate(connections):
            connection.sendall(f"number {number}".encode())
            connection.shutdown(socket.SHUT_WR)
        for number, connection in enumerate(connections):
            self.assertEqual(self.all_of(connection), f"number {number}<end>".encode())
        self.end(client, 0, number=signal.SIGINT)

    def test_a_client_that_does_not_read_costs_no_memory(self):
        client, place = self.tunnel(7004)
        connection = self.connect(place)
        connection.recv(1)
        # Another connection is served meanwhile.
        other = self.connect(place)
        for _ in range(200):
            self.assertTrue(other.recv(65536))
        with open(f"/proc/{client.pid}/status", encoding="ascii") as status:
            (resident,) = [int(line.split()[1]) for line in status if line.startswith("VmRSS")]
        self.assertLess(resident, 100_000, "kB")
        self.end(client, 0, number=signal.SIGINT)

    def test_where_nobody_listens_the_connection_breaks_off_and_it_is_said(self):
        client, place = self.tunnel(7999)
        for _ in range(3):
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(self.connect(place).recv(1), b"")
        client.send_signal(signal.SIGINT)
        outcome = self.tl.finish(client)
        self.assertEqual(outcome.code, 0)
        self.assertEqual(outcome.complaint.count("nobody listens on port 7999"), 1, outcome)

    def test_a_port_that_is_taken_here(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            self.assertOutcome(self.tl.sbx("tunnel", self.box, "7001", "-l", port), 4, port, "taken")

    def test_what_is_no_port(self):
        for port in ("0", "65536", "70000"):
            self.assertOutcome(self.tl.sbx("tunnel", self.box, port), 5, "port")
        self.assertOutcome(self.tl.sbx("tunnel", self.box, "80", "-l", "65536"), 5, "port")
        self.assertOutcome(self.tl.sbx("tunnel", self.box, "http"), 5)
        self.assertOutcome(self.tl.sbx("tunnel", "nobody", "80"), 3, "nobody")


class Exposed(cases.GuestCase):
    def setUp(self):
        self.tl = self.home_of_its_own()

    def serve(self, box, port):
        server = f"import socketserver as s\nclass H(s.BaseRequestHandler):\n def handle(self): self.request.sendall(b'from {port}')\ns.TCPServer(('127.0.0.1', {port}), H).serve_forever()"
        self.tl.ok("exec", box, "--detach", "--name", f"server-{port}", "--", "python3", "-c", server)

    def ports(self, box):
        return {each["port"]: each["address"] for each in self.tl.ok("port", "ls", box, "--json").json}

    def heard(self, address):
        host, port = address.split(":")
        try:
            with socket.create_connection((host, int(port)), timeout=60) as connection:
                return connection.recv(100)
        except ConnectionResetError:
            return b""

    def hears(self, box, port):
        address = self.ports(box)[port]
        self.eventually(lambda: self.heard(address) == f"from {port}".encode(), f"port {port} answers")

    def test_what_is_exposed_at_creation_is_held_open_while_it_runs(self):
        box = self.tl.create("harbour", "-x", "7001", "--expose", "7002")
        self.assertEqual(set(self.ports(box)), {7001, 7002})
        self.serve(box, 7001)
        self.hears(box, 7001)
        self.tl.ok("suspend", box)
        self.assertEqual(self.ports(box), {7001: None, 7002: None})
        self.tl.ok("resume", box)
        self.hears(box, 7001)
        address = self.ports(box)[7001]
        self.tl.ok("terminate", box)
        with self.assertRaises(ConnectionRefusedError):
            self.heard(address)

    def test_ports_come_and_go_while_it_runs(self):
        box = self.tl.create("harbour")
        self.assertEqual(self.ports(box), {})
        with socket.create_server(("127.0.0.1", 0)) as taken:
            number = taken.getsockname()[1]
            address = self.tl.ok("port", "expose", box, str(number)).text
        self.assertNotEqual(address, f"127.0.0.1:{number}", "that is taken, so it is at another")
        self.assertEqual(self.ports(box), {number: address})
        self.serve(box, number)
        self.hears(box, number)
        self.assertEqual(self.tl.ok("port", "expose", box, str(number)).text, address, "it stays where it is")
        self.assertEqual(self.tl.ok("port", "rm", box, str(number)).text, str(number))
        with self.assertRaises(ConnectionRefusedError):
            self.heard(address)
        self.assertOutcome(self.tl.sbx("port", "rm", box, str(number)), 3, "not exposed")

    def test_what_is_no_port_is_refused_and_nothing_is_changed(self):
        box = self.tl.create("harbour")
        self.assertOutcome(self.tl.sbx("port", "expose", box, "7001", "65536"), 5, "65536")
        self.assertEqual(self.ports(box), {})
        self.assertOutcome(self.tl.sbx("create", "-x", "0"), 5, "port 0")
        self.assertOutcome(self.tl.sbx("port", "ls", "nobody"), 3, "nobody")


class Ends(cases.GuestCase):
    def test_a_tunnel_ends_with_its_sandbox_and_says_so(self):
        tl = self.home_of_its_own()
        box = tl.create("harbour")
        for verb, said in (("suspend", "Suspended"), ("terminate", "Terminated")):
            client = tl.start("tunnel", box, "7001", "-l", "0")  # resumes it the second time
            self.addCleanup(client.kill)
            self.assertIn(b"127.0.0.1", client.stdout.readline())
            tl.ok(verb, box)
            self.assertOutcome(tl.finish(client), 4, said)


if __name__ == "__main__":
    cases.main()
