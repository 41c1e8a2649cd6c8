"""Where an upload's files come from."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tidemark.errors import RepositoryError
from tidemark.repository.format.manifest import Directory, is_safe_path


@dataclass(frozen=True, slots=True)
class OriginFile:
    """A file that is to be uploaded."""

    path: str
    """Relative to the data folder."""
    mode: int
    length: int
    """Bytes, when the upload began; what is uploaded does not change."""


class Origin(Protocol):
    """What can be uploaded. Raises ``RepositoryError`` for what cannot be read. Several threads read at once."""

    def files(self) -> Sequence[OriginFile]:
        """Every file."""

    def directories(self) -> Sequence[Directory]:
        """Every directory that the backup is to name."""

    def read(self, file: OriginFile, offset: int, buffer: memoryview) -> None:
        """Fills the buffer with the file's bytes from ``offset`` on. ``RepositoryError`` when the file is not what it
        was."""

    def read_start(self, path: str, length: int) -> bytes:
        """The first bytes of a file, as many as there are up to ``length``."""

    def locate(self, path: str) -> str:
        """Where a file is, for a person."""


@dataclass(frozen=True, slots=True)
class FolderOrigin:
    """A cold folder."""

    folder: Path
    names: Sequence[str]
    """The files, relative to the folder."""
    folders: Sequence[str] = ()
    """The directories, relative to the folder."""

    def files(self) -> Sequence[OriginFile]:
        """Looks at every file. ``RepositoryError`` for one that is not a plain file below the folder."""
        return [self._look_at(name) for name in self.names]

    def directories(self) -> Sequence[Directory]:
        return [Directory(path=path, mode=self._mode(path)) for path in self.folders]

    def read(self, file: OriginFile, offset: int, buffer: memoryview) -> None:
        path = self.folder / file.path
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                done = 0
                while done < len(buffer) and (count := os.preadv(descriptor, [buffer[done:]], offset + done)):
                    done += count
                length = os.fstat(descriptor).st_size
            finally:
                os.close(descriptor)
        except OSError as error:
            raise RepositoryError(f"{path} cannot be read: {error.strerror}") from error
        if length != file.length or done != len(buffer):
            raise RepositoryError(
                f"{path} had {file.length} bytes when the upload began and has {length} now",
                "nothing may write to the data folder while it is uploaded; see whether a server is running on it",
            )

    def read_start(self, path: str, length: int) -> bytes:
        try:
            with (self.folder / path).open("rb", buffering=0) as file:
                return file.read(length)
        except OSError as error:
            raise RepositoryError(f"{self.folder / path} cannot be read: {error.strerror}") from error

    def locate(self, path: str) -> str:
        return str(self.folder / path)

    def _look_at(self, path: str) -> OriginFile:
        _check_path(path)
        try:
            found = (self.folder / path).lstat()
        except OSError as error:
            raise RepositoryError(f"{self.folder / path} cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode):
            raise RepositoryError(f"{self.folder / path} is not a regular file", "only plain files can be in a backup")
        return OriginFile(path, stat.S_IMODE(found.st_mode), found.st_size)

    def _mode(self, path: str) -> int:
        _check_path(path)
        try:
            return (self.folder / path).stat().st_mode & 0o7777
        except OSError as error:
            raise RepositoryError(f"{self.folder / path} cannot be read: {error.strerror}") from error


def _check_path(path: str) -> None:
    """``RepositoryError`` for a path that a backup cannot hold."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise RepositoryError(f"{path!r} has a name that is not UTF-8") from None
    if not is_safe_path(path):
        raise RepositoryError(f"{path!r} is not a path below the data folder")
