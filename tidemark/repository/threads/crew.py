"""Threads that share one fate: the first error of any of them stops them all and is the one that is raised."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

from tidemark.errors import StorageUnavailable

_LOOK = 0.5
"""Seconds between two looks at threads that may hang."""
_GRACE = 2.0
"""Seconds that threads get to end when one of them hangs."""


class Stopped(Exception):
    """Another thread has failed; this one has only to end."""


class Crew:
    """What the threads of one piece of work share."""

    def __init__(self, *, stall_timeout: float = 0.0, what: str = "") -> None:
        """With a ``stall_timeout`` (seconds) the work ends as ``StorageUnavailable`` when for so long no thread has
        called ``touch``. A thread that hangs then is left behind: it finds out when it wakes. ``what`` names the work
        and its store for the message."""
        self.changed = threading.Condition()
        """Waited for by threads that need room or work; notified at every failure."""
        self._error: BaseException | None = None
        self._stall_timeout = stall_timeout
        self._what = what
        self._touched = time.monotonic()
        self._hangs = False

    @property
    def failed(self) -> bool:
        return self._error is not None

    def touch(self) -> None:
        """Says that something has been done, or is rightly waited for."""
        self._touched = time.monotonic()

    def check(self) -> None:
        """Raises ``Stopped`` once a thread has failed."""
        if self._error is not None:
            raise Stopped

    def check_waiting(self) -> None:
        """The same for a thread that waits for its turn, which is no stall."""
        self.touch()
        self.check()

    def fail(self, error: BaseException) -> None:
        """Keeps the first error and wakes whoever waits."""
        with self.changed:
            if self._error is None and not isinstance(error, Stopped):
                self._error = error
            self.changed.notify_all()

    def guarded(self, work: Callable[[], None]) -> None:
        """Does the work; an error becomes the crew's."""
        try:
            work()
        except BaseException as error:
            self.fail(error)

    def run(self, count: int, work: Callable[[], None], name: str) -> None:
        """Lets ``count`` threads do the work; returns when all have ended. Their error waits for ``reraise``."""
        threads = [
            threading.Thread(target=self.guarded, args=(work,), name=f"{name}-{i}", daemon=True) for i in range(count)
        ]
        self.touch()
        try:
            for thread in threads:
                thread.start()
            self.wait_for(threads)
        except BaseException as error:
            self.fail(error)  # a signal in the waiting thread, such as Ctrl-C
            self.wait_for([thread for thread in threads if thread.ident is not None])
            raise

    def wait_for(self, threads: Sequence[threading.Thread]) -> None:
        """Returns when all have ended, or when nothing has moved for too long and it is no use to wait."""
        if not self._stall_timeout:
            for thread in threads:
                thread.join()
            return
        while (alive := next((thread for thread in threads if thread.is_alive()), None)) and not self._hangs:
            alive.join(_LOOK)
            silent = time.monotonic() - self._touched
            if silent > self._stall_timeout:
                self._hangs = True
                self.fail(
                    StorageUnavailable(
                        f"{self._what}: nothing has moved for {self._stall_timeout:.0f} s",
                        "see whether the store, or the network in between, hangs; a line so thin that one pack takes "
                        "longer needs a higher [node] stall_timeout",
                    )
                )
        deadline = time.monotonic() + _GRACE
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def reraise(self) -> None:
        """Raises the first error, if there was one."""
        if self._error is not None:
            raise self._error


class Helpers:
    """Threads of a crew that do what they are handed, one thing after the other. One that hangs does not keep the
    process from ending, as those of the standard library's executors do."""

    def __init__(self, crew: Crew, count: int, name: str) -> None:
        self._crew = crew
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"{name}-{i}", daemon=True) for i in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[], None]) -> None:
        """Hands them a piece of work; its error becomes the crew's."""
        self._waiting.put(work)

    def close(self) -> None:
        """Returns when all that was handed to them is done, or the crew has given up."""
        for _ in self._threads:
            self._waiting.put(None)
        self._crew.wait_for(self._threads)

    def _work(self) -> None:
        while (work := self._waiting.get()) is not None:
            self._crew.guarded(work)
