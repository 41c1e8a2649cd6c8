"""Objects as files below a folder: a disk, or a network share. Safe against crashes and against other processes."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from tidemark import direct_io
from tidemark.errors import AccessDenied, ObjectExists, ObjectMissing, StorageError, StorageFull, StorageUnavailable
from tidemark.storage.base import Body, ObjectInfo, Store
from tidemark.storage.names import RESERVED_PREFIX, check_name, is_name

_TEMPORARY = f"{RESERVED_PREFIX}tmp-"
_MAX_VECTORS = 512
_MAX_READ = 1 << 30
_FOLDER_RACES = 1000
# What stands at a name, or above it, is not a file: nothing of this name was ever stored here.
_NO_SUCH_OBJECT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class FileStore(Store):
    """Writes to a temporary name, syncs, renames (or links, where the name must be free), and syncs the folder."""

    def __init__(self, folder: Path) -> None:
        self._root = Path(os.path.abspath(folder))  # noqa: PTH100 - "..", not symbolic links, is what is taken out
        self.url = f"file://{quote(str(self._root))}"

    def put(self, name: str, body: Body) -> None:
        path = self._path(name)
        with self._translated(name, "written"):
            self._write(path, body, lambda temporary: temporary.replace(path))

    def put_if_absent(self, name: str, body: Body) -> None:
        path = self._path(name)
        with self._translated(name, "written"):
            if os.path.lexists(path) and not path.is_dir():
                raise self._exists(name)  # spares the writing; the link below is what decides
            self._write(path, body, lambda temporary: self._link(temporary, path, name))

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        path = self._path(name)
        with self._translated(name, "read", missing=_NO_SUCH_OBJECT):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                left = max(0, os.fstat(descriptor).st_size - start)
                if length is not None:
                    left = min(left, length)
                pieces: list[bytes] = []
                while left and (piece := os.pread(descriptor, min(left, _MAX_READ), start)):
                    pieces.append(piece)
                    start += len(piece)
                    left -= len(piece)
            finally:
                os.close(descriptor)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        folder = prefix.rpartition("/")[0]
        if folder and not is_name(folder):
            return  # nothing can be stored below such a name; above all, ".." must not lead out of the root
        with self._translated(folder or "its root", "listed"):
            yield from self._walk(f"{folder}/" if folder else "", prefix)

    def stat(self, name: str) -> ObjectInfo:
        path = self._path(name)
        with self._translated(name, "read", missing=_NO_SUCH_OBJECT):
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        return ObjectInfo(name, found.st_size)

    def delete(self, name: str) -> None:
        path = self._path(name)
        try:
            with self._translated(name, "deleted", missing=_NO_SUCH_OBJECT):
                if not path.is_dir():
                    path.unlink()
        except ObjectMissing:
            return
        # Empty folders are nobody's; one that a put is about to use is made again there.
        with contextlib.suppress(OSError):
            for parent in path.parents:
                if parent == self._root:
                    break
                parent.rmdir()

    def sweep(self, prefix: str, older_than: timedelta) -> int:
        if prefix:
            check_name(prefix.removesuffix("/"))
        limit = time.time() - older_than.total_seconds()
        swept = 0
        with self._translated("its temporary files", "deleted"):
            for folder, _, files in os.walk(self._root / prefix):
                for file in files:
                    path = Path(folder, file)
                    if file.startswith(_TEMPORARY):
                        with contextlib.suppress(FileNotFoundError):
                            if path.stat().st_mtime < limit:
                                path.unlink()
                                swept += 1
        return swept

    def _path(self, name: str) -> Path:
        check_name(name)
        return self._root / name

    def _exists(self, name: str) -> ObjectExists:
        return ObjectExists(f"{self.url} already has {name}")

    def _link(self, temporary: Path, path: Path, name: str) -> None:
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            if path.is_dir():
                raise
            raise self._exists(name) from None
        temporary.unlink()

    def _write(self, path: Path, body: Body, publish: Callable[[Path], object]) -> None:
        temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{secrets.token_hex(8)}")
        descriptor = self._create(temporary)
        try:
            try:
                _write_all(descriptor, body)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            publish(temporary)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)

    def _create(self, path: Path) -> int:
        """Creates a file, and the folders above it as often as a concurrent ``delete`` takes them away."""
        for _ in range(_FOLDER_RACES):
            try:
                return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                with contextlib.suppress(FileNotFoundError):
                    _make_folder(path.parent)
        raise FileNotFoundError(errno.ENOENT, "its folder vanishes again and again", str(path))

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectInfo]:
        """Goes through one folder; ``folder`` is its name below the root with a ``/`` at its end."""
        try:
            with os.scandir(self._root / folder) as entries:
                # A folder sorts with its "/", as the names of what is in it do.
                found = sorted((f"{e.name}/" if e.is_dir(follow_symlinks=False) else e.name, e) for e in entries)
        except FileNotFoundError:
            return
        except NotADirectoryError:
            if folder:
                return
            raise
        for part, entry in found:
            name = folder + part
            if part == "lost+found/" and not folder:
                continue  # the file system's own
            if part.endswith("/"):
                if name.startswith(prefix) or prefix.startswith(name):
                    yield from self._walk(name, prefix)
            elif name.startswith(prefix) and is_name(name):
                with contextlib.suppress(FileNotFoundError):
                    yield ObjectInfo(name, entry.stat().st_size)

    @contextlib.contextmanager
    def _translated(self, what: str, verb: str, missing: frozenset[int] = frozenset()) -> Iterator[None]:
        """Errors of the operating system become errors of a store here."""
        try:
            yield
        except OSError as error:
            raise self._translate(error, what, verb, missing) from error

    def _translate(self, error: OSError, what: str, verb: str, missing: frozenset[int]) -> StorageError:
        if error.errno in missing:
            return ObjectMissing(f"{self.url} has no {what}")
        message = f"{self.url}: {what} cannot be {verb}: {error.strerror}"
        if error.errno in _DENIED:
            return AccessDenied(message, f"let the account with uid {os.geteuid()} use {self._root}")
        if error.errno in _FULL:
            return StorageFull(message, f"free some room in {self._root}")
        return StorageUnavailable(message, f"see whether {self._root} is mounted and its disk is healthy")


def _write_all(descriptor: int, body: Body) -> None:
    """Writes a body to an empty file: large buffers past the page cache where that is possible, the rest as it is."""
    waiting = [memoryview(buffer).cast("B") for buffer in body if len(buffer)]
    waiting.reverse()
    offset = 0
    while waiting:
        written = direct_io.write(descriptor, waiting[-1], offset)
        if not written:
            batch = waiting[: -_MAX_VECTORS - 1 : -1]
            written = os.pwritev(descriptor, batch, offset)
        offset += written
        while written:
            first = waiting.pop()
            if written < len(first):
                waiting.append(first[written:])
                break
            written -= len(first)


def _make_folder(folder: Path) -> None:
    """Makes a folder and those above it, each durable in the one that holds it."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _sync_folder(folder.parent)
    if not folder.is_dir() and os.path.lexists(folder):
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is not a folder", str(folder))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
