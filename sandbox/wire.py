"""A wire that can be cut: a TCP proxy in front of a server whose protocol it need not know."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from typing import Self


class Wire:
    """Passes bytes on to a port of loopback, both ways. ``cut`` resets every connection; while ``severed``, new ones
    are reset as well; ``delay`` holds back each piece for that many seconds."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.settimeout(0.2)
        self._links: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.severed = False
        self.delay = 0.0
        self.refused = 0
        """Connections that found nobody, or a severed wire."""
        self._thread = threading.Thread(target=self._accept, name=f"wire to {port}", daemon=True)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def cut(self) -> int:
        """Resets every connection; gives how many there were."""
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            _reset(link)
        return len(links) // 2

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            try:
                if self.severed:
                    raise ConnectionRefusedError
                far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                self.refused += 1
                _reset(near)
                continue
            for link in (near, far):
                link.setblocking(True)
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._links |= {near, far}
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, contextlib.suppress(OSError, ValueError, KeyError):
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while not self._closing.is_set():
                for key, _ in selector.select(1.0):
                    piece = near.recv(1 << 16) if key.fileobj is near else far.recv(1 << 16)
                    if not piece:
                        raise ConnectionResetError
                    if self.delay:
                        self._closing.wait(self.delay)
                    key.data.sendall(piece)
        self._forget(near, far)

    def _forget(self, *links: socket.socket) -> None:
        with self._lock:
            self._links -= set(links)
        for link in links:
            link.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._closing.set()
        self._listener.close()
        self.cut()
        self._thread.join(10)


def _reset(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The thread that waits for this socket wakes up; closing alone would leave it asleep.
        link.shutdown(socket.SHUT_RDWR)
    link.close()
