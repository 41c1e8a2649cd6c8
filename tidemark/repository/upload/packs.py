"""Filling packs: threads put sealed frames at allocated places; full packs are stored while the next one fills."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tidemark import direct_io
from tidemark.repository.format.block_map import FrameRef
from tidemark.repository.format.names import PackName
from tidemark.repository.format.sealing import OVERHEAD
from tidemark.repository.threads.crew import Crew, Helpers
from tidemark.repository.upload.journal import FrameNote


@dataclass(slots=True)
class Pack:
    """A pack that is being filled or stored."""

    name: PackName
    room: memoryview
    """Memory for its frames, one behind the other; lent by the stream, which uses it again."""
    notes: list[FrameNote] = field(default_factory=list)
    size: int = 0
    """Sealed bytes that are allocated."""
    raw: int = 0
    """Bytes of content."""
    frames: int = 0
    """Frames that are allocated."""
    filled: int = 0
    """Frames whose bytes are here."""
    closed: bool = False
    """Whether no further frame is coming."""

    @property
    def content(self) -> memoryview:
        """What is to be stored, once every frame is filled."""
        return self.room[: self.size]

    def place(self, ref: FrameRef) -> memoryview:
        """Where the frame's sealed bytes go."""
        return self.room[ref.offset : ref.offset + ref.length]


class PackStream:
    """Packs of one kind, one after the other. At most ``most`` are in memory at once: a thread that needs another
    one waits until one is stored."""

    def __init__(
        self,
        crew: Crew,
        helpers: Helpers,
        store: Callable[[Pack], None],
        next_name: Callable[[], PackName],
        *,
        size: int,
        most: int,
    ) -> None:
        self._crew = crew
        self._helpers = helpers
        self._store = store
        self._next_name = next_name
        self._size = size
        self._room = most
        self._rooms: list[memoryview] = []
        self._allocating = threading.Lock()
        self._open: Pack | None = None

    def allocate(self, compressed: int, raw: int) -> tuple[Pack, FrameRef]:
        """A place for a frame of ``compressed`` bytes. The caller must seal it into ``pack.place(ref)`` and then call
        ``filled``."""
        length = compressed + OVERHEAD
        with self._allocating:
            if self._open is not None and self._open.size + length > self._size:
                self._close()
            if self._open is None:
                self._open = Pack(self._next_name(), self._wait_for_room(length))
            pack = self._open
            ref = FrameRef(pack.name, pack.frames, pack.size, length, raw)
            pack.frames += 1
            pack.size += length
            pack.raw += raw
        return pack, ref

    def filled(self, pack: Pack, note: FrameNote | None = None) -> None:
        """Says that a frame is sealed and at its place; the last one sends a closed pack on its way."""
        with self._crew.changed:
            if note is not None:
                pack.notes.append(note)
            pack.filled += 1
            done = pack.closed and pack.filled == pack.frames
        if done:
            self._submit(pack)

    def finish(self) -> None:
        """Closes the pack that is being filled. No frame may follow."""
        with self._allocating:
            if self._open is not None:
                self._close()

    def _close(self) -> None:
        pack, self._open = self._open, None
        if pack is None:
            return
        with self._crew.changed:
            pack.closed = True
            done = pack.filled == pack.frames
        if done:
            self._submit(pack)

    def _wait_for_room(self, least: int) -> memoryview:
        """Memory for one more pack, for at least so many bytes (a single frame may be larger than a small pack)."""
        with self._crew.changed:
            while self._room == 0 and not self._crew.failed:
                self._crew.changed.wait()
            self._crew.check()
            self._room -= 1
            if self._rooms and len(self._rooms[-1]) >= least:
                return self._rooms.pop()
        return direct_io.room(max(self._size, least))

    def _submit(self, pack: Pack) -> None:
        self._helpers.submit(lambda: self._send(pack))

    def _send(self, pack: Pack) -> None:
        self._crew.check()
        self._store(pack)
        with self._crew.changed:
            self._room += 1
            self._rooms.append(pack.room)
            self._crew.changed.notify_all()
