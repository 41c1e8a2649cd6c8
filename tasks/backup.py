"""``tasks.backup``: what beat and people enqueue. The node that takes it turns it into the shard's chain."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from celery import chain
from celery.exceptions import Ignore
from pydantic import Field

from tasks import app, turns
from tasks.base import FleetTask, Value, new_record
from tasks.catchup import catchup
from tasks.cleanup import cleanup
from tasks.restore import restore
from tasks.stop import stop
from tasks.upload import upload
from tasks.worker import figures, logs
from tidemark import fleet, steps
from tidemark.config import ShardName, ShardSettings
from tidemark.errors import LeaseHeld, TidemarkError
from tidemark.fleet import LeaseHolder, RunRecord, metrics, records
from tidemark.results import Failure
from tidemark.shards import topology

log = logging.getLogger(__name__)

DEAF = 300.0
"""Seconds after which a step that is over its limit, and has not ended itself, is killed."""

FirstBackup = Literal["clone", "replay", "empty", "refuse"]
Attempt = Annotated[int, Field(ge=1, le=100)]


@app.task(name="tasks.backup", base=FleetTask, bind=True)
def backup(
    self: FleetTask,
    shard: ShardName,
    first_backup: FirstBackup | None = None,
    force: bool = False,
    attempt: Attempt = 1,
) -> Value:
    """Backs up a shard. This task's id stays the run's: its result is what the last step returns.

    ``first_backup`` is what to do when the shard has no backup yet, in place of what the configuration says; ``force``
    means also when the newest backup is younger than ``cycle.min_interval``; ``attempt`` counts the runs that were
    lost with their nodes. While another run has the shard, nothing is done and the result says why (``skipped``).
    """
    settings = self.settings()
    configured = topology(settings).find(shard)
    with logs.about(shard, step="backup"):
        client = self.redis()
        if holder := fleet.persist(lambda: fleet.leases.holder(client, shard)):
            return _held(self, shard, holder)
        with turns.turn(self, shard):
            begun = _begin(self, configured, first_backup=first_backup, force=force, attempt=attempt)
        if isinstance(begun, str):
            log.info("%s", begun)
            return {"shard": shard, "skipped": begun}
        log.info("run %s begins", begun.run)
        return _become_chain(self, begun)


def _begin(
    task: FleetTask, shard: ShardSettings, *, first_backup: str | None, force: bool, attempt: int
) -> RunRecord | str:
    """Makes the run's folder, takes the shard's lease and writes the run's record; or says who has the shard."""
    client = task.redis()
    try:
        run = steps.Run.create(
            task.settings(),
            task.config_path(),
            shard.name,
            node_id=task.node,
            first_backup=first_backup or _refusal(task, shard),
            force=force,
        )
    except TidemarkError as error:
        _refused(task, shard.name, error)
        raise
    try:
        owner = fleet.leases.Owner(run.id, task.node, "backup")
        fence = fleet.persist(lambda: fleet.leases.take(client, shard.name, owner))
    except LeaseHeld as held:  # somebody was quicker
        steps.cleanup.run(run.folder)
        return held.message
    record = new_record(run, node=task.node, root=task.root, fence=fence, attempt=attempt)
    fleet.persist(lambda: records.start(client, record))
    return record


def _refused(task: FleetTask, shard: str, error: TidemarkError) -> None:
    """The request failed before it was a run."""
    now, failure = datetime.now(UTC), Failure.of(error, figures.place(error))
    told = failure.on_one_line()
    failed = fleet.RunFigures(
        run="",
        node=task.node,
        root=task.root,
        started=now,
        finished=now,
        state="failed",
        step="backup",
        error=told.message,
        hint=told.hint,
        place=told.place,
    )
    metrics.fail(task.redis(), shard, failure, run="", step="backup")
    fleet.history.add(task.redis(), shard, failed)
    task.tell_soon()


def _become_chain(task: FleetTask, record: RunRecord) -> Value:
    """The four steps in place of this task, under its id. Everything goes to this node's queue with priority 0: the
    Redis transport goes by priority first, and a step must be the next thing that the node sees."""
    queue, limits = task.queue_here, task.settings().limits
    one_by_one = [
        step.si(record.shard, record.run).set(queue=queue, priority=0, **_limits(limits.of(step.name.split(".")[1])))
        for step in (restore, catchup, stop, upload)
    ]
    after_a_failure = cleanup.s(record.shard, record.run).set(queue=queue, priority=0)
    task.replace(chain(*one_by_one).on_error(after_a_failure))
    raise AssertionError("replace raises")


def _limits(limit: timedelta | None) -> dict[str, Any]:
    """Celery's words for a step's time limit. The hard one is for a step that does not even hear the soft one."""
    return {} if limit is None else {"soft_time_limit": (s := limit.total_seconds()), "time_limit": s + DEAF}


def _held(task: FleetTask, shard: str, holder: LeaseHolder) -> Value:
    """Another run has the shard; or it is this very request, whose message has come a second time."""
    record = fleet.persist(lambda: records.get(task.redis(), holder.run))
    if record and record.root == task.request.id and record.state == "open":
        if record.node == task.node:
            # Was the chain sent before the message came back? Steps are done once, so sending it again does no harm.
            log.info("run %s was made for this request already; going on with it", record.run)
            return _become_chain(task, record)
        raise Ignore(f"run {record.run} on node {record.node} is doing this")
    message = f"{shard} is being backed up by {holder.describe()}"
    log.info("%s", message)
    return {"shard": shard, "skipped": message}


def _refusal(task: FleetTask, shard: ShardSettings) -> FirstBackup | None:
    """A shard that has had backups and has none any more is a wrong url or a disk that is not mounted: nothing to
    start anew in silence."""
    client = task.redis()
    known = fleet.persist(lambda: metrics.has_had_backups(client, shard.name))
    return "refuse" if known and shard.first_backup != "refuse" else None
