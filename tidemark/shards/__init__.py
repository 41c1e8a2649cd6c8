"""Which shards there are, and where the servers of each are.

::

    base    what is asked about a fleet's shape
    static  shards as the configuration file lists them
"""

from tidemark.shards.base import Address, Servers, Topology
from tidemark.shards.static import StaticTopology

__all__ = ["Address", "Servers", "StaticTopology", "Topology"]
