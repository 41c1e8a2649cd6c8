"""``tasks.janitor``: each minute, on the control queue: for the runs of nodes that are gone."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.result import AsyncResult

from tasks import app, logs
from tasks.base import FleetTask
from tasks.cleanup import discard
from tasks.node import own_queue
from tidemark import fleet
from tidemark.errors import RunError
from tidemark.fleet import RunRecord, metrics, records

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""Runs that are made for one request when nodes are lost."""
GRACE = timedelta(seconds=fleet.nodes.TTL)
"""How long a run must have said nothing; a node that restarts takes less."""


@app.task(name="tasks.janitor", base=FleetTask, bind=True)
def janitor(self: FleetTask) -> dict[str, Any]:
    """Ends the runs whose node is gone: nobody can continue them, for their folders are on it. The shard's fence is
    raised, so that the node is refused should it come back in the middle; its queue is emptied; and the request is
    enqueued again, under the same id."""
    client = self.redis()
    now = datetime.now(UTC)
    nodes = frozenset(fleet.nodes.alive(client))
    runs = records.open_runs(client)
    held = {run.run for run in runs if (holder := fleet.leases.holder(client, run.shard)) and holder.run == run.run}
    lost = plan(runs, nodes, frozenset(held), now)
    for run in lost:
        with logs.about(run.shard, run.run, "janitor"):
            _give_up(self, run)
    if lost:
        self.tell_soon()
    return {"open": len(runs), "nodes": len(nodes), "lost": [run.run for run in lost]}


def plan(runs: list[RunRecord], nodes: frozenset[str], held: frozenset[str], now: datetime) -> list[RunRecord]:
    """The runs that are lost: their node is gone, nobody renews their lease, and they have been silent for a while."""
    return [run for run in runs if run.node not in nodes and run.run not in held and now - run.updated > GRACE]


def _give_up(task: FleetTask, run: RunRecord) -> None:
    client = task.redis()
    message = f"node {run.node} is gone; it was at step {run.step} of run {run.run}"
    if not records.close(client, run.run, "lost", error=message):
        return  # it has ended meanwhile
    log.warning("%s", message)
    fleet.leases.raise_fence(client, run.shard)
    metrics.fail(client, run.shard, run=run.run, step=run.step, message=message)
    with task.app.connection_for_write() as connection:
        channel = connection.default_channel
        purged = task.app.amqp.queues[own_queue(run.node)](channel).purge()
    log.info("removed %d messages from the queue of node %s", purged, run.node)
    discard(task, run.run, run.shard)
    if AsyncResult(run.root, app=app).ready():
        return
    if run.attempt >= ATTEMPTS:
        log.error("gave up after %d lost runs", run.attempt)
        app.backend.mark_as_failure(
            run.root,
            RunError(
                f"{run.shard}: {run.attempt} runs were lost with their nodes; the last: {message}",
                "see what happens to the nodes, then enqueue the shard again",
            ),
        )
        return
    log.info("enqueuing the shard again (attempt %d of %d)", run.attempt + 1, ATTEMPTS)
    app.send_task(
        "tasks.backup", (run.shard,), {"attempt": run.attempt + 1}, task_id=run.root, queue="backup", priority=0
    )
