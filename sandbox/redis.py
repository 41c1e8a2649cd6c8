"""A Redis of one's own."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Self

from sandbox import processes
from sandbox.certificates import Certificates
from sandbox.ports import free_port


class RedisServer:
    """``redis-server`` on a free port of loopback, with an append-only file as production has it.

    A password is optional, and so is TLS, where clients must have a certificate too; everything lies in ``folder``. A
    stopped or killed server starts again with its data.
    """

    def __init__(self, folder: Path, *, password: str | None = None, tls: Certificates | None = None) -> None:
        self.folder = folder
        self.tls = tls
        self.port = free_port()
        self.password = password
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Never holds the password."""
        return f"{'rediss' if self.tls else 'redis'}://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise processes.ProcessFailed("Redis is not running")
        return self._process.pid

    def start(self) -> Self:
        """Returns when it answers."""
        program = shutil.which("redis-server")
        if program is None:
            raise processes.ProcessFailed("there is no program redis-server on PATH: install redis-server")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = self.folder / "redis.conf"
        options.touch(mode=0o600)
        lines = [
            *self._listening(),
            "bind 127.0.0.1",
            "appendonly yes",
            'save ""',
            f'dir "{self.folder}"',
            "daemonize no",
            "maxmemory-policy noeviction",
        ]
        if self.password:
            lines.append(f'requirepass "{self.password}"')
        options.write_text("\n".join(lines) + "\n")
        log = self.folder / "redis.log"
        self._process = processes.start([program, options], log=log)
        deadline = time.monotonic() + 20
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise processes.ProcessFailed(f"Redis did not start:\n{processes.tail(log)}")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """Ends it; what it has acknowledged is on disk. Does nothing when it is not running."""
        if self._process is not None:
            processes.stop(self._process)
            self._process = None

    def kill(self) -> None:
        """``kill -9``."""
        if self._process is not None:
            processes.kill(self._process)
            self._process = None

    def _listening(self) -> list[str]:
        if self.tls is None:
            return [f"port {self.port}"]
        return [
            "port 0",
            f"tls-port {self.port}",
            f'tls-cert-file "{self.tls.certificate}"',
            f'tls-key-file "{self.tls.key}"',
            f'tls-ca-cert-file "{self.tls.ca}"',
            "tls-auth-clients yes",
        ]

    def _connect(self) -> socket.socket:
        link = socket.create_connection(("127.0.0.1", self.port), timeout=1)
        if self.tls is None:
            return link
        context = ssl.create_default_context(cafile=str(self.tls.ca))
        context.load_cert_chain(self.tls.certificate, self.tls.key)
        return context.wrap_socket(link, server_hostname="127.0.0.1")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), self._connect() as link:
            link.settimeout(1)
            link.sendall(b"PING\r\n")
            return link.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        return False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *details: object) -> None:
        self.stop()
