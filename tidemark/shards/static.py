"""Shards as the configuration file lists them."""

from __future__ import annotations

import functools

from tidemark.config import Settings, ShardSettings
from tidemark.errors import UnknownShard
from tidemark.shards.base import Servers

SHOWN = 8
"""Names that a message lists of the shards that there are."""


class StaticTopology:
    """The file as it was when it was read. With ``host`` an operator (or a script) edits it after a failover; with
    ``hosts`` nothing needs to be edited."""

    def __init__(self, settings: Settings) -> None:
        self._shards = settings.shard

    def names(self) -> tuple[str, ...]:
        """In the file's order."""
        return tuple(shard.name for shard in self._shards)

    def shards(self) -> tuple[ShardSettings, ...]:
        """In the file's order."""
        return self._shards

    def find(self, shard: str) -> ShardSettings:
        """What the file says of the shard. Raises ``UnknownShard``."""
        try:
            return self._by_name[shard]
        except KeyError:
            known = ", ".join(self.names()[:SHOWN]) + (", ..." if len(self._shards) > SHOWN else "")
            raise UnknownShard(
                f'there is no shard "{shard}" in the configuration', f"the configured shards are: {known}"
            ) from None

    def servers(self, shard: str) -> Servers:
        """Where the file says that they are. Raises ``UnknownShard``."""
        found = self.find(shard)
        return Servers(found.candidates, found.replicas)

    @functools.cached_property
    def _by_name(self) -> dict[str, ShardSettings]:
        return {shard.name: shard for shard in self._shards}
