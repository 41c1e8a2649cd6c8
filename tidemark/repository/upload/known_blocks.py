"""What an upload finds: the blocks that the parent has, and those that earlier attempts of the same run have stored."""

from __future__ import annotations

from dataclasses import dataclass

from tidemark.errors import Damaged
from tidemark.repository.format import block_map
from tidemark.repository.format.block_map import HOLE, UNKNOWN_DIGEST, FrameRef, Segment
from tidemark.repository.format.manifest import File, Manifest, PackUse, segment_counts
from tidemark.repository.format.names import ATTEMPT, PackName
from tidemark.repository.format.sealing import FrameSealer, Kind
from tidemark.repository.objects import ShardObjects
from tidemark.repository.upload.journal import Journal
from tidemark.repository.upload.read_ahead import ReadAhead
from tidemark.repository.upload.windows import SourceSegment


@dataclass(frozen=True, slots=True)
class Base:
    """A backup whose blocks are referred to."""

    manifest: Manifest
    lost: frozenset[PackName] = frozenset()
    """Packs of it that are not in the store any more."""


class Before:
    """Blocks and packs that need not be stored again."""

    def __init__(
        self, objects: ShardObjects, sealer: FrameSealer, base: Base | None, journal: Journal, block_size: int
    ) -> None:
        parent = base.manifest if base else None
        self._lost = base.lost if base else frozenset[PackName]()
        self._store = objects.store
        self._names = objects.names
        self._sealer = sealer
        self._parent = parent
        self._journal = journal
        self._run_id = journal.run_id
        self._block_size = block_size
        self._reading = ReadAhead(objects.store)
        self._files: dict[str, File] = {file.path: file for file in parent.body.files} if parent else {}
        uses = parent.body.packs if parent else ()
        self.packs: dict[PackName, PackUse] = {use.name: use for use in uses}
        """Every pack that the new backup may refer to. ``live`` says what the parent used of it."""
        # Mostly rubbish: what is left in these is stored again, so that they can go. The data is here, on the disk.
        self._rubbish = {use.name for use in uses if use.live * 2 < use.raw} | self._lost

    def begin_attempt(self) -> int:
        """Takes pack numbers that no attempt of this run has had, by the journal and by the store."""
        found = {}
        for info in self._store.list(self._names.run(self._run_id)):
            if pack := self._names.parse_pack(info.name):
                found[pack.number] = info.size
        self._journal.trust(found)
        for stored in self._journal.packs.values():
            use = PackUse(run_id=self._run_id, number=stored.number, size=stored.size, raw=stored.raw, live=0)
            self.packs[use.name] = use
        attempt = max(self._journal.attempt, max(found, default=-1) // ATTEMPT) + 1
        self._journal.begin(attempt)
        return attempt

    def read(self, segment: SourceSegment) -> Segment:
        """What there is of a segment. Says in ``segment`` what it has to do with the parent's."""
        path, number = segment.file.path, segment.number
        ref, count = self._parents_map(path, number)
        if ref is None:
            known = Segment.unknown(segment.count)
            segment.changed = True
        else:
            known = self._read_map(ref, count)
            self._forget_rubbish(known)
            if count != segment.count:
                known = known.resized(segment.count)
                segment.changed = True
            elif ref.pack not in self._rubbish:
                segment.parent = ref
        if self._journal.overlay(path, number, known):
            segment.changed = True
        return known

    def _parents_map(self, path: str, number: int) -> tuple[FrameRef | None, int]:
        """Where the parent's map segment is and how many blocks it has."""
        file = self._files.get(path)
        if self._parent is None or file is None or number >= len(file.map):
            return None, 0
        body = self._parent.body
        pack, frame, offset, length, raw = file.map[number]
        count = segment_counts(file.length, self._block_size, body.segment_blocks)[number]
        name = body.packs[pack].name
        return (None, 0) if name in self._lost else (FrameRef(name, frame, offset, length, raw), count)

    def _read_map(self, ref: FrameRef, count: int) -> Segment:
        name = self._names.pack(ref.pack)
        sealed = self._reading.get(name, ref.offset, ref.length)
        if len(sealed) != ref.length:
            raise Damaged(f"{name} is cut off")
        content = self._sealer.open(Kind.MAP, ref.pack, ref.number, ref.raw, sealed, name)
        return block_map.decode(content, count, f"{name}, frame {ref.number}")

    def _forget_rubbish(self, known: Segment) -> None:
        rubbish = {index for index, frame in enumerate(known.frames) if frame.pack in self._rubbish}
        if rubbish:
            for block, index in enumerate(known.frame_of):
                if index in rubbish:
                    known.set_block(block, UNKNOWN_DIGEST, HOLE, 0)
