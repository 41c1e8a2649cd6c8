"""Bring a backup back: a data folder that a stock server of the same flavour starts on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tidemark import wiring
from tidemark.config import RepositorySettings, Settings
from tidemark.errors import RunError, ServerError
from tidemark.progress import ProgressCallback, ignore
from tidemark.recovery import staging
from tidemark.repository import Backup, Manifest, RestoreOptions, ShardRepository
from tidemark.shards import topology


@dataclass(frozen=True, slots=True)
class Found:
    """A backup that can be restored."""

    url: str
    """The repository that it was found in."""
    backups: ShardRepository
    manifest: Manifest

    @property
    def backup(self) -> Backup:
        return self.manifest.backup

    @property
    def needed_bytes(self) -> int:
        """What its files take on a disk: holes take nothing."""
        return self.manifest.needed_bytes


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """A restored data folder."""

    folder: Path
    backup: Backup
    url: str
    """The repository that it came from."""
    start_command: str
    """What a person types to start a stock server on it; empty when the flavour's programs are not installed."""
    seconds: float
    fetched_bytes: int
    """Bytes that came from the repository."""


def find(
    settings: Settings, shard_name: str, *, number: int | None = None, place: RepositorySettings | None = None
) -> Found:
    """A backup (the newest without a number) of the repository that counts, or of another place. Its manifest is read
    and checked. Raises ``RunError`` or ``BackupMissing`` when there is none."""
    place = place or settings.repository
    backups = wiring.open_place(place).shard(shard_name)
    backup = backups.catalog.newest() if number is None else backups.catalog.backup(number)
    if backup is None:
        known = topology(settings).names()
        hint = "" if shard_name in known else f"the configured shards are: {', '.join(known[:8])}"
        raise RunError(f"{shard_name} has no backup in {place.url}", hint)
    return Found(place.url, backups, backups.catalog.manifest(backup))


def run(
    settings: Settings, found: Found, target: Path, *, delta: bool = False, progress: ProgressCallback = ignore
) -> BroughtBack:
    """Restores a backup that ``find`` has found, so that ``target`` becomes the data folder.

    ``target`` must not exist, or be empty; with ``delta`` it may be a data folder at rest, of which blocks that the
    backup has too are kept and all else is replaced or removed. It is there under its name, complete and on disk,
    only when every block has been checked. A restore that fails leaves nothing behind that it has made itself; one
    that was killed, or that had something to go on from, is continued by the next one. Raises ``DiskFull`` before
    anything is written when the disk cannot take the backup.
    """
    began = time.monotonic()
    where = staging.inspect_target(target, delta=delta)
    staging.check_room(where, found.needed_bytes, f"backup {found.backup.number} of {found.backups.name}")
    with staging.working(where) as folder:
        restored = found.backups.restore(
            found.backup,
            folder,
            RestoreOptions(threads=settings.node.threads, reuse=where.reuse, durable=True),
            progress=progress,
        )
        staging.put_in_place(where)
    return BroughtBack(
        folder=where.target,
        backup=found.backup,
        url=found.url,
        start_command=_start_command(settings, found.backup, where.target),
        seconds=round(time.monotonic() - began, 3),
        fetched_bytes=restored.fetched_bytes,
    )


def _start_command(settings: Settings, backup: Backup, target: Path) -> str:
    try:
        return wiring.find_flavour(settings, backup.flavour).start_command(target, backup.variables)
    except ServerError:
        return ""  # restoring needs no server; starting one may happen on another machine
