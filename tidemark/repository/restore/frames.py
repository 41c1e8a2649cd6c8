"""Reads a backup: the upload's stages in reverse. Every block is checked against its digest before a sink gets it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from blake3 import blake3

from tidemark.errors import Damaged
from tidemark.progress import ProgressCallback, always
from tidemark.repository.format import block_map
from tidemark.repository.format.block_map import DIGEST_BYTES, HOLE, FrameRef
from tidemark.repository.format.manifest import Body, File, Manifest, segment_counts
from tidemark.repository.format.sealing import Kind
from tidemark.repository.objects import ShardObjects
from tidemark.repository.threads.crew import Crew
from tidemark.repository.threads.limits import Limits
from tidemark.repository.threads.meter import Meter

FETCH = 8 << 20
"""Bytes that are fetched at once."""
MAPS_FETCH = 1 << 20
"""Bytes of maps that a thread fetches at once; each stands for a hundred times as much of data."""
GAP = 64 << 10
"""Bytes that are rather fetched in vain than spared with one more request."""

Task = Callable[[], None]
Item = TypeVar("Item")


class Span(Protocol):
    """A file that takes what is read."""

    def read(self, offset: int, length: int) -> bytes: ...

    def write(self, offset: int, content: memoryview) -> None: ...

    def make_zero(self, offset: int, length: int) -> None: ...


class Sink(Protocol):
    """What takes a backup's content."""

    @property
    def reuse(self) -> bool:
        """Whether some of the backup may be there already."""
        ...

    def prepare(self, body: Body) -> None: ...

    def open(self, path: str) -> AbstractContextManager[Span]: ...

    def finish(self, body: Body) -> None: ...

    def wants_frame(self, ref: FrameRef) -> bool:
        """Whether a frame is to be read at all."""
        ...

    def spare(self) -> AbstractContextManager[None]:
        """Around what may be damaged: lets the error through, or notes it."""
        ...


_Block = tuple[int, int, bytes]
"""A block's number in its file, its place in its frame, its digest."""


@dataclass(frozen=True, slots=True)
class _Map:
    """A map segment that is to be read."""

    ref: FrameRef
    file: File
    first: int
    """Its first block in the file."""
    count: int


@dataclass(frozen=True, slots=True)
class _Frame:
    """A data frame that is to be read, and what is wanted of it."""

    ref: FrameRef
    file: File
    blocks: list[_Block]


