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


class Topology(Protocol):
    """Knows the shards. Asked again in the middle of a catch-up, it must answer with the state of that moment."""

    def primary(self, shard: str) -> Address:
        """Where the shard's primary is now. Raises ``UnknownShard``."""
        ...
