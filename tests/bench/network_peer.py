# SPDX-License-Identifier: Apache-2.0
"""The other end of the connections that reference_init.c makes, in a network of the test's own."""

import socket
import time

from support.private_network import HOST

PORT = 7170
TRANSFER_BYTES = 64 << 20
PATIENCE = 300  # seconds until a machine that does not come is given up


class NetworkPeer:
    def __init__(self):
        self._server = socket.create_server((HOST, PORT))
        self._server.settimeout(PATIENCE)

    def seconds_of_next(self, direction):
        """From the moment a connection is there until one side has all that the other sent."""
        connection, _ = self._server.accept()
        with connection:
            connection.settimeout(PATIENCE)
            began = time.perf_counter()
            if direction == "download":
                connection.sendall(bytes(TRANSFER_BYTES))
                connection.shutdown(socket.SHUT_WR)
            got = 0
            while piece := connection.recv(1 << 20):
                got += len(piece)
            if got != (TRANSFER_BYTES if direction == "upload" else 0):
                raise RuntimeError(f"{got} bytes came")
            return time.perf_counter() - began
