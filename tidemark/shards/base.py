"""What Tidemark asks about a fleet's shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Servers:
    """A shard's servers."""

    candidates: tuple[Address, ...]
    """Those that can be its primary, never none. Of several, the one that takes writes is it."""
    replicas: tuple[Address, ...]
    """Those that may stand in for it as the source."""


class Topology(Protocol):
    """Knows the shards. Asked again in the middle of a catch-up, it must answer with the state of that moment."""

    def servers(self, shard: str) -> Servers:
        """Where the shard's servers are now. Raises ``UnknownShard``."""
        ...
