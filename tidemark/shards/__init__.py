"""Which shards there are, and where the servers of each are now.

::

    base        what is asked: a Topology and its answers
    configured  which Topology a configuration means
    static      shards as the configuration file lists them
"""

from tidemark.shards.base import Address, Servers, Topology
from tidemark.shards.configured import current, topology
from tidemark.shards.static import StaticTopology

__all__ = ["Address", "Servers", "StaticTopology", "Topology", "current", "topology"]
