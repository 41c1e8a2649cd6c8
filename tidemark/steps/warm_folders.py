"""``[node] keep``: data folders that stay on a node after their upload, so that the shard's next run there fetches only
what has changed.

A kept folder is a hope, not a backup: every block of it is hashed before a restore leaves it where it is, and whatever
needs its room removes it. A folder is taken, and removed, by renaming it first, so that of two that want it one has it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tidemark import files
from tidemark.config import Settings
from tidemark.steps.run import Run

log = logging.getLogger(__name__)

_NOTE = "kept.json"
_RUBBISH_AFTER = 3600.0
"""Seconds after which what a killed process was moving is nobody's any more."""


class _Note(BaseModel):
    model_config = ConfigDict(frozen=True)

    shard: str
    url: str
    """The repository that it was uploaded to: with another one's key, no block would be known again."""
    backup: int
    kept_at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept folder."""

    shard: str
    url: str
    backup: int
    """The number of the backup that it became."""
    kept_at: datetime
    """UTC."""
    folder: Path


def keep(run: Run, data: Path, backup: int) -> bool:
    """Moves a run's cold data folder to where the shard's next run looks for it; says whether it is there. Never
    fails: a folder that cannot be kept is one that the next run fetches."""
    settings = run.settings
    _sweep(settings)
    if not settings.node.keep:
        return False
    note = _Note(
        shard=run.shard.name, url=settings.repository.url, backup=backup, kept_at=datetime.now(UTC)
    ).model_dump_json()
    new = _root(settings) / f".new-{secrets.token_hex(8)}"
    try:
        new.mkdir(mode=0o700, parents=True)
        data.rename(new / "data")
        files.write_atomically(new / _NOTE, note.encode())
        target = _place(settings, run.shard.name)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        _remove(settings, target)
        new.rename(target)
    except OSError as error:
        log.warning("%s: its data folder cannot be kept: %s", run.shard.name, error)
        shutil.rmtree(new, ignore_errors=True)
        return False
    return True


def take(run: Run, data: Path) -> int | None:
    """Moves the shard's kept folder, if there is one, to where the run restores; gives the number of the backup that it
    was. Nobody may trust what is in it."""
    settings = run.settings
    if not settings.node.keep:
        _sweep(settings)
        return None
    found = _read(_place(settings, run.shard.name))
    if found is None or found.url != settings.repository.url:
        return None
    taken = run.folder / "kept"
    try:
        found.folder.rename(taken)
        (taken / "data").rename(data)
    except OSError as error:
        log.info("%s: its kept folder is gone: %s", run.shard.name, error)
        return None
    finally:
        shutil.rmtree(taken, ignore_errors=True)
    log.info("%s: goes on from the folder of backup %d, which this node has kept", run.shard.name, found.backup)
    return found.backup


def held(settings: Settings) -> frozenset[str]:
    """The shards whose folders are here, by their names alone: for a node that chooses what to begin."""
    if not settings.node.keep:
        return frozenset()
    return frozenset(f"{path.parent.name}/{path.name}" for path in _folders(settings))


def all_kept(settings: Settings) -> list[Kept]:
    """Every kept folder, the one that was kept longest first."""
    found = [kept for path in _folders(settings) if (kept := _read(path))]
    return sorted(found, key=lambda kept: kept.kept_at)


def drop_oldest(settings: Settings) -> bool:
    """Removes the folder that was kept longest, because its room is needed; False when there is none."""
    for kept in all_kept(settings):
        if _remove(settings, kept.folder):
            log.info("%s: removed its kept folder to make room", kept.shard)
            return True
    return False


def _sweep(settings: Settings) -> None:
    """Removes what is of no use: folders of shards and repositories that are not configured any more (of all, once
    nothing is to be kept), those that do not say what they are, and what killed processes have left."""
    known = {shard.name for shard in settings.shard} if settings.node.keep else set()
    for path in list(_folders(settings)):
        kept = _read(path)
        if kept is None or kept.shard not in known or kept.url != settings.repository.url:
            _remove(settings, path)
    root = _root(settings)
    with contextlib.suppress(OSError):
        for path in root.glob(".*"):
            if path.stat().st_mtime < time.time() - _RUBBISH_AFTER:
                shutil.rmtree(path, ignore_errors=True)


def _root(settings: Settings) -> Path:
    return settings.node.scratch / "kept"


def _place(settings: Settings, shard: str) -> Path:
    return _root(settings) / shard


def _folders(settings: Settings) -> Iterator[Path]:
    root = _root(settings)
    for keyspace in sorted(root.iterdir()) if root.is_dir() else ():
        if keyspace.is_dir() and not keyspace.name.startswith("."):
            with contextlib.suppress(OSError):
                yield from sorted(path for path in keyspace.iterdir() if path.is_dir())


def _read(path: Path) -> Kept | None:
    try:
        note = _Note.model_validate_json((path / _NOTE).read_bytes())
    except (OSError, ValidationError):
        return None
    if (path.parent.name, path.name) != tuple(note.shard.split("/")):
        return None
    return Kept(note.shard, note.url, note.backup, note.kept_at, path)


def _remove(settings: Settings, path: Path) -> bool:
    """Removes a kept folder; False when somebody else has taken it."""
    gone = _root(settings) / f".gone-{secrets.token_hex(8)}"
    try:
        path.rename(gone)
        os.utime(gone)
    except OSError:
        return False
    shutil.rmtree(gone, ignore_errors=True)
    return True
