"""The files of an upload, cut into windows: what a thread reads, hashes and stores as one."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidemark.errors import RepositoryError
from tidemark.repository.format.block_map import FrameRef, Segment
from tidemark.repository.format.manifest import is_safe_path, segment_counts


@dataclass(slots=True)
class SourceFile:
    """A file that is being uploaded."""

    path: str
    """Relative to the folder."""
    mode: int
    length: int
    """Bytes, when the upload began; a cold folder's files do not change."""
    segments: list[SourceSegment]


@dataclass(slots=True)
class SourceSegment:
    """A map segment in the making."""

    file: SourceFile
    number: int
    """Which segment of the file it is."""
    first: int
    """Its first block in the file."""
    count: int
    """Its blocks."""
    windows: int
    """Windows that are still to be done."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    map: Segment | None = None
    """What is known of its blocks; filled in as the windows are done, gone once it is stored."""
    changed: bool = False
    """Whether it differs from the parent's segment."""
    parent: FrameRef | None = None
    """The parent's segment at this place, when it can be referred to as it is."""
    ref: FrameRef | None = None
    """Where the map segment is, once it is stored."""


@dataclass(frozen=True, slots=True)
class Window:
    """Neighbouring blocks of one segment."""

    segment: SourceSegment
    first: int
    """Its first block in the segment."""
    blocks: int
    offset: int
    """Its first byte in the file."""
    length: int
    """Bytes; the file's last block may be short."""


def scan(
    folder: Path, paths: Sequence[str], *, block_size: int, window_blocks: int, segment_blocks: int
) -> list[SourceFile]:
    """Looks at every file. ``RepositoryError`` for one that is not a plain file below the folder."""
    files = []
    for path in paths:
        check_path(path)
        try:
            found = (folder / path).lstat()
        except OSError as error:
            raise RepositoryError(f"{folder / path} cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode):
            raise RepositoryError(f"{folder / path} is not a regular file", "only plain files can be in a backup")
        file = SourceFile(path, stat.S_IMODE(found.st_mode), found.st_size, [])
        first = 0
        for number, count in enumerate(segment_counts(file.length, block_size, segment_blocks)):
            windows = -(-count // window_blocks)
            file.segments.append(SourceSegment(file, number, first, count, windows))
            first += count
        files.append(file)
    return files


def windows(files: Sequence[SourceFile], *, block_size: int, window_blocks: int) -> Iterator[Window]:
    """Every window, the largest files first: the end of an upload is then made of small pieces that spread well."""
    for file in sorted(files, key=lambda file: (-file.length, file.path)):
        for segment in file.segments:
            for first in range(0, segment.count, window_blocks):
                blocks = min(window_blocks, segment.count - first)
                offset = (segment.first + first) * block_size
                yield Window(segment, first, blocks, offset, min(blocks * block_size, file.length - offset))


def read_window(folder: Path, window: Window, buffer: memoryview) -> memoryview:
    """Reads a window into the thread's buffer. ``RepositoryError`` when the file is not what it was."""
    file = window.segment.file
    path = folder / file.path
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            done = 0
            while done < window.length and (
                count := os.preadv(descriptor, [buffer[done : window.length]], window.offset + done)
            ):
                done += count
            length = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
    except OSError as error:
        raise RepositoryError(f"{path} cannot be read: {error.strerror}") from error
    if length != file.length or done != window.length:
        raise RepositoryError(
            f"{path} had {file.length} bytes when the upload began and has {length} now",
            "nothing may write to the data folder while it is uploaded; see whether a server is running on it",
        )
    return buffer[: window.length]


def read_start(folder: Path, path: str, length: int) -> bytes:
    """The first bytes of a file, as many as there are up to ``length``. ``RepositoryError`` when it cannot be read."""
    try:
        with (folder / path).open("rb", buffering=0) as file:
            return file.read(length)
    except OSError as error:
        raise RepositoryError(f"{folder / path} cannot be read: {error.strerror}") from error


def check_path(path: str) -> None:
    """``RepositoryError`` for a path that a backup cannot hold."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise RepositoryError(f"{path!r} has a name that is not UTF-8") from None
    if not is_safe_path(path):
        raise RepositoryError(f"{path!r} is not a path below the data folder")
