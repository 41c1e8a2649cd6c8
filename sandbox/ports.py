"""Free TCP ports on loopback."""

from __future__ import annotations

import socket
import threading

_given: set[int] = set()
_lock = threading.Lock()


def free_port() -> int:
    """A port that nothing listens on now and that this process has not been given before.

    Another process may take it in the meantime; whoever starts a server on it finds out at once.
    """
    with _lock:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            if port not in _given:
                _given.add(port)
                return port
