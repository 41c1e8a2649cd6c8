"""What the janitor looks for: each thing that is left over, why it is, and what becomes of it. Looking changes nothing;
``do`` does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import redis
from celery.result import AsyncResult

from tidemark import fleet, steps
from tidemark.config import Settings
from tidemark.errors import RunError
from tidemark.fleet import RunRecord, leftovers, metrics, records, retries
from tidemark.queue import messages
from tidemark.queue.app import app
from tidemark.queue.messages import BACKUP, SHARED_QUEUE, STEPS, Message, node_of, own_queue
from tidemark.results import Failure
from tidemark.shards import topology

GRACE = timedelta(seconds=fleet.nodes.TTL)
"""How long a run must have said nothing; a node that restarts takes less."""
TAKEN = timedelta(minutes=10)
"""How long a node may hold a request without having made a run of it, which takes it a moment."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is left over."""

    what: str
    """``run``, ``request``, ``message``, ``queue``, ``key``."""
    subject: str
    """Its name or id."""
    about: str
    """The shard or the node."""
    why: str
    """What was seen, and what is to be done, in words."""
    do: Callable[[], object]


def find_leftovers(client: redis.Redis, settings: Settings, channel: Any) -> Iterator[Finding]:
    """Everything that is left over, in the order in which it is to be dealt with."""
    now = datetime.now(UTC)
    there = frozenset(fleet.nodes.alive(client))
    yield from lost_runs(client, settings, there, now)
    yield from due_requests(client)
    yield from held_requests(channel, now)
    yield from queues_of_gone_nodes(client, channel, there)
    for run_id in leftovers.open_without_record(client):
        why = "it is listed as open, and has no record that says so: struck from the list"
        yield Finding("key", run_id, "", why, partial(leftovers.forget_open, client, run_id))
    keep = settings.fleet.forget_after
    for shard in leftovers.departed(client, topology(settings).names(), now, keep):
        why = f"it is not configured, and nothing has happened to it for {keep}: forgotten; its backups stay"
        yield Finding("key", shard, shard, why, partial(leftovers.forget_shard, client, shard))


# Runs


def lost_runs(client: redis.Redis, settings: Settings, there: frozenset[str], now: datetime) -> Iterator[Finding]:
    """Runs whose node is gone: nobody can continue them, for their folders are on it."""
    runs = records.open_runs(client)
    held = {run.run for run in runs if (holder := fleet.leases.holder(client, run.shard)) and holder.run == run.run}
    for run in select_lost(runs, there, frozenset(held), now):
        why = f"node {run.node} is gone; it was at step {run.step} of run {run.run}"
        yield Finding("run", run.run, run.shard, why, partial(_give_up, client, settings, run, why))


def select_lost(runs: list[RunRecord], nodes: frozenset[str], held: frozenset[str], now: datetime) -> list[RunRecord]:
    """The runs that are lost: their node is gone, nobody renews their lease, and they have been silent for a while."""
    return [run for run in runs if run.node not in nodes and run.run not in held and now - run.updated > GRACE]


def _give_up(client: redis.Redis, settings: Settings, run: RunRecord, message: str) -> None:
    """The shard's fence is raised, so that the node is refused should it come back in the middle; the request is made
    again, under the same id."""
    if not records.close(client, run.run, "lost", failure=Failure(message=message)):
        return  # it has ended meanwhile
    fleet.leases.raise_fence(client, run.shard)
    metrics.fail(client, run.shard, Failure(message=message), run=run.run, step=run.step)
    steps.discard(settings, run.shard, run.run)
    if AsyncResult(run.root, app=app).ready():
        return
    if run.attempt >= settings.fleet.attempts:
        text = f"{run.shard}: {run.attempt} runs were lost with their nodes ([fleet] attempts); the last: {message}"
        hint = f"see what happens to the nodes, then: tidemark retry {run.shard}"
        app.backend.mark_as_failure(run.root, RunError(text, hint))
        return
    due = datetime.now(UTC) + retries.wait_after(run.attempt, settings.fleet.retry_after)
    retries.put(client, retries.Request.after(run), due)
    facts = {"shard": run.shard, "waiting": f"for {due:%H:%M:%S} UTC: {message}"}
    app.backend.store_result(run.root, facts, "PENDING")


def due_requests(client: redis.Redis) -> Iterator[Finding]:
    """Requests whose run was lost, and whose time has come again."""
    for request, due in retries.waiting(client):
        if due <= datetime.now(UTC):
            why = f"its run was lost: enqueued again (attempt {request.attempt})"
            yield Finding("request", request.root, request.shard, why, partial(_enqueue, client, request))


def _enqueue(client: redis.Redis, request: retries.Request) -> None:
    options: dict[str, Any] = {"attempt": request.attempt}
    if request.first_backup:
        options["first_backup"] = request.first_backup
    if request.force:
        options["force"] = True
    # Enqueued first: what dies between the two leaves a request that is made twice, and a run is begun once.
    app.send_task(BACKUP, (request.shard,), options, task_id=request.root, queue=SHARED_QUEUE, priority=0)
    retries.take(client, request)


# Messages


def held_requests(channel: Any, now: datetime) -> Iterator[Finding]:
    """Requests that some node took and neither made a run of nor gave back: it died in that moment."""
    for held in messages.taken(channel):
        if held.message.task == BACKUP and now - held.at > TAKEN:
            why = f"a node took it at {held.at:%H:%M:%S} UTC and died with it: given back to the queue"
            yield Finding(
                "message",
                held.message.id,
                held.message.shard,
                why,
                partial(messages.give_back, channel, held),
            )


def queues_of_gone_nodes(client: redis.Redis, channel: Any, there: frozenset[str]) -> Iterator[Finding]:
    """What waits for nodes that are gone, or was taken by them, of runs that have ended; and the queues themselves."""
    going_on = {run.run: run.node for run in records.open_runs(client)}
    for held in messages.taken(channel):
        node = node_of(held.message.queue)
        if node and node not in there and _is_over(held.message, going_on):
            why = f"node {node} is gone, and the run has ended: dropped {held.message.task}"
            yield Finding("message", held.message.id, node, why, partial(messages.forget, channel, held))
    for queue in messages.queues(channel, own_queue("")):
        node = node_of(queue)
        if node in there or node in going_on.values():
            continue
        waiting = messages.waiting(channel, queue)
        why = f"node {node} is gone: removed its queue with {len(waiting)} messages of runs that have ended"
        if all(_is_over(message, going_on) for message in waiting):
            yield Finding("queue", queue, node, why, partial(messages.remove_queue, channel, queue))


def _is_over(message: Message, going_on: dict[str, str]) -> bool:
    """Whether nobody needs a message of a node's queue: a node that starts clears up by what is on its disk."""
    return message.task not in STEPS or message.run not in going_on
