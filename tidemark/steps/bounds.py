"""The bounds within which a step works: room on the node's disk, checked before and while it works."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from tidemark.config import Settings, ShardSettings
from tidemark.disk import allocated, free_bytes, megabytes
from tidemark.errors import DiskFull
from tidemark.progress import Guard, Progress, ProgressCallback
from tidemark.steps import warm_folders
from tidemark.steps.run import Run

LEAST_ROOM = 256 << 20
"""Bytes for a catch-up, whatever the size of its backup: a server's redo log and its temporary tablespaces."""
JOURNAL_ROOM = 16 << 20
"""Bytes that an upload, or a shutdown, may write on the node's own disk."""
_LOOK = 1.0
"""Seconds between two looks at the disk."""


def catchup_room(shard: ShardSettings, backup_bytes: int) -> int:
    """Bytes that a catch-up may add to a backup of this size."""
    return max(LEAST_ROOM, backup_bytes // 10) if shard.catchup_room is None else shard.catchup_room


def check_room(run: Run, backup_bytes: int, what: str) -> None:
    """Raises ``DiskFull`` before a restore that could not be finished, or not caught up, on this node's disk."""
    node, there = run.settings.node, allocated(run.folder / "data")
    room = catchup_room(run.shard, backup_bytes)
    needed, free = backup_bytes + room + node.min_free, free_bytes(run.folder) + there
    while needed > free and warm_folders.drop_oldest(run.settings):
        free = free_bytes(run.folder) + there
    if needed > free:
        raise DiskFull(
            f"{what} takes {megabytes(backup_bytes)}, the catch-up may take {megabytes(room)} (catchup_room), and "
            f"{megabytes(node.min_free)} stay free ([node] min_free): together {megabytes(needed)}; the disk of "
            f"{node.scratch} has {megabytes(free)}",
            "nothing was fetched; give this node a larger disk, or see what else is on it",
        )


class DiskWatch:
    """A guard that ends a step before it fills the disk: a server that finds no room would hang, or die."""

    def __init__(self, settings: Settings, what: str, guard: Guard, *, most: int | None = None) -> None:
        """``what`` names the shard and what is being done. ``guard`` is the step's own, asked first. ``most`` is for
        work that takes few bytes itself: what others have filled is no reason to give it up."""
        self._settings = settings
        self._folder, self._min_free = settings.node.scratch, settings.node.min_free
        if most is not None:
            self._min_free = min(self._min_free, most)
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
        free = free_bytes(self._folder)
        while free < self._min_free and warm_folders.drop_oldest(self._settings):
            free = free_bytes(self._folder)
        if free < self._min_free:
            with self._lock:
                self._next = 0.0  # whoever asks next is told, too
            raise DiskFull(
                f"{self._what}: stopped, because the disk of {self._folder} has only {megabytes(free)} left, and "
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
