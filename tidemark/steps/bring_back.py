"""Bring a backup back: a data folder that a stock server of the same flavour starts on."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tidemark.config import Settings
from tidemark.errors import DiskFull, RunError, ServerError, TidemarkError
from tidemark.files import NO_ROOM
from tidemark.progress import ProgressCallback, ignore
from tidemark.repository import Backup
from tidemark.steps import rooms

INCOMPLETE = ".tidemark-incomplete"
"""Stands in a folder for as long as its restore is not done."""


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """A restored data folder."""

    folder: Path
    backup: Backup
    start_command: str
    """What a person types to start a stock server on it; empty when the flavour's programs are not installed."""
    seconds: float
    fetched_bytes: int
    """Bytes that came from the repository."""


def run(
    settings: Settings,
    shard_name: str,
    target: Path,
    *,
    number: int | None = None,
    progress: ProgressCallback = ignore,
) -> BroughtBack:
    """Restores a backup (the newest without a number) so that ``target`` becomes the data folder.

    ``target`` must not exist, or be empty. It appears, complete and on disk, only when every block has been checked; a
    restore that fails leaves nothing behind.
    """
    began = time.monotonic()
    target = target.absolute()
    backups = rooms.open_repository(settings).shard(shard_name)
    backup = backups.newest() if number is None else backups.backup(number)
    if backup is None:
        known = [shard.name for shard in settings.shard]
        hint = "" if shard_name in known else f"the configured shards are: {', '.join(known[:8])}"
        raise RunError(f"{shard_name} has no backup in {settings.repository.url}", hint)
    _check_target(target)
    with _staging(target) as staging:
        restored = backups.restore(
            backup, staging, threads=settings.node.threads, progress=progress, reuse=False, durable=True
        )
        _put_in_place(staging, target)
    return BroughtBack(
        folder=target,
        backup=backup,
        start_command=_start_command(settings, backup, target),
        seconds=round(time.monotonic() - began, 3),
        fetched_bytes=restored.fetched_bytes,
    )


def _check_target(target: Path) -> None:
    try:
        if target.is_symlink() or (target.exists() and not target.is_dir()):
            raise RunError(f"{target} is not a folder", "name a folder that does not exist yet")
        if target.is_dir() and any(target.iterdir()):
            raise RunError(f"{target} is not empty", "name a folder that does not exist yet; nothing was changed")
    except PermissionError as error:
        raise _target_error(target, error) from error


@contextlib.contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """A folder beside the target that becomes it by one rename. A mount point cannot be renamed over: its inside is
    restored in place."""
    staging = target / INCOMPLETE if os.path.ismount(target) else target.with_name(f"{target.name}{INCOMPLETE}")
    made: list[Path] = []
    try:
        try:
            made = _make_parents(staging.parent)
            shutil.rmtree(staging, ignore_errors=True)  # what a killed restore of the same target has left
            staging.mkdir(mode=0o700)
        except OSError as error:
            raise _target_error(target, error) from error
        yield staging
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _make_parents(folder: Path) -> list[Path]:
    """Makes a folder and those above it; gives the ones that were not there before, outermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()][::-1]
    for path in missing:
        path.mkdir(mode=0o700)
    return missing


def _put_in_place(staging: Path, target: Path) -> None:
    try:
        if staging.parent == target:
            for path in staging.iterdir():
                path.rename(target / path.name)
            staging.rmdir()
        else:
            staging.rename(target)
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _target_error(target, error) from error


def _target_error(target: Path, error: OSError) -> TidemarkError:
    if error.errno in NO_ROOM:
        return DiskFull(f"no room for {target}: {error.strerror}", "restore to a larger disk")
    return RunError(f"{target} cannot be written: {error.strerror}", "restore to a folder that this account may make")


def _start_command(settings: Settings, backup: Backup, target: Path) -> str:
    try:
        return rooms.find_flavour(settings, backup.flavour).start_hint(target, backup.variables)
    except ServerError:
        return ""  # restoring needs no server; starting one may happen on another machine
