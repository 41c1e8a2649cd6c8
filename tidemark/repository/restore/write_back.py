"""Brings bytes that went into the page cache to the disk while the next ones are being made, so that the fsync at the
end has little to do.

That last fsync of every file stays: it is what makes a restore durable. This one only comes first, and keeps the errors
that it sees: the kernel tells of a failed write once, perhaps here.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path

PIECE = 64 << 20
"""Bytes that are written to a file between two of its syncs."""


class Syncer:
    """Syncs files in a thread that lives while there is something to sync. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._written: dict[Path, int] = {}
        self._due: OrderedDict[Path, None] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None

    def note(self, path: Path, count: int) -> None:
        """So many bytes were written to this file."""
        with self._lock:
            written = self._written.get(path, 0) + count
            self._written[path] = written if written < PIECE else 0
            if written < PIECE:
                return
            self._due[path] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="sync", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Returns when all that was due is done. Raises the first error of the operating system."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._due:
                    self._thread = None
                    return
                path, _ = self._due.popitem(last=False)
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    os.fdatasync(descriptor)
                finally:
                    os.close(descriptor)
            except OSError as error:
                with self._lock:
                    error.filename = error.filename or str(path)
                    self._error = self._error or error
