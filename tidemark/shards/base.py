"""What is asked about a fleet's shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from tidemark.config import Address, ShardSettings

__all__ = ["Address", "Servers", "Topology"]


@dataclass(frozen=True, slots=True)
class Servers:
    """A shard's servers."""

    candidates: tuple[Address, ...]
    """Those that can be its primary, never none. Of several, the one that takes writes is it."""
    replicas: tuple[Address, ...] = ()
    """Those that stand in for it as the source; empty when any candidate does that is not the primary."""

    def sources(self, source: Literal["primary", "replica"]) -> tuple[Address, ...]:
        """Those that a run with such a source could read from, never none."""
        return self.candidates if source == "primary" else self.replicas or self.candidates

    def hosts(self, source: Literal["primary", "replica"]) -> frozenset[str]:
        """The hosts of these, in lower case, for names are the same in any."""
        return frozenset(address.host.lower() for address in self.sources(source))


class Topology(Protocol):
    """Knows the shards. Settings say how a shard is backed up; this says that it is there, and where."""

    def names(self) -> tuple[str, ...]:
        """Every shard's name, each once, in an order that stays."""
        ...

    def shards(self) -> tuple[ShardSettings, ...]:
        """The same shards in the same order, each with how it is backed up."""
        ...

    def find(self, shard: str) -> ShardSettings:
        """How a shard is backed up. Raises ``UnknownShard``, which names shards that there are."""
        ...

    def servers(self, shard: str) -> Servers:
        """Where the shard's servers are. Raises ``UnknownShard``."""
        ...
