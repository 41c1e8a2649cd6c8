"""Threads that share one fate: the first error of any of them stops them all and is the one that is raised."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Stopped(Exception):
    """Another thread has failed; this one has only to end."""


class Crew:
    """What the threads of one piece of work share."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        """Waited for by threads that need room or work; notified at every failure."""
        self._error: BaseException | None = None

    @property
    def failed(self) -> bool:
        return self._error is not None

    def check(self) -> None:
        """Raises ``Stopped`` once a thread has failed."""
        if self._error is not None:
            raise Stopped

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
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException as error:
            self.fail(error)  # a signal in the waiting thread, such as Ctrl-C
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            raise

    def reraise(self) -> None:
        """Raises the first error, if there was one."""
        if self._error is not None:
            raise self._error
