"""A shard's objects: the store that has them, their names, and the key that opens them."""

from __future__ import annotations

from dataclasses import dataclass

from tidemark.repository.format.manifest import ManifestCodec
from tidemark.repository.format.names import ShardNames
from tidemark.repository.format.sealing import FrameSealer
from tidemark.repository.keys.keys import DataKey
from tidemark.storage import Store


@dataclass(frozen=True, slots=True)
class ShardObjects:
    """What it takes to read and to write one shard's objects."""

    store: Store
    key: DataKey
    names: ShardNames

    @property
    def shard(self) -> str:
        """``keyspace/shard``."""
        return self.names.shard

    def codec(self) -> ManifestCodec:
        """Reads and writes the shard's manifests."""
        return ManifestCodec(self.key, self.shard)

    def sealer(self) -> FrameSealer:
        """Opens and seals the shard's frames."""
        return FrameSealer(self.key, self.shard)

    def digest_key(self) -> bytes:
        """The key of the blocks' digests."""
        return self.key.digest_key(self.shard)
