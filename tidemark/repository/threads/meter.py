"""Counts what threads have done and says so a few times a second."""

from __future__ import annotations

import threading
import time

from tidemark.progress import Progress, ProgressCallback

_INTERVAL = 0.25


class Meter:
    """Thread-safe; ``done`` never goes down."""

    def __init__(self, phase: str, total: int, callback: ProgressCallback) -> None:
        self._phase = phase
        self._total = total
        self._callback = callback
        self._done = 0
        self._next = 0.0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Counts bytes; every so often tells the callback."""
        with self._lock:
            self._done += count
            now = time.monotonic()
            if now >= self._next:
                self._next = now + _INTERVAL
                self._tell()

    def finish(self) -> None:
        """Tells the callback the last state."""
        with self._lock:
            self._tell()

    def _tell(self) -> None:
        self._callback(Progress(self._phase, self._done, self._total, "B"))
