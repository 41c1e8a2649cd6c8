"""The block map: for every block of a file its digest and where it is stored, in segments of bounded size."""

from __future__ import annotations

import struct
import sys
from array import array
from collections import Counter
from dataclasses import dataclass

from tidemark.errors import Damaged
from tidemark.repository.format.names import PackName, is_run_id
from tidemark.repository.format.sealing import MAX_FRAME, max_sealed

DIGEST_BYTES = 16
HOLE = 0xFFFF
"""Stands for the frame of a block that is all zeros and stored nowhere."""
HOLE_DIGEST = bytes(DIGEST_BYTES)
UNKNOWN_DIGEST = b"\xff" * DIGEST_BYTES
"""Stands for a block that must be stored; never written to a map."""
MAX_SEGMENT_BLOCKS = 16384

_HEAD = struct.Struct("<IIH")
_FRAME = struct.Struct("<HQIIII")


@dataclass(frozen=True, slots=True)
class FrameRef:
    """Where a frame is."""

    pack: PackName
    number: int
    """Its number in the pack, from 0."""
    offset: int
    """Its first byte in the pack's object."""
    length: int
    """Sealed bytes."""
    raw: int
    """Bytes of its content."""


@dataclass(slots=True)
class Segment:
    """A run of neighbouring blocks of one file. Made once, then filled in by the threads that read the blocks."""

    count: int
    """Blocks."""
    frames: list[FrameRef]
    """The frames that its blocks are in."""
    digests: bytearray
    """``DIGEST_BYTES`` per block; zeros for a hole."""
    frame_of: array[int]
    """Per block the index in ``frames``, or ``HOLE``."""
    index_of: array[int]
    """Per block its place among the blocks of its frame."""

    @classmethod
    def unknown(cls, count: int) -> Segment:
        """A segment of which nothing is known yet."""
        return cls(count, [], bytearray(UNKNOWN_DIGEST * count), array("H", [HOLE]) * count, array("H", [0]) * count)

    def digest(self, block: int) -> bytes:
        """The digest of one block."""
        return bytes(self.digests[block * DIGEST_BYTES : (block + 1) * DIGEST_BYTES])

    def set_block(self, block: int, digest: bytes, frame: int, index: int) -> None:
        """Says where one block is."""
        self.digests[block * DIGEST_BYTES : (block + 1) * DIGEST_BYTES] = digest
        self.frame_of[block] = frame
        self.index_of[block] = index

    def resized(self, count: int) -> Segment:
        """The same for a file that has grown or shrunk: blocks beyond the old end are unknown."""
        segment = Segment.unknown(count)
        common = min(count, self.count)
        segment.frames = self.frames
        segment.digests[: common * DIGEST_BYTES] = self.digests[: common * DIGEST_BYTES]
        segment.frame_of[:common] = self.frame_of[:common]
        segment.index_of[:common] = self.index_of[:common]
        return segment

    def blocks_per_frame(self) -> Counter[int]:
        """How many blocks refer to each frame, by its index; holes left out."""
        counts = Counter(self.frame_of)
        del counts[HOLE]
        return counts

    def compact(self) -> None:
        """Drops frames that no block refers to."""
        used = sorted(self.blocks_per_frame())
        if len(used) == len(self.frames):
            return
        renumbered = {old: new for new, old in enumerate(used)}
        renumbered[HOLE] = HOLE
        self.frames = [self.frames[old] for old in used]
        self.frame_of = array("H", [renumbered[old] for old in self.frame_of])

    def encode(self) -> bytes:
        """The binary form; ``docs/format.md`` describes it."""
        runs = sorted({frame.pack.run_id for frame in self.frames})
        index = {run_id: i for i, run_id in enumerate(runs)}
        parts = [_HEAD.pack(self.count, len(self.frames), len(runs))]
        for run_id in runs:
            encoded = run_id.encode()
            parts.append(bytes([len(encoded)]) + encoded)
        parts.extend(
            _FRAME.pack(index[f.pack.run_id], f.pack.number, f.number, f.offset, f.length, f.raw) for f in self.frames
        )
        parts.append(bytes(self.digests))
        parts.append(_little_endian(self.frame_of).tobytes())
        parts.append(_little_endian(self.index_of).tobytes())
        return b"".join(parts)


def decode(content: bytes, count: int, what: str) -> Segment:
    """Reads the binary form of a segment that must have ``count`` blocks. ``Damaged`` names ``what``."""
    try:
        return _decode(content, count)
    except (struct.error, IndexError, UnicodeDecodeError, ValueError) as error:
        raise Damaged(f"{what} is not a block map: {error}") from None


def _decode(content: bytes, expected: int) -> Segment:
    count, frame_count, run_count = _HEAD.unpack_from(content)
    if count != expected or not 0 < count <= MAX_SEGMENT_BLOCKS or frame_count > count or run_count > frame_count:
        raise ValueError(
            f"it has {count} blocks in {frame_count} frames of {run_count} runs, {expected} blocks expected"
        )
    at = _HEAD.size
    runs = []
    for _ in range(run_count):
        length = content[at]
        run_id = content[at + 1 : at + 1 + length].decode("ascii")
        if not is_run_id(run_id):
            raise ValueError(f"{run_id!r} is not the id of a run")
        runs.append(run_id)
        at += 1 + length
    frames = []
    for run, pack, number, offset, length, raw in _FRAME.iter_unpack(content[at : at + frame_count * _FRAME.size]):
        if not 0 < raw <= MAX_FRAME or not 0 < length <= max_sealed(raw):
            raise ValueError(f"a frame has {length} sealed and {raw} raw bytes")
        frames.append(FrameRef(PackName(runs[run], pack), number, offset, length, raw))
    at += frame_count * _FRAME.size
    if len(content) != at + count * (DIGEST_BYTES + 4):
        raise ValueError(f"it has {len(content)} bytes instead of {at + count * (DIGEST_BYTES + 4)}")
    digests = bytearray(content[at : at + count * DIGEST_BYTES])
    at += count * DIGEST_BYTES
    frame_of, index_of = array("H"), array("H")
    frame_of.frombytes(content[at : at + count * 2])
    index_of.frombytes(content[at + count * 2 :])
    segment = Segment(count, frames, digests, _little_endian(frame_of), _little_endian(index_of))
    if any(frame >= frame_count for frame in segment.blocks_per_frame()):
        raise ValueError(f"a block is in a frame beyond the {frame_count} that there are")
    return segment


def _little_endian(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers
