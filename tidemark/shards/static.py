"""Shards as the configuration file lists them."""

from __future__ import annotations

from pathlib import Path

from tidemark import config
from tidemark.shards.base import Address


class StaticTopology:
    """Reads the file again at each question: after a failover an operator (or a script) edits ``host`` there, and a
    run that is catching up follows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def primary(self, shard: str) -> Address:
        settings = config.load(self._path).find_shard(shard)
        return Address(settings.host, settings.port)