class FrameReader:
    """Reads one backup in threads. Use it once."""

    def __init__(
        self,
        objects: ShardObjects,
        manifest: Manifest,
        sink: Sink,
        *,
        threads: int,
        guard: Callable[[], None] = always,
        limits: Limits | None = None,
    ) -> None:
        limits = limits or Limits()
        self._store = objects.store
        self._names = objects.names
        self._manifest = manifest
        self._sink = sink
        self._threads = threads
        self._sealer = objects.sealer()
        self._digest_key = objects.digest_key()
        self._block_size = manifest.backup.block_size
        self._guard = guard
        self._rate = limits.rate
        what = f"{objects.shard}: the restore from {objects.store.url}"
        self._crew = Crew(stall_timeout=limits.stall_timeout, what=what)
        self._stack: list[Task] = []
        self._busy = 0
        self._fetched = 0
        self._counting = threading.Lock()

    def run(self, progress: ProgressCallback) -> int:
        """Returns once the sink has all of the backup: the bytes that came from the store."""
        body = self._manifest.body
        self._meter = Meter("restoring", sum(file.length for file in body.files), progress)
        self._sink.prepare(body)
        self._fresh = iter(self._map_tasks())
        self._crew.run(self._threads, self._work, "restore")
        self._crew.reraise()
        self._sink.finish(body)
        self._meter.finish()
        return self._fetched

    # Who does what: tasks that others leave behind come first, so that few of them ever wait

    def _work(self) -> None:
        while (task := self._take()) is not None:
            self._crew.touch()
            try:
                task()
            finally:
                with self._crew.changed:
                    self._busy -= 1
                    self._crew.changed.notify_all()

    def _take(self) -> Task | None:
        with self._crew.changed:
            while True:
                self._crew.check()
                task = self._stack.pop() if self._stack else next(self._fresh, None)
                if task is not None:
                    self._busy += 1
                    return task
                if self._busy == 0:
                    return None
                self._crew.changed.wait()

    def _leave(self, tasks: Iterable[Task]) -> None:
        with self._crew.changed:
            self._stack.extend(tasks)
            self._crew.changed.notify_all()

    # Maps

    def _map_tasks(self) -> Iterator[Task]:
        body = self._manifest.body
        maps = []
        for file in body.files:
            first = 0
            counts = segment_counts(file.length, self._block_size, body.segment_blocks)
            for ref, count in zip(body.segments(file), counts, strict=True):
                maps.append(_Map(ref, file, first, count))
                first += count
        for group in _neighbours(maps, lambda item: item.ref, MAPS_FETCH):
            yield functools.partial(self._read_maps, group)

    def _read_maps(self, group: list[_Map]) -> None:
        frames: list[_Frame] = []
        with self._sink.spare():
            for item, sealed in self._fetch(group, lambda item: item.ref):
                with self._sink.spare():
                    name = self._names.pack(item.ref.pack)
                    content = self._sealer.open(Kind.MAP, item.ref.pack, item.ref.number, item.ref.raw, sealed, name)
                    segment = block_map.decode(content, item.count, f"{name}, frame {item.ref.number}")
                    frames += self._frames(item, segment)
        batches = _neighbours(frames, lambda frame: frame.ref, FETCH)
        self._leave([functools.partial(self._read_frames, batch) for batch in batches])

    def _frames(self, item: _Map, segment: block_map.Segment) -> list[_Frame]:
        """The segment's blocks by their frames. Holes are made at once: there is nothing to fetch."""
        frames = [_Frame(ref, item.file, []) for ref in segment.frames]
        holes = []
        digests = bytes(segment.digests)
        for block, (frame, index) in enumerate(zip(segment.frame_of, segment.index_of, strict=True)):
            if frame == HOLE:
                holes.append(item.first + block)
            else:
                digest = digests[block * DIGEST_BYTES : (block + 1) * DIGEST_BYTES]
                frames[frame].blocks.append((item.first + block, index, digest))
        if holes:
            with self._sink.open(item.file.path) as target:
                for block in holes:
                    target.make_zero(*self._span(item.file, block))
            self._meter.add(sum(self._span(item.file, block)[1] for block in holes))
        wanted = [frame for frame in frames if frame.blocks]
        return [frame for frame in wanted if self._sink.wants_frame(frame.ref) or self._pass_over(frame)]

    def _pass_over(self, frame: _Frame) -> bool:
        self._meter.add(sum(self._span(frame.file, block)[1] for block, _, _ in frame.blocks))
        return False

    def _span(self, file: File, block: int) -> tuple[int, int]:
        """Where a block is in its file, and how long it is."""
        offset = block * self._block_size
        return offset, min(self._block_size, file.length - offset)

    # Data

    def _read_frames(self, batch: list[_Frame]) -> None:
        wanted = batch
        if self._sink.reuse:
            wanted = [frame for frame in map(self._still_wanted, batch) if frame.blocks]
        for group in _neighbours(wanted, lambda frame: frame.ref, FETCH):
            with self._sink.spare():
                for frame, sealed in self._fetch(group, lambda frame: frame.ref):
                    self._crew.check()
                    with self._sink.spare():
                        self._write(frame, sealed)

    def _still_wanted(self, frame: _Frame) -> _Frame:
        """The frame without the blocks that the file has already."""
        missing, kept = [], 0
        size = self._block_size
        with self._sink.open(frame.file.path) as target:
            for run in _runs(frame.blocks):
                start = run[0][0] * size
                content = memoryview(target.read(start, min(len(run) * size, frame.file.length - start)))
                for place, block in enumerate(run):
                    piece = content[place * size : (place + 1) * size]
                    if self._digest(piece) == block[2]:
                        kept += len(piece)
                    else:
                        missing.append(block)
        self._meter.add(kept)
        return _Frame(frame.ref, frame.file, missing)

    def _write(self, frame: _Frame, sealed: memoryview) -> None:
        name = self._names.pack(frame.ref.pack)
        ref = frame.ref
        content = memoryview(self._sealer.open(Kind.DATA, ref.pack, ref.number, ref.raw, sealed, name))
        size = self._block_size
        with self._sink.open(frame.file.path) as target:
            pieces = _Pieces(target, content)
            for block, index, digest in frame.blocks:
                offset, length = self._span(frame.file, block)
                start = index * size
                if self._digest(content[start : start + length]) != digest:
                    raise Damaged(f"{name}, frame {ref.number}: block {block} of {frame.file.path} is not what it was")
                pieces.add(offset, start, length)
            written = pieces.flush()
        self._meter.add(written)

    def _digest(self, block: bytes | memoryview) -> bytes:
        return blake3(block, key=self._digest_key).digest(DIGEST_BYTES)

    def _fetch(self, group: list[Item], ref_of: Callable[[Item], FrameRef]) -> Iterator[tuple[Item, memoryview]]:
        """One request for neighbours of one pack; gives each with its sealed bytes."""
        if not group:
            return
        first, last = ref_of(group[0]), ref_of(group[-1])
        name = self._names.pack(first.pack)
        length = last.offset + last.length - first.offset
        self._rate.take(length, self._crew.check_waiting)
        self._guard()
        content = memoryview(self._store.get(name, first.offset, length))
        self._crew.touch()
        with self._counting:
            self._fetched += len(content)
        if len(content) != length:
            raise Damaged(f"{name} is cut off: {first.offset + len(content)} bytes instead of {first.offset + length}")
        for item in group:
            ref = ref_of(item)
            start = ref.offset - first.offset
            yield item, content[start : start + ref.length]


