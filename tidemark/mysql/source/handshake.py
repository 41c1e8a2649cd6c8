"""What a server says of itself before anybody has logged in: whether it can encrypt."""

from __future__ import annotations

import socket

from tidemark.mysql.endpoint import Endpoint

_CLIENT_SSL = 0x0800
_PROTOCOL = 10


def offers_encryption(endpoint: Endpoint, seconds: float) -> bool:
    """Whether the server can encrypt a connection; also true when it does not say, as a server that is full does.

    The client library must know before it logs in: told to encrypt, it takes the connection for safe, and sends a
    password to a server that cannot encrypt in the clear. Raises ``OSError`` when nobody answers.
    """
    with socket.create_connection((endpoint.host, endpoint.port), timeout=seconds) as connection:
        header = _receive(connection, 4)
        greeting = _receive(connection, int.from_bytes(header[:3], "little"))
    version_ends = greeting.find(b"\0")
    if not greeting or greeting[0] != _PROTOCOL or version_ends < 0:
        return True
    # Behind the version: thread id (4), first part of the challenge (8), a filler (1), the lower capabilities (2).
    capabilities = greeting[version_ends + 14 : version_ends + 16]
    return len(capabilities) < 2 or bool(int.from_bytes(capabilities, "little") & _CLIENT_SSL)


def _receive(connection: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            raise ConnectionResetError("the server closed the connection before it said anything")
        received += part
    return received
