"""Small files, written so that a crash leaves the old one or the new one; and reading those that hold secrets."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from tidemark.errors import ConfigError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The errnos that say that a disk, or a quota, is full."""


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces a file as a whole, mode 0600, and returns once it is on disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_private(folder: Path, *, exist_ok: bool = True) -> None:
    """Makes a folder, and those above it that are not there, for this account alone, whatever the umask: ``mkdir``
    gives its mode to the last one only."""
    if not folder.parent.is_dir():
        make_private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=exist_ok)


def read_secret(path: Path, what: str) -> str:
    """The first line of a file that only its owner may read. ``ConfigError`` names ``what`` the file is for."""
    try:
        with path.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            content = stream.read(65536)
    except OSError as error:
        raise ConfigError(f"{what}: {path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise ConfigError(f"{what}: {path} has mode {mode:04o}; others may read it", f"chmod 600 {path}")
    try:
        secret = content.decode().splitlines()[0] if content else ""
    except UnicodeDecodeError:
        raise ConfigError(f"{what}: {path} is not text") from None
    if not secret:
        raise ConfigError(f"{what}: {path} is empty")
    return secret
