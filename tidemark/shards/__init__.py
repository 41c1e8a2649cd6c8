"""Which shards there are, and where the servers of each are."""

from tidemark.shards.base import Address, Servers, Topology
from tidemark.shards.static import StaticTopology

__all__ = ["Address", "Servers", "StaticTopology", "Topology"]
