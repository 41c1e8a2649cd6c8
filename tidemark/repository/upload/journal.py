"""The upload's journal: which packs are stored and what is in them, so that a resumed upload stores nothing twice.

One JSON object a line. A pack's frames come first, then the line that says the pack is stored; frames without it, and
whatever follows the first line that cannot be read, were being written when the process died and count for nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemark.errors import DiskFull, RepositoryError
from tidemark.files import NO_ROOM
from tidemark.repository.format.block_map import FrameRef, Segment
from tidemark.repository.format.names import PackName


@dataclass(frozen=True, slots=True)
class FrameNote:
    """A frame and the blocks in it, in their order."""

    path: str
    """The file."""
    segment: int
    """Which of the file's map segments the blocks belong to."""
    frame: FrameRef
    blocks: tuple[int, ...]
    """Indexes in the segment."""
    digests: bytes
    """16 bytes per block."""


@dataclass(frozen=True, slots=True)
class StoredPack:
    """A pack that an upload has stored."""

    number: int
    size: int
    """Bytes of the object."""
    raw: int
    """Bytes of the content of its frames."""


class Journal:
    """The journal of one run's upload. Not for several processes at once."""

    def __init__(self, path: Path, run_id: str, identity: str) -> None:
        self._path = path
        self.run_id = run_id
        """The run that it belongs to."""
        self._identity = identity
        self._where: dict[tuple[str, int], list[int]] = {}
        self.packs: dict[int, StoredPack] = {}
        """The data packs that earlier attempts have stored, by number."""
        self.attempt = -1
        """The last attempt that the journal knows of; -1 when there was none."""
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(self._descriptor, self._scan())
            except BaseException:
                os.close(self._descriptor)
                raise
        except OSError as error:
            raise RepositoryError(f"the journal {path} cannot be used: {error.strerror}") from error

    def close(self) -> None:
        os.close(self._descriptor)

    def begin(self, attempt: int) -> None:
        """Starts an attempt; from now on its pack numbers are taken, whatever happens."""
        self._append([{"attempt": attempt, "upload": self._identity}])

    def trust(self, sizes: Mapping[int, int]) -> None:
        """Keeps only packs that the store has, with the size that they should have."""
        self.packs = {n: pack for n, pack in self.packs.items() if sizes.get(n) == pack.size}

    def add(self, pack: StoredPack, notes: list[FrameNote]) -> None:
        """Notes a pack that the store has. On disk when this returns."""
        lines: list[dict[str, Any]] = [
            {
                "file": note.path,
                "segment": note.segment,
                "frame": [pack.number, note.frame.number, note.frame.offset, note.frame.length, note.frame.raw],
                "blocks": note.blocks,
                "digests": note.digests.hex(),
            }
            for note in notes
        ]
        self._append([*lines, {"pack": pack.number, "size": pack.size, "raw": pack.raw}])

    def overlay(self, path: str, segment_number: int, segment: Segment) -> bool:
        """Enters the blocks that earlier attempts have stored into a segment; says whether there were any."""
        changed = False
        for note in self._notes(path, segment_number):
            if note.frame.pack.number not in self.packs or max(note.blocks) >= segment.count:
                continue
            index = len(segment.frames)
            segment.frames.append(note.frame)
            for i, block in enumerate(note.blocks):
                segment.set_block(block, note.digests[i * 16 : (i + 1) * 16], index, i)
            changed = True
        segment.compact()  # so that the frames that are still to come always find a free index
        return changed

    def _append(self, lines: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        view = memoryview(text.encode())
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
            os.fsync(self._descriptor)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise DiskFull(f"no room for the journal {self._path}: {error.strerror}", "free some room") from error
            raise RepositoryError(f"the journal {self._path} cannot be written: {error.strerror}") from error

    def _scan(self) -> int:
        """Reads what is there without keeping it; gives where the readable part ends, and leaves the position there."""
        end = at = 0
        waiting: list[tuple[tuple[str, int], int]] = []
        belongs = True
        with os.fdopen(os.dup(self._descriptor), "rb") as stream:
            for line in stream:
                try:
                    entry = json.loads(line) if line.endswith(b"\n") else None
                    if entry is None:
                        break
                    if "attempt" in entry:
                        self.attempt = max(self.attempt, int(entry["attempt"]))
                        belongs = entry["upload"] == self._identity
                        waiting = []
                    elif "pack" in entry:
                        if belongs:
                            number = int(entry["pack"])
                            self.packs[number] = StoredPack(number, int(entry["size"]), int(entry["raw"]))
                            for key, offset in waiting:
                                self._where.setdefault(key, []).append(offset)
                        waiting = []
                    else:
                        note = self._read_note(entry)  # whoever reads it later must be able to rely on it
                        waiting.append(((note.path, note.segment), at))
                except (ValueError, KeyError, TypeError, OverflowError):
                    break
                at += len(line)
                if not waiting:
                    end = at
        os.lseek(self._descriptor, end, os.SEEK_SET)
        return end

    def _notes(self, path: str, segment: int) -> Iterator[FrameNote]:
        offsets = self._where.get((path, segment), [])
        if not offsets:
            return
        with self._path.open("rb") as stream:
            for offset in offsets:
                stream.seek(offset)
                yield self._read_note(json.loads(stream.readline()))

    def _read_note(self, entry: Any) -> FrameNote:
        """A line as ``add`` writes it. ``ValueError``, ``KeyError``, ``TypeError`` or ``OverflowError`` for another."""
        pack, number, start, length, raw = map(int, entry["frame"])
        blocks, digests = tuple(map(int, entry["blocks"])), bytes.fromhex(entry["digests"])
        if min(pack, number, start, length, raw, *blocks) < 0 or not blocks or len(digests) != 16 * len(blocks):
            raise ValueError("not a frame that this upload has stored")
        frame = FrameRef(PackName(self.run_id, pack), number, start, length, raw)
        return FrameNote(str(entry["file"]), int(entry["segment"]), frame, blocks, digests)
