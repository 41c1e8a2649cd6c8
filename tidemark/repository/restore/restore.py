"""Restore: a backup becomes a folder again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tidemark.progress import ProgressCallback
from tidemark.repository.format.manifest import Manifest
from tidemark.repository.objects import ShardObjects
from tidemark.repository.restore.frames import FrameReader
from tidemark.repository.restore.target import Target
from tidemark.repository.threads.limits import Limits

WAITING = 6
"""More threads for a durable restore: they wait for the disk for more than half of their time. Where most blocks are
only hashed, they would be in one another's way."""


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """How a restore works."""

    threads: int = 2
    """Threads that fetch, open, check and write; a durable restore into a new folder adds some."""
    reuse: bool = False
    """Keep blocks that are in the folder already, fetch the others, remove files that the backup does not have."""
    durable: bool = False
    """Return only after everything is on disk."""
    only: Callable[[str], bool] | None = None
    """Says of each file's path whether it is wanted; None wants all."""
    limits: Limits = field(default_factory=Limits)
    """Hold the fetching back (bytes per second), and end a restore of which nothing moves (seconds)."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has done."""

    bytes: int
    """The sum of the files' lengths."""
    fetched_bytes: int
    """Bytes that came from the store."""
    seconds: float


def restore(
    objects: ShardObjects,
    manifest: Manifest,
    folder: Path,
    options: RestoreOptions,
    progress: ProgressCallback,
    guard: Callable[[], None],
) -> Restored:
    """Returns once the folder is exactly the backup."""
    if options.only is not None:
        manifest = manifest.part(options.only)
    target = Target(folder, reuse=options.reuse, durable=options.durable)
    threads = options.threads + (WAITING if options.durable and not options.reuse else 0)
    began = time.monotonic()
    reader = FrameReader(objects, manifest, target, threads=threads, guard=guard, limits=options.limits)
    fetched = reader.run(progress)
    return Restored(manifest.backup.bytes, fetched, round(time.monotonic() - began, 3))
