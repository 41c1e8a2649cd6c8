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
from tidemark.shards import topology

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


@dataclass(frozen=True, slots=True)
class WarmFolders:
    """The kept folders of one node."""

    root: Path
    """``<scratch>/kept``."""
    wanted: bool
    """Whether folders are kept at all (``[node] keep``)."""
    url: str
    """The repository whose backups they are."""
    shards: frozenset[str]
    """The configured shards; folders of others are of no use."""

    @classmethod
    def of(cls, settings: Settings) -> WarmFolders:
        """Those of this node, as it is configured now."""
        names = frozenset(topology(settings).names())
        return cls(settings.node.scratch / "kept", settings.node.keep, settings.repository.url, names)

    def keep(self, shard: str, data: Path, backup: int) -> bool:
        """Moves a cold data folder to where the shard's next run looks for it; says whether it is there. Never fails:
        a folder that cannot be kept is one that the next run fetches."""
        self._sweep()
        if not self.wanted:
            return False
        note = _Note(shard=shard, url=self.url, backup=backup, kept_at=datetime.now(UTC)).model_dump_json()
        new = self.root / f".new-{secrets.token_hex(8)}"
        try:
            new.mkdir(mode=0o700, parents=True)
            data.rename(new / "data")
            files.write_atomically(new / _NOTE, note.encode())
            target = self.root / shard
            target.parent.mkdir(mode=0o700, exist_ok=True)
            self._remove(target)
            new.rename(target)
        except OSError as error:
            log.warning("%s: its data folder cannot be kept: %s", shard, error)
            shutil.rmtree(new, ignore_errors=True)
            return False
        return True

    def find(self, shard: str) -> int | None:
        """The number of the backup whose folder is kept for the shard's next run; None when there is none."""
        found = _read(self.root / shard) if self.wanted else None
        return found.backup if found and found.url == self.url else None

    def drop(self, shard: str) -> None:
        """Removes the shard's kept folder, if there is one."""
        if self._remove(self.root / shard):
            log.info("%s: its kept folder is not used this time, and removed", shard)

    def take(self, shard: str, data: Path) -> int | None:
        """Moves the shard's kept folder, if there is one, to where a run restores; gives the number of the backup that
        it was. Nobody may trust what is in it."""
        if not self.wanted:
            self._sweep()
            return None
        found = _read(self.root / shard)
        if found is None or found.url != self.url:
            return None
        taken = data.with_name("kept")
        try:
            found.folder.rename(taken)
            (taken / "data").rename(data)
        except OSError as error:
            log.info("%s: its kept folder is gone: %s", shard, error)
            return None
        finally:
            shutil.rmtree(taken, ignore_errors=True)
        log.info("%s: goes on from the folder of backup %d, which this node has kept", shard, found.backup)
        return found.backup

    def held(self) -> frozenset[str]:
        """The shards whose folders are here, by their names alone: for a node that chooses what to begin."""
        if not self.wanted:
            return frozenset()
        return frozenset(f"{path.parent.name}/{path.name}" for path in self._folders())

    def all_kept(self) -> list[Kept]:
        """Every kept folder, the one that was kept longest first."""
        found = [kept for path in self._folders() if (kept := _read(path))]
        return sorted(found, key=lambda kept: kept.kept_at)

    def drop_oldest(self) -> bool:
        """Removes the folder that was kept longest, because its room is needed; False when there is none."""
        for kept in self.all_kept():
            if self._remove(kept.folder):
                log.info("%s: removed its kept folder to make room", kept.shard)
                return True
        return False

    def _sweep(self) -> None:
        """Removes what is of no use: folders of shards and repositories that are not configured any more (of all, once
        nothing is to be kept), those that do not say what they are, and what killed processes have left."""
        known = self.shards if self.wanted else frozenset()
        for path in list(self._folders()):
            kept = _read(path)
            if kept is None or kept.shard not in known or kept.url != self.url:
                self._remove(path)
        with contextlib.suppress(OSError):
            for path in self.root.glob(".*"):
                if path.stat().st_mtime < time.time() - _RUBBISH_AFTER:
                    shutil.rmtree(path, ignore_errors=True)

    def _folders(self) -> Iterator[Path]:
        for keyspace in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            if keyspace.is_dir() and not keyspace.name.startswith("."):
                with contextlib.suppress(OSError):
                    yield from sorted(path for path in keyspace.iterdir() if path.is_dir())

    def _remove(self, path: Path) -> bool:
        """Removes a kept folder; False when somebody else has taken it."""
        gone = self.root / f".gone-{secrets.token_hex(8)}"
        try:
            path.rename(gone)
            os.utime(gone)
        except OSError:
            return False
        shutil.rmtree(gone, ignore_errors=True)
        return True


def _read(path: Path) -> Kept | None:
    try:
        note = _Note.model_validate_json((path / _NOTE).read_bytes())
    except (OSError, ValidationError):
        return None
    if (path.parent.name, path.name) != tuple(note.shard.split("/")):
        return None
    return Kept(note.shard, note.url, note.backup, note.kept_at, path)
