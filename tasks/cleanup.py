"""``tasks.cleanup``: after a run that did not end well, on the node that holds its folder. May be asked any time, and
any number of times."""

from __future__ import annotations

import logging
from typing import Literal

from celery.result import AsyncResult
from celery.states import REVOKED, SUCCESS

from tasks import app
from tasks.arguments import Sentence, TaskId
from tasks.base import FleetTask, Value, fail_run
from tasks.worker import logs
from tidemark import fleet, steps
from tidemark.config import ShardName
from tidemark.errors import RunError
from tidemark.fleet import RunRecord, metrics, records
from tidemark.queue import admission
from tidemark.results import Failure

log = logging.getLogger(__name__)


@app.task(name="tasks.cleanup", base=FleetTask, bind=True, only_configured=False)
def cleanup(
    self: FleetTask,
    failed_id: TaskId | None,
    shard: ShardName,
    run_id: steps.RunId,
    ended_as: Literal["failed", "revoked"] = "failed",
    reason: Sentence = "",
) -> Value:
    """Stops the run's server, removes its folder and its packs, gives the lease back, and settles the record.

    As a chain's errback it is given the id of the task that failed; otherwise ``reason`` says what happened.
    """
    with logs.about(shard, run_id, "cleanup"):
        client = self.redis()
        record = fleet.persist(lambda: records.get(client, run_id))
        _check_ours(self, shard, run_id, record)
        if record and record.state in records.ENDED_WELL:
            log.info("the run has ended well; nothing to clean up")
        elif ended_as == "revoked":
            if fleet.persist(
                lambda: records.close(client, run_id, "revoked", failure=Failure(message=reason or "revoked"))
            ):
                fleet.persist(lambda: metrics.end_run(client, shard, run_id))
            if record and record.state in {"open", "revoked"} and _state(record.root) not in {SUCCESS, REVOKED}:
                # Its last words, or what was said of a process that had to be killed, came after it was revoked.
                app.backend.mark_as_revoked(record.root, reason or "revoked")
        else:
            failure = Failure(message=reason) if reason else _what_happened(failed_id)
            # Only who ends the run may settle its id: a lost run's id belongs to the run that took its place.
            if fail_run(client, run_id, shard, record.step if record else "", failure) and record and reason:
                _settle(record.root, reason)
        try:
            _clear(self, run_id)
            if not record or record.state not in records.ENDED_WELL:
                steps.discard(self.settings(), shard, run_id)
        finally:
            fence = record.fence if record else None
            fleet.persist(lambda: fleet.leases.release(client, shard, run_id, fence=fence))
        fleet.persist(lambda: records.clear(client, run_id))
        admission.try_to_make_room(client, self.settings())
        if ended_as == "failed" and not (record and record.state in records.ENDED_WELL):
            self.tell_soon()
        return {"shard": shard, "run": run_id}


def _check_ours(task: FleetTask, shard: str, run_id: str, record: RunRecord | None) -> None:
    """Another node's run may be alive: what it has stored must not be deleted under its hands."""
    node = record.node if record else None
    if record is None and (holder := fleet.persist(lambda: fleet.leases.holder(task.redis(), shard))):
        node = holder.node if holder.run == run_id else None
    if node not in {None, task.node}:
        raise RunError(f"{shard}: run {run_id} belongs to node {node}, but its cleanup came to {task.node}")
    if record and record.shard != shard:
        raise RunError(f"run {run_id} is one of {record.shard}, not of {shard}")


def _clear(task: FleetTask, run_id: str) -> None:
    """Only what stands in the scratch folder and is this node's is touched; a message cannot name a path."""
    for folder, left in steps.runs_on_disk(task.settings()):
        if folder.name == run_id and (left is None or left.node_id == task.node):
            log.info("stopping what is left of the run, and removing %s", folder)
            steps.cleanup.run(folder)


def _what_happened(failed_id: str | None) -> Failure:
    """The error that the failed task left as its result."""
    result = AsyncResult(failed_id, app=app).result if failed_id else None
    if isinstance(result, BaseException):
        return Failure.of(result)
    return Failure(message=str(result or "the run was given up"))


def _state(task_id: str) -> str:
    return str(AsyncResult(task_id, app=app).state)


def _settle(root: str, reason: str) -> None:
    """Whoever waits for the run hears of its end, when no step of it can tell any more."""
    if not AsyncResult(root, app=app).ready():
        app.backend.mark_as_failure(root, RunError(reason))
