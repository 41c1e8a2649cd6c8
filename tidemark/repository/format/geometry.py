"""How files are cut into blocks, windows and map segments."""

from __future__ import annotations

from dataclasses import dataclass

from tidemark.repository.format.backup import MAX_BLOCK
from tidemark.repository.format.block_map import MAX_SEGMENT_BLOCKS
from tidemark.repository.format.sealing import MAX_FRAME


@dataclass(frozen=True, slots=True)
class Geometry:
    """How files are cut. A shard keeps the block and segment sizes of its first backup."""

    block_size: int = 65536
    """Bytes that are compared, and stored anew, as one."""
    window: int = MAX_FRAME
    """Bytes that a thread takes at once, and so the most that a frame can hold; whole blocks."""
    segment_blocks: int = MAX_SEGMENT_BLOCKS
    """Blocks of a map segment; whole windows."""

    def __post_init__(self) -> None:
        if self.block_size & (self.block_size - 1) or not 0 < self.block_size <= min(self.window, MAX_BLOCK):
            raise ValueError(f"a block of {self.block_size} bytes: not a power of two up to {MAX_BLOCK}")
        if self.window > MAX_FRAME or not 0 < self.segment_blocks <= MAX_SEGMENT_BLOCKS:
            raise ValueError(f"a window of {self.window} bytes, or a segment of {self.segment_blocks} blocks")

    @property
    def window_blocks(self) -> int:
        return min(self.window // self.block_size, self.segment_blocks)
