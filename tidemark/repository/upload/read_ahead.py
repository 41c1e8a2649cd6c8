"""Reading small pieces that lie near one another: a few large requests instead of many small ones."""

from __future__ import annotations

import threading
from collections import OrderedDict

from tidemark.storage import Store

CHUNK = 1 << 20
"""Bytes that are fetched at once."""
KEPT = 8
"""Chunks that are kept: the ones used last."""


class ReadAhead:
    """Ranges of objects that never change. Thread-safe; threads that want the same chunk fetch it once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._chunks: OrderedDict[tuple[str, int], _Chunk] = OrderedDict()

    def get(self, name: str, start: int, length: int) -> bytes:
        """As ``Store.get``: what there is of the range."""
        pieces = []
        end = start + length
        while start < end:
            index = start // CHUNK
            content = self._chunk(name, index)
            piece = content[start - index * CHUNK : end - index * CHUNK]
            pieces.append(piece)
            if len(content) < CHUNK:
                break
            start += len(piece)
        return b"".join(pieces)

    def _chunk(self, name: str, index: int) -> bytes:
        with self._lock:
            chunk = self._chunks.setdefault((name, index), _Chunk())
            self._chunks.move_to_end((name, index))
            while len(self._chunks) > KEPT:
                self._chunks.popitem(last=False)
        with chunk.lock:
            if chunk.content is None:
                chunk.content = self._store.get(name, index * CHUNK, CHUNK)
            return chunk.content


class _Chunk:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.content: bytes | None = None
