"""Log lines on their way to Redis. Whatever happens there, the step that logs neither waits nor fails: lines are
lost."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable

from tidemark import fleet
from tidemark.config import RedisSettings
from tidemark.errors import TidemarkError
from tidemark.fleet.logs import LogLine

WAITING = 5000
"""Lines that may wait in a process; more are lost."""
AT_ONCE = 200
"""Lines that are sent in one round trip."""
PATIENCE = 1.0
"""Seconds that the end of a step waits for its last lines to be on their way."""


class Shipping(logging.Handler):
    """Takes the lines that are about a run; a thread of each process, started with its first line, sends them."""

    def __init__(self, settings: RedisSettings, keep: int, line_of: Callable[[logging.LogRecord], LogLine]) -> None:
        super().__init__()
        self._settings, self._keep, self._line_of = settings, keep, line_of
        self._process = 0
        self._waiting: queue.Queue[LogLine] = queue.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        if threading.current_thread().name == "log lines":
            return
        try:
            line = self._line_of(record)
            if line.run:
                self._begin()
                self._waiting.put_nowait(line)
        except queue.Full:
            pass
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Waits a moment until what was logged is sent."""
        if self._process != os.getpid():
            return
        deadline = time.monotonic() + PATIENCE
        with self._waiting.all_tasks_done:
            while self._waiting.unfinished_tasks and (left := deadline - time.monotonic()) > 0:
                self._waiting.all_tasks_done.wait(left)

    def _begin(self) -> None:
        """A process that was forked has no thread; what waits is its parent's."""
        if self._process == os.getpid():
            return
        self._process = os.getpid()
        self._waiting = queue.Queue(WAITING)
        threading.Thread(target=self._send, args=(self._waiting,), name="log lines", daemon=True).start()

    def _send(self, waiting: queue.Queue[LogLine]) -> None:
        client = fleet.connect(self._settings)
        while True:
            lines = [waiting.get()]
            while len(lines) < AT_ONCE and not waiting.empty():
                lines.append(waiting.get())
            by_run: dict[str, list[LogLine]] = {}
            for line in lines:
                by_run.setdefault(line.run, []).append(line)
            try:
                for run, those in by_run.items():
                    fleet.logs.append(client, run, those, keep=self._keep)
            except TidemarkError:
                time.sleep(1.0)  # these are lost; the worker's own log has them
            finally:
                for _ in lines:
                    waiting.task_done()
