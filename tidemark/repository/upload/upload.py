"""Upload: every block of every file is read and hashed once; what the parent has is referred to, the rest is stored.

The stages of a window: read -> digest -> compare -> compress -> seal -> place in a pack. Threads take windows across
files and inside big ones; packs are stored beside them.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blake3 import blake3

from tidemark.errors import Damaged, ObjectExists, ObjectMissing, RepositoryError, StorageUnavailable
from tidemark.progress import ProgressCallback
from tidemark.repository.format.block_map import DIGEST_BYTES, HOLE, HOLE_DIGEST, FrameRef, Segment
from tidemark.repository.format.manifest import Body, Directory, File, PackUse
from tidemark.repository.format.names import ATTEMPT, PackName
from tidemark.repository.format.sealing import Compressor, Kind
from tidemark.repository.objects import ShardObjects
from tidemark.repository.threads.crew import Crew, Helpers
from tidemark.repository.threads.meter import Meter
from tidemark.repository.upload.journal import FrameNote, Journal, StoredPack
from tidemark.repository.upload.known_blocks import Base, Before
from tidemark.repository.upload.options import UploadOptions
from tidemark.repository.upload.origin import Origin
from tidemark.repository.upload.packs import Pack, PackStream
from tidemark.repository.upload.windows import SourceFile, SourceSegment, Window, cut, windows
from tidemark.storage import Store

STORING_THREADS = 2
DATA_PACKS = 3
"""Data packs in memory at once: one that is filled, two that are being stored."""
MAP_PACKS = 2
MAP_PACK_SIZE = 8 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """What an upload has stored, before the manifest."""

    body: Body
    bytes: int
    """The sum of the files' lengths."""
    stored_bytes: int
    """Bytes of the packs that the run stored and the backup refers to."""
    new_blocks: int
    blocks: int


