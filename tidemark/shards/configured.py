"""Which Topology a configuration means."""

from __future__ import annotations

from pathlib import Path

from tidemark import config
from tidemark.config import Settings
from tidemark.shards.base import Topology
from tidemark.shards.static import StaticTopology


def topology(settings: Settings) -> Topology:
    """The shards that a configuration speaks of."""
    return StaticTopology(settings)


def current(path: Path) -> Topology:
    """The same for the configuration file as it is at this moment: whoever asks again in the middle of a catch-up
    learns what has been edited meanwhile. Raises ``ConfigError``."""
    return topology(config.current(path))
