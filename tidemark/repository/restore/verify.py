"""Verify: a backup is read and written nowhere. The look goes on after damage, so that all of it is named."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tidemark.errors import Damaged, ObjectMissing
from tidemark.progress import ProgressCallback
from tidemark.repository.format import block_map
from tidemark.repository.format.block_map import HOLE, FrameRef
from tidemark.repository.format.manifest import Body, File, Manifest, segment_counts
from tidemark.repository.format.names import PackName
from tidemark.repository.format.sealing import Kind
from tidemark.repository.inspect import Inspected, Inspector
from tidemark.repository.objects import ShardObjects
from tidemark.repository.restore.frames import FrameReader, Span

MOST_NAMED = 1000
"""Damages that are named; beyond these they are only counted."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found in a backup."""

    bytes: int
    """Bytes of files whose blocks were looked at; holes count, though nothing is stored for them."""
    fetched_bytes: int
    """Bytes that came from the store."""
    pages: int
    """Database pages whose own checksum is right."""
    unchecked_pages: int
    """Database pages that have none to recompute."""
    damages: int
    """How many things are wrong."""
    named: tuple[str, ...]
    """What is wrong, naming the object, or the file and page; the first thousand."""
    seconds: float


class SeenFrames:
    """Which frames were looked at already: a bit for each. To be asked by one thread at a time."""

    def __init__(self) -> None:
        self._of: dict[PackName, int] = {}

    def is_new(self, ref: FrameRef) -> bool:
        """Whether a frame has not been asked for before."""
        seen, bit = self._of.get(ref.pack, 0), 1 << ref.number
        self._of[ref.pack] = seen | bit
        return not seen & bit


class Look:
    """One look at one backup: a sink that keeps nothing but what is wrong. Use it once."""

    reuse = False

    def __init__(
        self,
        objects: ShardObjects,
        manifest: Manifest,
        inspector: Inspector | None,
        sample: float,
        seen: SeenFrames | None = None,
    ) -> None:
        self._frames = seen
        self._store = objects.store
        self._names = objects.names
        self._sealer = objects.sealer()
        self._manifest = manifest
        self._block_size = manifest.backup.block_size
        self._inspector = inspector
        self._sample = sample
        self._chance = random.Random()  # noqa: S311 -- which blocks are looked at this time is no secret
        self._starts: dict[str, bytes] = {}
        self._noting = threading.Lock()
        self._seen = self._pages = self._unchecked = self._damages = 0
        self._named: dict[str, None] = {}

    def found(self, fetched_bytes: int, seconds: float) -> Verified:
        """What was found so far."""
        return Verified(
            bytes=self._seen,
            fetched_bytes=fetched_bytes,
            pages=self._pages,
            unchecked_pages=self._unchecked,
            damages=self._damages,
            named=tuple(self._named),
            seconds=seconds,
        )

    def prepare(self, body: Body) -> None:
        """Nothing is made."""

    def finish(self, body: Body) -> None:
        """Nothing is left to do."""

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[Span]:
        yield _Eye(self, path)

    @contextlib.contextmanager
    def spare(self) -> Iterator[None]:
        """Notes what is damaged; the look goes on."""
        try:
            yield
        except (Damaged, ObjectMissing) as error:
            self._note(error.message)

    def _note(self, message: str) -> None:
        with self._noting:
            if message not in self._named:
                self._damages += 1
                if len(self._named) < MOST_NAMED:
                    self._named[message] = None

    def wants_frame(self, ref: FrameRef) -> bool:
        """The chance of a sample; once for each frame, however many backups refer to it."""
        with self._noting:
            if self._frames is not None and not self._frames.is_new(ref):
                return False
            return self._sample >= 1 or self._chance.random() < self._sample

    def see(self, path: str, offset: int, content: memoryview | None, length: int) -> None:
        """A stretch of a file whose digests are right; None for zeros."""
        found = Inspected()
        if content is not None and self._inspector is not None and self._inspector.wants(path):
            if offset == 0:
                self._starts.setdefault(path, bytes(content[: self._block_size]))
            found = self._inspector.inspect(path, self._start(path), offset, content)
        for message in found.bad:
            self._note(f"backup {self._manifest.backup.number}: {message}")
        with self._noting:
            self._seen += length
            self._pages += found.pages
            self._unchecked += found.unchecked

    def _start(self, path: str) -> bytes:
        """The first block of a file; empty when it cannot be read, which is noted where it is looked at."""
        if path not in self._starts:
            file = next(file for file in self._manifest.body.files if file.path == path)
            try:
                self._starts[path] = self._read_start(file)
            except (Damaged, ObjectMissing):
                self._starts[path] = b""
        return self._starts[path]

    def _read_start(self, file: File) -> bytes:
        body = self._manifest.body
        count = next(iter(segment_counts(file.length, self._block_size, body.segment_blocks)))
        ref = next(iter(body.segments(file)))
        segment = block_map.decode(self._open_frame(Kind.MAP, ref), count, f"the map of {file.path}")
        if segment.frame_of[0] == HOLE:
            return b""
        content = self._open_frame(Kind.DATA, segment.frames[segment.frame_of[0]])
        at = segment.index_of[0] * self._block_size
        return content[at : at + self._block_size]

    def _open_frame(self, kind: Kind, ref: FrameRef) -> bytes:
        name = self._names.pack(ref.pack)
        sealed = memoryview(self._store.get(name, ref.offset, ref.length))
        return self._sealer.open(kind, ref.pack, ref.number, ref.raw, sealed, name)


@dataclass(frozen=True, slots=True)
class _Eye:
    """Sees what a restore would write into one file."""

    look: Look
    path: str

    def read(self, offset: int, length: int) -> bytes:
        return b""

    def write(self, offset: int, content: memoryview) -> None:
        self.look.see(self.path, offset, content, len(content))

    def make_zero(self, offset: int, length: int) -> None:
        self.look.see(self.path, offset, None, length)


def verify(
    objects: ShardObjects,
    manifest: Manifest,
    threads: int,
    inspector: Inspector | None,
    sample: float,
    progress: ProgressCallback,
) -> Verified:
    """Reads, authenticates and decompresses every frame, recomputes every digest and every page's checksum."""
    began = time.monotonic()
    look = Look(objects, manifest, inspector, sample)
    fetched = FrameReader(objects, manifest, look, threads=threads).run(progress)
    return look.found(fetched, round(time.monotonic() - began, 3))
