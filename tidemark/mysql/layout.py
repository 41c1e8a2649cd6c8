"""Where a private server keeps what: all in the run's folder, apart from a socket whose path would be too long."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

SOCKET_LIMIT = 100
"""Bytes of a socket's path; the kernel takes 107, and the servers append a few letters to it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one private server."""

    folder: Path
    """The run's folder, absolute."""

    @property
    def data(self) -> Path:
        """The data folder: what becomes the backup."""
        return self.folder / "data"

    @property
    def server(self) -> Path:
        """All else, mode 0700."""
        return self.folder / "server"

    @property
    def record(self) -> Path:
        """What state the data folder is in, and which process works on it."""
        return self.server / "state.json"

    @property
    def options(self) -> Path:
        """The server's option file. A process that has it as its ``--defaults-file`` is ours."""
        return self.server / "server.cnf"

    @property
    def account(self) -> Path:
        """The option file by which client programs, and a later step, log in."""
        return self.server / "account.cnf"

    @property
    def init(self) -> Path:
        """The statements that make the private account; removed once they have run."""
        return self.server / "init.sql"

    @property
    def error_log(self) -> Path:
        return self.server / "error.log"

    @property
    def console(self) -> Path:
        """What the server, or a program, prints before it has opened its log."""
        return self.server / "console.log"

    @property
    def tmp(self) -> Path:
        return self.server / "tmp"

    @property
    def relay(self) -> Path:
        """Relay logs: as large as what is caught up."""
        return self.server / "relay"

    def place_socket(self) -> Path:
        """The socket's path: in ``server``, or in a short folder of its own below the system's temporary one."""
        inside = self.server / "mysqld.sock"
        if len(bytes(inside)) <= SOCKET_LIMIT:
            return inside
        name = hashlib.sha256(bytes(self.folder)).hexdigest()[:16]
        short = Path(tempfile.gettempdir())
        if len(bytes(short)) > SOCKET_LIMIT - 45:
            short = Path("/tmp")  # noqa: S108 -- a folder of our own, mode 0700, is made in it
        return short / f"tidemark-{name}" / "mysqld.sock"