class Upload:
    """One upload of one origin. Use it once."""

    def __init__(
        self,
        objects: ShardObjects,
        origin: Origin,
        base: Base | None,
        journal: Journal,
        options: UploadOptions,
        guard: Callable[[], None],
    ) -> None:
        geometry, limits = options.geometry, options.limits
        self._inspector = options.inspector
        self._rate = limits.rate
        self._store = objects.store
        self._names = objects.names
        self._origin = origin
        self._journal = journal
        self._run_id = journal.run_id
        self._geometry = geometry
        self._threads = options.threads
        self._pack_size = options.pack_size
        self._guard = guard
        self._sealer = objects.sealer()
        self._compressor = Compressor(options.level)
        self._before = Before(objects, self._sealer, base, journal, geometry.block_size)
        self._digest_key = objects.digest_key()
        self._hole = self._digest(bytes(geometry.block_size))
        self._crew = Crew(
            stall_timeout=limits.stall_timeout, what=f"{objects.shard}: the upload to {objects.store.url}"
        )
        self._storing = threading.Lock()
        self._live: dict[PackName, int] = {}
        self._new_blocks = 0
        self._counting = threading.Lock()

    def run(self, progress: ProgressCallback) -> Stored:
        """Stores what is new. Returns once every pack is stored; no manifest yet."""
        sources = cut(self._origin.files(), self._geometry)
        folders = tuple(self._origin.directories())
        self._meter = Meter("uploading", sum(source.file.length for source in sources), progress)
        counter = itertools.count(self._before.begin_attempt() * ATTEMPT)
        self._queue = windows(sources, self._geometry)
        self._taking = threading.Lock()

        def next_name() -> PackName:
            return PackName(self._run_id, next(counter))

        helpers = Helpers(self._crew, STORING_THREADS, "store")
        try:
            self._data = PackStream(
                self._crew, helpers, self._store_data, next_name, size=self._pack_size, most=DATA_PACKS
            )
            map_size = min(self._pack_size, MAP_PACK_SIZE)
            self._maps = PackStream(self._crew, helpers, self._store_pack, next_name, size=map_size, most=MAP_PACKS)
            self._crew.run(self._threads, self._work, "upload")
            if not self._crew.failed:
                self._data.finish()
                self._maps.finish()
        finally:
            helpers.close()
        self._crew.reraise()
        self._meter.finish()
        return self._result(sources, folders)

    # A thread's work

    def _work(self) -> None:
        buffer = memoryview(bytearray(self._geometry.window_blocks * self._geometry.block_size))
        while True:
            self._crew.check()
            with self._taking:
                window = next(self._queue, None)
            if window is None:
                return
            content = buffer[: window.length]
            self._origin.read(window.segment.file, window.offset, content)
            self._do_window(window, content)
            self._meter.add(window.length)
            self._crew.touch()

    def _digest(self, block: bytes | memoryview) -> bytes:
        return blake3(block, key=self._digest_key).digest(DIGEST_BYTES)

    def _digests(self, content: memoryview) -> list[bytes]:
        """A digest per block; zeros for a block of zeros."""
        size, hole = self._geometry.block_size, self._hole
        digests = [self._digest(content[at : at + size]) for at in range(0, len(content), size)]
        if hole in digests:
            digests = [HOLE_DIGEST if digest == hole else digest for digest in digests]
        if (short := len(content) % size) and digests[-1] == self._digest(bytes(short)):
            digests[-1] = HOLE_DIGEST
        return digests

    def _do_window(self, window: Window, content: memoryview) -> None:
        segment = window.segment
        known = self._known(segment)
        digests = self._digests(content)
        start = window.first * DIGEST_BYTES
        if known.digests[start : start + len(digests) * DIGEST_BYTES] != b"".join(digests):
            self._store_changed(window, known, digests, content)
        with segment.lock:
            segment.windows -= 1
            done = segment.windows == 0
        if done:
            self._finish_segment(segment, known)

    def _known(self, segment: SourceSegment) -> Segment:
        """What the parent and earlier attempts have of a segment; read when its first window comes."""
        with segment.lock:
            if segment.map is None:
                segment.map = self._before.read(segment)
            return segment.map

    def _store_changed(self, window: Window, known: Segment, digests: list[bytes], content: memoryview) -> None:
        segment, size = window.segment, self._geometry.block_size
        new: list[int] = []
        for i, digest in enumerate(digests):
            block = window.first + i
            if known.digest(block) == digest:
                continue
            if digest == HOLE_DIGEST:
                known.set_block(block, HOLE_DIGEST, HOLE, 0)
            else:
                new.append(i)
        segment.changed = True
        if not new:
            return
        self._inspect(window, new, content)
        if len(new) == len(digests):
            joined: memoryview | bytes = content
        else:
            joined = b"".join(content[i * size : (i + 1) * size] for i in new)
        compressed = self._compressor.compress(joined)
        pack, ref = self._data.allocate(len(compressed), len(joined))
        self._sealer.seal(pack.place(ref), Kind.DATA, ref.pack, ref.number, ref.raw, compressed)
        blocks = tuple(window.first + i for i in new)
        with segment.lock:
            index = len(known.frames)
            known.frames.append(ref)
            for place, i in enumerate(new):
                known.set_block(window.first + i, digests[i], index, place)
        stored = b"".join(digests[i] for i in new)
        note = FrameNote(segment.file.path, segment.number, ref, blocks, stored)
        self._data.filled(pack, note)

    def _inspect(self, window: Window, new: list[int], content: memoryview) -> None:
        """Looks at what is stored anew; the rest was looked at when it was stored."""
        path, size = window.segment.file.path, self._geometry.block_size
        if self._inspector is None or not self._inspector.wants(path):
            return
        start = self._origin.read_start(path, size)
        for i in new:
            found = self._inspector.inspect(path, start, window.offset + i * size, content[i * size : (i + 1) * size])
            if found.bad:
                raise Damaged(
                    f"{self._origin.locate(path)} is damaged: {'; '.join(found.bad)}",
                    "nothing of this run is committed; the server, its disk or memory has spoilt a page: try again on "
                    "another node, and verify the newest backup",
                )

    def _finish_segment(self, segment: SourceSegment, known: Segment) -> None:
        """All its windows are done: store its map, unless the parent's is the same."""
        segment.map = None
        if segment.parent is not None and not segment.changed:
            segment.ref = segment.parent
        else:
            known.compact()
            content = known.encode()
            compressed = self._compressor.compress(content)
            pack, ref = self._maps.allocate(len(compressed), len(content))
            self._sealer.seal(pack.place(ref), Kind.MAP, ref.pack, ref.number, ref.raw, compressed)
            self._maps.filled(pack)
            segment.ref = ref
        self._count(segment, known, segment.ref)

    def _count(self, segment: SourceSegment, known: Segment, ref: FrameRef) -> None:
        size = self._geometry.block_size
        with self._counting:
            self._live[ref.pack] = self._live.get(ref.pack, 0) + ref.raw
            for index, blocks in known.blocks_per_frame().items():
                frame = known.frames[index]
                live = min(blocks * size, frame.raw)
                self._live[frame.pack] = self._live.get(frame.pack, 0) + live
                if frame.pack.run_id == self._run_id:
                    self._new_blocks += blocks

    # Storing

    def _store_data(self, pack: Pack) -> None:
        self._store_pack(pack)
        with self._storing:
            self._journal.add(StoredPack(pack.name.number, pack.size, pack.raw), pack.notes)

    def _store_pack(self, pack: Pack) -> None:
        name = self._names.pack(pack.name)
        self._rate.take(pack.size, self._crew.check_waiting)
        with self._storing:
            self._guard()
        try:
            self._store.put_if_absent(name, [pack.content])
        except ObjectExists:
            raise RepositoryError(
                f"{name} exists, though run {self._run_id} has not stored it",
                "another process works on the same run; start a new run",
            ) from None
        check_size(self._store, name, pack.size)
        self._crew.touch()
        with self._storing:
            number = pack.name.number
            self._before.packs[pack.name] = PackUse(
                run_id=self._run_id, number=number, size=pack.size, raw=pack.raw, live=0
            )

    def _result(self, sources: Sequence[SourceFile], folders: tuple[Directory, ...]) -> Stored:
        used = sorted(self._live)
        index = {name: i for i, name in enumerate(used)}
        packs = tuple(self._before.packs[name].model_copy(update={"live": self._live[name]}) for name in used)
        files = []
        for source in sources:
            refs = [segment.ref for segment in source.segments if segment.ref is not None]
            entries = tuple((index[ref.pack], ref.number, ref.offset, ref.length, ref.raw) for ref in refs)
            files.append(File(path=source.file.path, mode=source.file.mode, length=source.file.length, map=entries))
        return Stored(
            body=Body(
                segment_blocks=self._geometry.segment_blocks, packs=packs, files=tuple(files), directories=folders
            ),
            bytes=sum(source.file.length for source in sources),
            stored_bytes=sum(pack.size for pack in packs if pack.run_id == self._run_id),
            new_blocks=self._new_blocks,
            blocks=sum(segment.count for source in sources for segment in source.segments),
        )


def check_size(store: Store, name: str, size: int) -> None:
    """Asks the store whether it has what it has just taken."""
    try:
        seen = store.stat(name).size
    except ObjectMissing:
        seen = None
    if seen != size:
        raise StorageUnavailable(
            f"{store.url} has taken {name} with {size} bytes and now says "
            + ("that it has none" if seen is None else f"that it has {seen}")
        )
