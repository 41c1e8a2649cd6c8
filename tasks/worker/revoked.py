"""Revoking. Celery calls no errback for a revoked task and leaves the rest of its chain pending for ever; and the id
that an operator knows, the root, is not the id of the step that is running."""

from __future__ import annotations

import logging
import time
from typing import Any

import psutil
from celery import bootsteps
from celery.signals import task_revoked
from celery.worker import state

from tasks import app
from tidemark.queue import messages
from tidemark.queue.messages import STEPS

log = logging.getLogger(__name__)

INTERVAL = 2.0
"""Seconds between two looks at what has been revoked."""
PATIENCE = 10.0
"""Seconds that a process gets to end by itself; one that waits for a store that hangs would take minutes."""

_dying: list[tuple[psutil.Process, float]] = []
"""The processes whose step was ended in the middle, each with the end of our patience."""


@task_revoked.connect
def settle(sender: Any, request: Any, terminated: bool, **_: Any) -> None:
    """A step was revoked, before it began or (``terminated``) in the middle. Runs in the worker's main process."""
    if sender.name not in STEPS:
        return
    shard, run_id = map(str, request.args)
    log.warning("run %s was revoked at %s", run_id, sender.name)
    if terminated:  # a node has one process for its steps
        _dying.extend((child, time.monotonic() + PATIENCE) for child in psutil.Process().children())
    for later in request.chain or ():
        app.backend.mark_as_revoked(later["options"]["task_id"], "the run was revoked")
    if request.root_id and request.root_id != request.id:
        app.backend.mark_as_revoked(request.root_id, "the run was revoked")
    reason = f"revoked at step {sender.name.rpartition('.')[2]}"
    messages.send_cleanup(str(request.hostname), shard, run_id, ended_as="revoked", reason=reason)


class RootWatch(bootsteps.StartStopStep):
    """Ends the step of a run whose root id was revoked, running or waiting: that is the id which people know."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._timer: Any = None

    def start(self, worker: Any) -> None:
        self._timer = worker.timer.call_repeatedly(INTERVAL, self._look, (worker,))

    def stop(self, worker: Any) -> None:
        if self._timer:
            self._timer.cancel()

    def _look(self, worker: Any) -> None:
        for process, deadline in list(_dying):
            over = time.monotonic() > deadline
            if over and process.is_running():
                log.warning("process %d has not ended for %.0f s; killing it", process.pid, PATIENCE)
                process.kill()
            if over or not process.is_running():
                _dying.remove((process, deadline))
        for request in list(state.requests.values()):
            if request.name not in STEPS or request.root_id not in state.revoked:
                continue
            state.revoked.add(request.id)  # the last step of a run has the root's id
            if request in state.active_requests and not request._already_revoked:
                log.warning("%s was revoked; ending its %s", request.root_id, request.name)
                request.terminate(worker.pool, signal="TERM")
            elif request in state.scheduled_requests and (entry := request._eta_timer_entry):  # type: ignore[attr-defined]
                # It waits to be tried again, for a minute perhaps: now is as good, for it is dropped as it begins.
                log.warning("%s was revoked; dropping its %s", request.root_id, request.name)
                entry.cancel()
                entry.fun(*entry.args)


app.steps["worker"].add(RootWatch)
