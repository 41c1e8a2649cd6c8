"""Where a restore works until it is complete: a folder beside its target, which becomes the target by one rename.

The name says that nobody may start a server on it. It stays there when a restore is killed, and the next restore to
the same target goes on in it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tidemark import mysql
from tidemark.disk import allocated, free_bytes, locked, megabytes
from tidemark.errors import DiskFull, RunError, TidemarkError
from tidemark.files import NO_ROOM

log = logging.getLogger(__name__)

INCOMPLETE = ".tidemark-incomplete"
"""How the folder's name ends for as long as its restore is not done."""


@dataclass(frozen=True, slots=True)
class Staging:
    """A target, and what is there already."""

    target: Path
    """Absolute."""
    folder: Path
    """Where the restore works: beside the target, or in it when the target is a mount point."""
    continued: bool
    """Whether an earlier restore has left something in ``folder``."""
    delta: bool
    """Whether the target holds a data folder that is to become the backup."""

    @property
    def reuse(self) -> bool:
        """Whether files that are there may hold some of the backup already."""
        return self.continued or self.delta


def inspect_target(target: Path, *, delta: bool) -> Staging:
    """What a restore to this target has to do with; changes nothing. Raises ``RunError`` when it must not be done:
    the target holds something, or with ``delta`` something that is not a data folder at rest."""
    target = target.absolute()
    inside = os.path.ismount(target)
    staging = target / INCOMPLETE if inside else target.with_name(f"{target.name}{INCOMPLETE}")
    try:
        for path in (target, staging):
            if path.is_symlink() or (path.exists() and not path.is_dir()):
                raise RunError(f"{path} is not a folder", "name a folder that does not exist yet")
        continued = staging.is_dir()
        filled = target.is_dir() and any(path != staging for path in target.iterdir())
    except PermissionError as error:
        raise failed(target, error) from error
    if filled and not delta:
        raise RunError(
            f"{target} is not empty",
            "name a folder that does not exist yet, or give --delta for a data folder that may become the backup; "
            "nothing was changed",
        )
    if filled:
        _check_data_folder(target)
        if continued and not inside:
            raise RunError(f"there are both {target} and {staging}", "remove the one that is of no use; see their age")
    return Staging(target, staging, continued, delta=filled)


def _check_data_folder(target: Path) -> None:
    if not mysql.is_data_folder(target):
        raise RunError(
            f"{target} is not the data folder of a MySQL or MariaDB server",
            "--delta changes a data folder; name one, or a folder that does not exist yet. Nothing was changed",
        )
    if server := mysql.find_server(target):
        raise RunError(f"a server is running on {target}: {server}", "stop it first; nothing was changed")


def check_room(staging: Staging, needed: int, what: str) -> None:
    """Raises ``DiskFull``, before anything is written, when the target's disk cannot take ``needed`` bytes."""
    place = staging.target if staging.delta else staging.folder
    there = allocated(place) if staging.reuse else 0
    free = free_bytes(staging.folder)
    if needed > free + there:
        reused = f", and {megabytes(there)} that are there already can be used again" if there else ""
        raise DiskFull(
            f"{what} takes {megabytes(needed)}; the disk of {staging.target} has {megabytes(free)} free{reused}",
            "restore to a larger disk; nothing was written",
        )


@contextlib.contextmanager
def working(staging: Staging) -> Iterator[Path]:
    """Gives the folder to restore into, for this restore alone. What this call has made is removed again when it ends
    by an error or a signal; what was there before stays, to be continued by the next restore."""
    folder, target = staging.folder, staging.target
    made: list[Path] = []
    alone = False
    with contextlib.ExitStack() as stack:
        try:
            try:
                made = _make_parents(folder.parent)
                if staging.delta:
                    _set_aside(staging)
                else:
                    folder.mkdir(mode=0o700, exist_ok=staging.continued)
                stack.enter_context(locked(folder))
            except BlockingIOError:
                raise RunError(f"another restore to {target} is running", "wait for it, or stop it") from None
            except OSError as error:
                raise failed(target, error) from error
            alone = True
            yield folder
        except BaseException as error:
            if not staging.reuse and (alone or made):
                shutil.rmtree(folder, ignore_errors=True)
                for made_here in reversed(made):
                    with contextlib.suppress(OSError):
                        made_here.rmdir()
                raise
            if not alone:
                raise
            kept = f"what is there is kept in {folder}, and no server must be started on it; restore to {target} again"
            if isinstance(error, TidemarkError):
                raise type(error)(error.message, f"{error.hint}; {kept}" if error.hint else kept) from error
            log.warning("stopped: %s", kept)
            raise


def _set_aside(staging: Staging) -> None:
    """Takes a data folder away from where a server would be started on it. Nothing is copied."""
    if staging.folder.parent != staging.target:
        staging.target.rename(staging.folder)
        return
    staging.folder.mkdir(mode=0o700, exist_ok=True)
    for path in staging.target.iterdir():
        if path != staging.folder:
            path.rename(staging.folder / path.name)


def _make_parents(folder: Path) -> list[Path]:
    """Makes a folder and those above it; gives the ones that were not there before, outermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()][::-1]
    for path in missing:
        path.mkdir(mode=0o700)
    return missing


def put_in_place(staging: Staging) -> None:
    """The folder becomes the target; on disk when this returns."""
    folder, target = staging.folder, staging.target
    try:
        if folder.parent == target:
            for path in folder.iterdir():
                path.rename(target / path.name)
            folder.rmdir()
        else:
            folder.rename(target)
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise failed(target, error) from error


def failed(target: Path, error: OSError) -> TidemarkError:
    """What an operating system error at the target means to a person."""
    if error.errno in NO_ROOM:
        return DiskFull(f"no room for {target}: {error.strerror}", "restore to a larger disk")
    return RunError(f"{target} cannot be written: {error.strerror}", "restore to a folder that this account may make")
