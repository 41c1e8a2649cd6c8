"""Waiting between two looks, in commands that go on until something has happened or Ctrl-C comes.

Python raises ``KeyboardInterrupt`` wherever the main thread is just then. In a destructor, such as one that closes a
connection, the exception is swallowed, and the command would go on. So it is also noted, and seen at the next pause.
"""

from __future__ import annotations

import signal
import time
from types import FrameType


class Pauses:
    """The pauses of a process, and whether they are over."""

    def __init__(self) -> None:
        self._interrupted = False

    def listen(self) -> None:
        """Notes every Ctrl-C from now on; not for a process that was started to ignore it, as ``nohup`` does."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)

    def wait(self, seconds: float) -> None:
        """Waits. Raises ``KeyboardInterrupt`` at once if there was one, whether or not it was heard."""
        if self._interrupted:
            raise KeyboardInterrupt
        time.sleep(seconds)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True
        raise KeyboardInterrupt


pauses = Pauses()
"""Those of this process."""
