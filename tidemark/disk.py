"""The disk of a folder: what is free on it, what takes room there, and who has a folder to himself."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from tidemark.errors import DiskFull, RunError
from tidemark.files import NO_ROOM


def free_bytes(folder: Path) -> int:
    """Bytes that this account may still write on the folder's disk; the folder need not be there yet."""
    return usage(folder)[0]


def usage(folder: Path) -> tuple[int, int]:
    """Bytes that this account may still write, and all bytes, of the disk that a folder is on or will be on."""
    nearest = next(path for path in (folder, *folder.parents) if path.is_dir())
    disk = os.statvfs(nearest)
    return disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize


def allocated(folder: Path) -> int:
    """Bytes that a folder's files take on their disk; 0 when it is not there."""
    total = 0
    for current, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(current, name).lstat().st_blocks * 512
    return total


def megabytes(count: int) -> str:
    """Bytes with the precision that a decision about disks needs."""
    return f"{count / 1e6:,.1f} MB"


@contextlib.contextmanager
def locked(path: Path, *, create: bool = False) -> Iterator[None]:
    """Holds a file or a folder for the block alone; the kernel gives the lock back however the process ends. With
    ``create`` the file is made when it is not there. Raises ``BlockingIOError`` when somebody else holds it, or another
    ``OSError`` when it cannot be opened."""
    flags = (os.O_RDWR | os.O_CREAT if create else os.O_RDONLY) | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def scratch_error(scratch: Path, error: OSError) -> RunError:
    """What an operating system error in a node's scratch folder means to a person."""
    where = f"the scratch folder {scratch}"
    if error.errno in NO_ROOM:
        return DiskFull(f"{where} is full: {error.strerror}", "free some room, or set [node] scratch to a larger disk")
    return RunError(
        f"{where} cannot be written: {error.strerror} ({error.filename})",
        f"let the account with uid {os.geteuid()} write there, or set [node] scratch to another folder",
    )
