"""A body's buffers as one seekable file, so that an SDK can send it, and send it again, without a copy of it all."""

from __future__ import annotations

import bisect
import io
import itertools

from tidemark.storage.base import Body


class JoinedBody(io.RawIOBase):
    """The bytes from ``start`` to ``end`` (to the end without one) of a body. Copies only what a ``read`` asks for."""

    def __init__(self, body: Body, start: int = 0, end: int | None = None) -> None:
        super().__init__()
        self._buffers = [memoryview(buffer).cast("B") for buffer in body if len(buffer)]
        self._ends = list(itertools.accumulate(len(buffer) for buffer in self._buffers))
        total = self._ends[-1] if self._ends else 0
        self._start = min(start, total)
        self._end = total if end is None else max(self._start, min(end, total))
        self._at = self._start

    def __len__(self) -> int:
        """Bytes of the whole, wherever the position is."""
        return self._end - self._start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at - self._start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: self._start, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        if base + offset < self._start:
            raise ValueError(f"there is no position {offset} before the start")
        self._at = base + offset
        return self.tell()

    def read(self, size: int | None = -1) -> bytes:
        end = self._end if size is None or size < 0 else min(self._end, self._at + size)
        pieces: list[memoryview] = []
        index = bisect.bisect_right(self._ends, self._at)
        while self._at < end:
            buffer, first = self._buffers[index], self._ends[index] - len(self._buffers[index])
            piece = buffer[self._at - first : end - first]
            pieces.append(piece)
            self._at += len(piece)
            index += 1
        return b"".join(pieces)

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, target: bytearray | memoryview) -> int:  # type: ignore[override]  # what io calls a buffer
        piece = self.read(len(target))
        target[: len(piece)] = piece
        return len(piece)
