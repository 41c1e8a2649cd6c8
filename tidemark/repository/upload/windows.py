"""The files of an upload, cut into windows: what a thread reads, hashes and stores as one."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tidemark.repository.format.block_map import FrameRef, Segment
from tidemark.repository.format.geometry import Geometry
from tidemark.repository.format.manifest import segment_counts
from tidemark.repository.upload.origin import OriginFile


@dataclass(slots=True)
class SourceFile:
    """A file that is being uploaded, and its map in the making."""

    file: OriginFile
    segments: list[SourceSegment]


@dataclass(slots=True)
class SourceSegment:
    """A map segment in the making."""

    file: OriginFile
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


def cut(files: Sequence[OriginFile], geometry: Geometry) -> list[SourceFile]:
    """Every file with its map segments."""
    found = []
    for file in files:
        source = SourceFile(file, [])
        first = 0
        for number, count in enumerate(segment_counts(file.length, geometry.block_size, geometry.segment_blocks)):
            source.segments.append(SourceSegment(file, number, first, count, -(-count // geometry.window_blocks)))
            first += count
        found.append(source)
    return found


def windows(sources: Sequence[SourceFile], geometry: Geometry) -> Iterator[Window]:
    """Every window, the largest files first: the end of an upload is then made of small pieces that spread well."""
    block_size, window_blocks = geometry.block_size, geometry.window_blocks
    for source in sorted(sources, key=lambda source: (-source.file.length, source.file.path)):
        for segment in source.segments:
            for first in range(0, segment.count, window_blocks):
                blocks = min(window_blocks, segment.count - first)
                offset = (segment.first + first) * block_size
                yield Window(segment, first, blocks, offset, min(blocks * block_size, source.file.length - offset))
