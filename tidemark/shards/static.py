"""Shards as the configuration file lists them."""

from __future__ import annotations

from pathlib import Path

from tidemark import config
from tidemark.shards.base import Address, Servers


class StaticTopology:
    """Looks at the file again at each question: after a failover an operator (or a script) edits ``host`` there, and a
    run that is catching up follows. With ``hosts`` nothing needs to be edited."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def servers(self, shard: str) -> Servers:
        settings = config.current(self._path).find_shard(shard)
        candidates = tuple(Address(host, port) for host, port in settings.candidates)
        replicas = tuple(Address(host, port) for host, port in settings.replicas)
        return Servers(candidates, replicas or candidates)
