"""Which shards there are, and where the primary of each is."""

from tidemark.shards.base import Address, Topology
from tidemark.shards.static import StaticTopology

__all__ = ["Address", "StaticTopology", "Topology"]