class _Pieces:
    """Joins neighbouring blocks, so that most frames are one write."""

    def __init__(self, target: Span, content: memoryview) -> None:
        self._target = target
        self._content = content
        self._offset = self._start = self._length = self._written = 0

    def add(self, offset: int, start: int, length: int) -> None:
        if offset != self._offset + self._length or start != self._start + self._length:
            self.flush()
            self._offset, self._start = offset, start
        self._length += length

    def flush(self) -> int:
        """Writes what has come together; gives all bytes written so far."""
        if self._length:
            self._target.write(self._offset, self._content[self._start : self._start + self._length])
            self._written += self._length
            self._length = 0
        return self._written


def _runs(blocks: list[_Block]) -> Iterator[list[_Block]]:
    """Blocks that follow one another in the file, so that one read gets them all."""
    run: list[_Block] = []
    for block in sorted(blocks):
        if run and block[0] != run[-1][0] + 1:
            yield run
            run = []
        run.append(block)
    if run:
        yield run


def _neighbours(items: Iterable[Item], ref_of: Callable[[Item], FrameRef], limit: int) -> Iterator[list[Item]]:
    """Groups that one request can fetch, in the order of the packs."""
    group: list[Item] = []
    for item in sorted(items, key=lambda item: (ref_of(item).pack, ref_of(item).offset)):
        ref = ref_of(item)
        if group:
            first, last = ref_of(group[0]), ref_of(group[-1])
            near = ref.pack == first.pack and ref.offset - (last.offset + last.length) <= GAP
            if not near or ref.offset + ref.length - first.offset > limit:
                yield group
                group = []
        group.append(item)
    if group:
        yield group
