"""Where a source listens, and the account we use there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Tls = Literal["preferred", "disabled", "required", "verify"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and an account on it. ``str()`` is ``host:port``, safe for any log."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    tls: Tls = "preferred"
    """``preferred``: encrypted if the server can. ``verify``: encrypted, and the certificate must fit."""
    tls_ca: Path | None = None
    """The authority's certificates, PEM; for ``verify``."""

    @property
    def tcp_host(self) -> str:
        """The host as client libraries are told it. To them ``localhost``, in exactly these letters, is no host but
        the socket of whatever server happens to listen there, whichever port was asked for."""
        return "LOCALHOST" if self.host == "localhost" else self.host

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
