"""What a running step says, for everybody who watches: ``AsyncResult``, Flower, ``tidemark status``."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import redis
from celery.app.task import Context, Task

from tidemark import fleet
from tidemark.fleet.metrics import StepProgress
from tidemark.progress import Progress

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two reports."""
WINDOW = 15.0
"""Seconds over which the rate is taken."""


class Rate:
    """Units per second over the last few seconds of a phase."""

    def __init__(self) -> None:
        self._phase = ""
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, progress: Progress, now: float) -> float | None:
        """Takes one more sample; ``now`` is in seconds. None as long as there is no telling."""
        if progress.phase != self._phase:
            self._phase = progress.phase
            self._seen.clear()
        self._seen.append((now, progress.done))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW:
            self._seen.popleft()
        (began, done), (ended, more) = self._seen[0], self._seen[-1]
        return (more - done) / (ended - began) if ended > began and more > done else None


class Reporter:
    """A progress callback that only remembers; a thread of its own tells the others, about once a second. Whatever
    happens to Redis meanwhile, the step is neither failed nor slowed down by it."""

    def __init__(self, task: Task[Any, Any], client: redis.Redis, *, shard: str, run: str, step: str) -> None:
        self._task, self._client, self._shard = task, client, shard
        self._about = {"shard": shard, "run": run, "step": step}
        self._request: Context = task.request  # of this thread; the reporting thread has none
        self._newest: Progress | None = None
        self._fresh = threading.Event()
        self._leaving = threading.Event()
        self._rate = Rate()
        self._thread = threading.Thread(target=self._report, name=f"progress of {shard}", daemon=True)

    def __call__(self, progress: Progress) -> None:
        self._newest = progress
        self._fresh.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Nothing may be reported once the step has its result: it would be taken for a running one again.
        self._leaving.set()
        self._fresh.set()
        self._thread.join()

    def _report(self) -> None:
        while not self._leaving.is_set():
            self._fresh.wait()
            self._fresh.clear()
            if self._leaving.is_set() or self._newest is None:
                continue
            try:
                self._tell(self._newest)
            except Exception as error:
                log.warning("the progress could not be shown: %s", error)
                self._leaving.wait(5 * INTERVAL)
            self._leaving.wait(INTERVAL)

    def _tell(self, progress: Progress) -> None:
        rate = self._rate.add(progress, time.monotonic())
        left = None if progress.total is None else max(0, progress.total - progress.done)
        shown = StepProgress(
            phase=progress.phase,
            done=progress.done,
            total=progress.total,
            unit=progress.unit,
            rate=rate,
            eta=left / rate if rate and left is not None else None,
            detail=progress.detail,
            at=datetime.now(UTC),
        )
        # First the one that gives up quickly: with Redis away we do not get to the others, which would wait for it.
        fleet.metrics.show_progress(self._client, self._shard, shown)
        facts = self._about | shown.model_dump(mode="json")
        request = self._request
        for task_id in {str(request.id), str(request.root_id or request.id)}:
            if self._leaving.is_set():
                return
            self._task.backend.store_result(
                task_id, facts, "STARTED", request=request if task_id == request.id else None
            )
        with self._task.app.events.default_dispatcher(hostname=request.hostname) as dispatcher:
            dispatcher.send("task-progress", retry=False, uuid=request.id, root_id=request.root_id, **facts)
