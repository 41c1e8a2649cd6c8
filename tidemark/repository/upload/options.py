"""How an upload works."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidemark.repository.format.geometry import Geometry
from tidemark.repository.inspect import Inspector
from tidemark.repository.threads.limits import Limits


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """How an upload works. What it uploads, and for which run, is told elsewhere."""

    threads: int = 2
    """Threads that read, compress and seal."""
    level: int = 1
    """The level of zstd."""
    pack_size: int = 64 << 20
    """Bytes of a pack, at most."""
    geometry: Geometry = field(default_factory=Geometry)
    """How files are cut. A shard that has backups keeps the sizes, in bytes and blocks, of its first one."""
    inspector: Inspector | None = None
    """Looks at the blocks that are stored anew."""
    limits: Limits = field(default_factory=Limits)
    """Hold the storing of packs back (bytes per second), and end an upload of which nothing moves (seconds)."""
