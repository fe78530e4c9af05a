# SPDX-License-Identifier: Apache-2.0
"""A network of the test's own: a network name space with addresses on its loopback device that are nobody else's, a
resolver, and servers. No packet leaves the machine."""

import contextlib
import fcntl
import functools
import http.server
import os
import pathlib
import shutil
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

from support import processes

HOST = "192.0.2.1"
OTHER = "192.0.2.2"
HOST6 = "2001:db8::1"
RESOLVER = "192.0.2.53"
PORT = 8000
ECHO_PORT = 7007

_INSIDE = "TL_E2E_PRIVATE_NETWORK"
_SIOCSIFADDR, _SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8916, 0x8913, 0x8914, 1


def enter():
    """Starts the calling program once more in name spaces of its own, where the host allows that."""
    if _INSIDE in os.environ:
        return
    unshare = ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if shutil.which("unshare") and subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL).returncode == 0:
        os.environ[_INSIDE] = "1"
        os.execvp("unshare", [*unshare, sys.executable, *sys.argv])


def is_there():
    return _INSIDE in os.environ


def require():
    if not is_there():
        raise unittest.SkipTest("this user may not make a network name space (unshare --net --mount)")


def _set_up_addresses():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack_from("h", fcntl.ioctl(handle, _SIOCGIFFLAGS, request), 16)[0]
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
        for number, address in enumerate((HOST, OTHER, RESOLVER)):
            place = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(handle, _SIOCSIFADDR, struct.pack("16s16s", f"lo:{number}".encode(), place))
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as handle:
            address = socket.inet_pton(socket.AF_INET6, HOST6)
            fcntl.ioctl(handle, _SIOCSIFADDR, struct.pack("=16sIi", address, 128, socket.if_nametoindex("lo")))
    except OSError:
        return False
    # Nobody else can have it here, but the kernel makes sure all the same, a moment later.
    processes.wait_until(_has_host6, 60, f"{HOST6} is there")
    return True


def _has_host6():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as handle, contextlib.suppress(OSError):
        handle.bind((HOST6, 0))
        return True
    return False


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"hello from the host\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class _Http(http.server.ThreadingHTTPServer):
    daemon_threads = True


class _Http6(_Http):
    address_family = socket.AF_INET6


class _Echo(socketserver.BaseRequestHandler):
    """Gives back what comes: datagrams, and the bytes of connections."""

    def handle(self):
        if isinstance(self.request, tuple):
            data, handle = self.request
            handle.sendto(data, self.client_address)
            return
        while data := self.request.recv(65536):
            self.request.sendall(data)


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@functools.cache
def world():
    """The one of this process, which lasts as long."""
    return PrivateNetwork()


class PrivateNetwork:
    """Servers: pages on HOST, OTHER, HOST6 and 127.0.0.1 at PORT, echoes of TCP and UDP on HOST at ECHO_PORT, and a
    resolver that knows `names` and is the host's."""

    def __init__(self):
        self.has_ipv6 = _set_up_addresses()
        self.names = {}
        self.silent = set()  # names for which the resolver has no answer at all
        self.asked = []
        self._servers = [_Http((address, PORT), _Page) for address in (HOST, OTHER, "127.0.0.1")]
        if self.has_ipv6:
            self._servers.append(_Http6((HOST6, PORT), _Page))
        self._servers.append(_TcpServer((HOST, ECHO_PORT), _Echo))
        self._servers.append(socketserver.ThreadingUDPServer((HOST, ECHO_PORT), _Echo))
        self._servers.append(self._resolver())
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self._use_resolver()

    def _resolver(self):
        network = self

        class Resolver(socketserver.BaseRequestHandler):
            def handle(self):
                query, handle = self.request
                if answer := network.answer(query):
                    handle.sendto(answer, self.client_address)

        return socketserver.ThreadingUDPServer((RESOLVER, 53), Resolver)

    def answer(self, query):
        """A records with a short time to live; anything else is an empty answer, an unknown name NXDOMAIN. None for
        the silent."""
        at, labels = 12, []
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode())
            at += 1 + length
        question = query[12 : at + 5]
        name, kind = ".".join(labels).lower(), struct.unpack_from("!H", query, at + 1)[0]
        self.asked.append(name)
        if name in self.silent:
            return None
        addresses = self.names.get(name)
        records = [
            struct.pack("!HHHIH4s", 0xC00C, 1, 1, 5, 4, socket.inet_aton(address))
            for address in (addresses or [] if kind == 1 else [])
        ]
        flags = 0x8180 | (3 if addresses is None else 0)
        return struct.pack("!2sHHHHH", query[:2], flags, 1, len(records), 0, 0) + question + b"".join(records)

    def _use_resolver(self):
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            file.write(f"nameserver {RESOLVER}\n")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        target = pathlib.Path("/etc/resolv.conf").resolve()
        subprocess.run(["mount", "--bind", file.name, str(target)], check=True)
        os.unlink(file.name)
