"""What holds the threads of a restore or an upload back, and what ends them when they hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_NAP = 0.2
"""Seconds of waiting after which a thread looks whether it is still wanted."""


class RateLimit:
    """Bytes per second, all threads together. A piece waits until those before it have had their time, and then goes
    out as fast as it can: over a few pieces the rate holds, within one it does not."""

    def __init__(
        self,
        rate: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``rate`` in bytes per second; None holds nobody back."""
        self.rate = rate
        self._clock = clock
        self._sleep = sleep
        self._free_at = 0.0
        self._waited = 0.0
        self._lock = threading.Lock()

    @property
    def waited(self) -> float:
        """Seconds that threads have waited, all of them together."""
        return round(self._waited, 3)

    def take(self, count: int, check: Callable[[], None]) -> None:
        """Returns when ``count`` bytes may be moved. ``check`` is called while it waits, and raises to give up."""
        if self.rate is None or count <= 0:
            return
        with self._lock:
            now = self._clock()
            turn = max(now, self._free_at)
            self._free_at = turn + count / self.rate
        while (left := turn - self._clock()) > 0:
            check()
            self._sleep(min(left, _NAP))
        with self._lock:
            self._waited += max(0.0, turn - now)


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast stored bytes may be moved, and for how long nothing may move."""

    rate: RateLimit = field(default_factory=lambda: RateLimit(None))
    """Shared by all threads; of bytes as they are stored: compressed and sealed."""
    stall_timeout: float = 0.0
    """Seconds without any byte moved after which it is given up as ``StorageUnavailable``; 0: never."""
