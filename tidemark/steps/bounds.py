"""The bounds within which a step works: room on the node's disk, checked before and while it works."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tidemark.config import Settings, ShardSettings
from tidemark.disk import allocated, free_bytes, megabytes
from tidemark.errors import DiskFull
from tidemark.progress import Guard, Progress, ProgressCallback
from tidemark.steps.warm_folders import WarmFolders

LEAST_ROOM = 256 << 20
"""Bytes for a catch-up, whatever the size of its backup: a server's redo log and its temporary tablespaces."""
JOURNAL_ROOM = 16 << 20
"""Bytes that an upload, or a shutdown, may write on the node's own disk."""
_LOOK = 1.0
"""Seconds between two looks at the disk."""


def catchup_room(shard: ShardSettings, backup_bytes: int) -> int:
    """Bytes that a catch-up may add to a backup of this size."""
    return max(LEAST_ROOM, backup_bytes // 10) if shard.catchup_room is None else shard.catchup_room


@dataclass(frozen=True, slots=True)
class ScratchDisk:
    """The disk that a node works on, and what may be given up there for room."""

    folder: Path
    """``[node] scratch``."""
    min_free: int
    """Bytes that stay free (``[node] min_free``)."""
    warm: WarmFolders

    @classmethod
    def of(cls, settings: Settings) -> ScratchDisk:
        """That of this node, as it is configured now."""
        return cls(settings.node.scratch, settings.node.min_free, WarmFolders.of(settings))

    def make_room(self, wanted: int) -> int:
        """Gives kept folders up until so many bytes are free, or none is left; gives the bytes that are free."""
        free = free_bytes(self.folder)
        while free < wanted and self.warm.drop_oldest():
            free = free_bytes(self.folder)
        return free

    def check_room(self, data: Path, backup_bytes: int, room: int, what: str) -> None:
        """Raises ``DiskFull`` before a restore into ``data`` that could not be finished, or not caught up with ``room``
        more bytes."""
        there = allocated(data)
        needed = backup_bytes + room + self.min_free
        free = self.make_room(needed - there) + there
        if needed > free:
            raise DiskFull(
                f"{what} takes {megabytes(backup_bytes)}, the catch-up may take {megabytes(room)} (catchup_room), and "
                f"{megabytes(self.min_free)} stay free ([node] min_free): together {megabytes(needed)}; the disk of "
                f"{self.folder} has {megabytes(free)}",
                "nothing was fetched; give this node a larger disk, or see what else is on it",
            )


class DiskWatch:
    """A guard that ends a step before it fills the disk: a server that finds no room would hang, or die."""

    def __init__(self, disk: ScratchDisk, what: str, guard: Guard, *, most: int | None = None) -> None:
        """``what`` names the shard and what is being done. ``guard`` is the step's own, asked first. ``most`` is for
        work that takes few bytes itself: what others have filled is no reason to give it up."""
        self._disk = disk
        self._min_free = disk.min_free if most is None else min(disk.min_free, most)
        self._what = what
        self._guard = guard
        self._next = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Raises ``DiskFull`` when less than ``[node] min_free`` is left; looks once a second at most."""
        self._guard()
        now = time.monotonic()
        with self._lock:
            if now < self._next or not self._min_free:
                return
            self._next = now + _LOOK
        free = self._disk.make_room(self._min_free)
        if free < self._min_free:
            with self._lock:
                self._next = 0.0  # whoever asks next is told, too
            raise DiskFull(
                f"{self._what}: stopped, because the disk of {self._disk.folder} has only {megabytes(free)} left, and "
                f"{megabytes(self._min_free)} are to stay free ([node] min_free)",
                "nothing of this run is committed; give this node a larger disk, or see what else fills it",
            )

    def watching(self, progress: ProgressCallback) -> ProgressCallback:
        """The callback of work that takes no guard but may be ended by its progress: a first copy."""

        def tell(moment: Progress) -> None:
            self()
            progress(moment)

        return tell

    @contextlib.contextmanager
    def beside(self, end: Callable[[], object]) -> Iterator[None]:
        """Looks from a thread of its own while the block runs, for work that asks no guard: a server that finds no
        room waits for it in the middle of a statement, for ever. ``end`` is called to end that work; what the watch
        has seen is then what the block raises."""
        leaving, seen = threading.Event(), list[DiskFull]()

        def look() -> None:
            while not leaving.wait(_LOOK):
                try:
                    self()
                except DiskFull as error:
                    seen.append(error)
                    end()
                    return

        thread = threading.Thread(target=look, name="disk watch", daemon=True)
        thread.start()
        try:
            yield
        except Exception as error:
            if seen:
                raise seen[0] from error
            raise
        finally:
            leaving.set()
            thread.join()
