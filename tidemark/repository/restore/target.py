"""The folder that a restore writes to."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from tidemark import direct_io, files
from tidemark.errors import DiskFull, RunError
from tidemark.files import NO_ROOM
from tidemark.repository.format.block_map import FrameRef
from tidemark.repository.format.manifest import Body, File
from tidemark.repository.format.sealing import MAX_FRAME
from tidemark.repository.restore.write_back import Syncer

_ZEROS = bytes(1 << 20)


class OpenFile:
    """A file that is being restored; errors of the operating system name it."""

    def __init__(self, target: Target, path: Path, descriptor: int, keep: bool) -> None:
        self._target = target
        self._path = path
        self._descriptor = descriptor
        self._keep = keep

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, offset)

    def write(self, offset: int, content: memoryview) -> None:
        if self._target.durable and len(content) >= direct_io.LEAST:
            done = direct_io.write(self._descriptor, self._target.aligned(content), offset)
            content = content[done:]
            offset += done
        count = len(content)
        while content:
            written = os.pwrite(self._descriptor, content, offset)
            content = content[written:]
            offset += written
        self._target.wrote(self._path, count)

    def make_zero(self, offset: int, length: int) -> None:
        """A new file is zeros already; one that was there is written to only where it is not."""
        if self._keep and self.read(offset, length) != _ZEROS[:length]:
            self.write(offset, memoryview(_ZEROS)[:length])


class Target:
    """Makes the folder's files, gives them to the writing threads, and finishes them."""

    def __init__(self, folder: Path, *, reuse: bool, durable: bool) -> None:
        self._folder = folder
        self.reuse = reuse
        """Whether files that are there may hold some of the backup already."""
        self.durable = durable
        self._syncer = Syncer()
        self._rooms = threading.local()

    def prepare(self, body: Body) -> None:
        """Makes every folder and every file, in its full length and without content."""
        with self._translated():
            files.make_private(self._folder)
            if self.reuse:
                self._remove_others(body)
            elif any(self._folder.iterdir()):
                raise RunError(f"{self._folder} is not empty", "restore into a folder that does not exist yet")
            for directory in sorted({d.path for d in body.directories} | _parents(body.files)):
                path = self._folder / directory
                path.mkdir(mode=0o700, exist_ok=self.reuse)
                if self.reuse:
                    path.chmod(0o700)
            for file in body.files:
                self._make(file)

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[OpenFile]:
        """A file that ``prepare`` has made."""
        with self._translated():
            descriptor = os.open(self._folder / path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                yield OpenFile(self, self._folder / path, descriptor, self.reuse)
            finally:
                os.close(descriptor)

    def aligned(self, content: memoryview) -> memoryview:
        """A copy that lies as ``direct`` needs it; good until this thread asks for the next one."""
        room: memoryview | None = getattr(self._rooms, "room", None)
        if room is None or len(room) < len(content):
            room = self._rooms.room = direct_io.room(max(MAX_FRAME, len(content)))
        copy = room[: len(content)]
        copy[:] = content
        return copy

    def wrote(self, path: Path, count: int) -> None:
        """Bytes were written into the page cache: with ``durable`` they are sent on their way to the disk."""
        if self.durable:
            self._syncer.note(path, count)

    def wants_frame(self, ref: FrameRef) -> bool:
        return True

    def spare(self) -> contextlib.AbstractContextManager[None]:
        """A restore ends at the first damage."""
        return contextlib.nullcontext()

    def finish(self, body: Body) -> None:
        """Sets the modes; with ``durable``, returns once everything is on disk."""
        with self._translated():
            self._syncer.wait()
            for file in body.files:
                path = self._folder / file.path
                if self.durable:
                    _sync(path)
                path.chmod(file.mode)
            folders = sorted({d.path for d in body.directories} | _parents(body.files), reverse=True)
            if self.durable:
                for path in (*(self._folder / folder for folder in folders), self._folder, self._folder.parent):
                    _sync(path)
            modes = {directory.path: directory.mode for directory in body.directories}
            for folder in folders:
                if folder in modes:
                    (self._folder / folder).chmod(modes[folder])

    def _make(self, file: File) -> None:
        path = self._folder / file.path
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        if self.reuse and path.exists():
            path.chmod(0o600)
        descriptor = os.open(path, flags if self.reuse else flags | os.O_EXCL, 0o600)
        try:
            os.ftruncate(descriptor, file.length)
        finally:
            os.close(descriptor)

    def _remove_others(self, body: Body) -> None:
        """Removes what the backup does not have, and whatever is not of the kind that it has."""
        files = {file.path for file in body.files}
        folders = {directory.path for directory in body.directories} | _parents(body.files)
        for current, names, plain in os.walk(self._folder):
            where = Path(current)
            for name in list(names):
                path = where / name
                if path.is_symlink() or path.relative_to(self._folder).as_posix() not in folders:
                    names.remove(name)
                    if path.is_symlink():
                        path.unlink()
                    else:
                        shutil.rmtree(path)
                else:
                    path.chmod(0o700)
            for name in plain:
                path = where / name
                wanted = path.relative_to(self._folder).as_posix() in files
                if not wanted or not stat.S_ISREG(path.lstat().st_mode) or path.lstat().st_nlink > 1:
                    path.unlink()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in NO_ROOM:
                raise DiskFull(
                    f"no room for the restore in {self._folder}: {error.strerror}", "restore to a larger disk"
                ) from error
            where = error.filename or self._folder
            raise RunError(f"{where} cannot be written: {error.strerror}", "see who owns the folder") from error


def _parents(files: tuple[File, ...]) -> set[str]:
    """Every folder that a file is in, whether or not the manifest lists it."""
    found: set[str] = set()
    for file in files:
        parts = file.path.split("/")[:-1]
        found.update("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return found


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
