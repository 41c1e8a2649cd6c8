"""What people ask of the fleet: start a run, end one, try again what failed. The command line and the page in
Flower ask here.

Needs no worker: what is asked while a node is away holds when it comes back.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis
from celery.result import AsyncResult
from kombu.exceptions import OperationalError

from tidemark import config, fleet
from tidemark.config import Settings
from tidemark.errors import RedisUnavailable
from tidemark.fleet import RunRecord, metrics, records, retries
from tidemark.queue import admission, messages, parked
from tidemark.queue.app import app
from tidemark.queue.messages import BACKUP, SHARED_QUEUE, Message, own_queue
from tidemark.results import Failure
from tidemark.shards import topology

log = logging.getLogger(__name__)

FOR_A_NODE = "for a node"


Outcome = AsyncResult[Any]
"""What became of a run that was asked for."""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A run that was asked for."""

    shard: str
    id: str
    """Of the task; the run's result will stand under it."""


@dataclass(frozen=True, slots=True)
class CancelledRun:
    """A run that was going on."""

    run: str
    id: str
    """Of the task that somebody enqueued; it is settled as REVOKED."""
    node: str
    node_is_there: bool
    """Whether the node can end the run now. One that is gone is refused when it comes back, and clears up."""
    step: str
    started: datetime
    """UTC."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What there was of a shard, running or waiting, and is ended now."""

    shard: str
    runs: tuple[CancelledRun, ...] = ()
    waiting: tuple[str, ...] = ()
    """Ids of tasks that waited for a node, for room, or to be tried again; settled as REVOKED."""

    @property
    def nothing(self) -> bool:
        """Whether there was nothing to cancel."""
        return not self.runs and not self.waiting


@dataclass(frozen=True, slots=True)
class Waits:
    """A request that no node has taken yet."""

    shard: str
    id: str
    """Of its task."""
    scheduled: bool
    """Whether beat has enqueued it; otherwise somebody has, and it goes first."""
    newest: datetime | None
    """When the shard's newest backup was finished, UTC: what beat's go by, the oldest first."""
    reason: str
    """What it waits for, in words."""


def enqueue(shard: str, first_backup: str | None = None, force: bool = False) -> str:
    """Enqueues a run of the shard ahead of the scheduled ones; gives the id that its result will stand under.

    ``first_backup`` and ``force`` are those of ``tasks.backup``. Raises ``UnknownShard``, ``RedisUnavailable``.
    """
    settings = _settings()
    options: dict[str, Any] = {"first_backup": first_backup} if first_backup else {}
    if force:
        options["force"] = True
    name = topology(settings).find(shard).name
    try:
        return str(app.send_task(BACKUP, args=[name], kwargs=options, priority=0, retry=False).id)
    except OperationalError as error:
        raise RedisUnavailable(
            f"the broker at {settings.redis.url} does not answer: {error}", "is it running, and is [redis] url right?"
        ) from error


def outcome(id: str) -> Outcome:
    """What became, or becomes, of the run with this id."""
    return AsyncResult(id, app=app)


def queue() -> list[Waits]:
    """The requests that wait, in the order in which they will be taken; then those that wait for something else than
    a node. Raises ``RedisUnavailable``."""
    settings = _settings()
    with messages.channel() as channel:
        queued = [message for message in messages.waiting(channel, SHARED_QUEUE) if message.task == BACKUP]
        waiting_for_room = parked.find(channel)
    with fleet.connect(settings.redis) as client:
        lost = retries.waiting(client)
        shards = {message.shard for message in queued} | {one.message.shard for one in waiting_for_room}
        newest = metrics.newest_times(client, shards | {request.shard for request, _ in lost})
    found = [Waits(m.shard, m.id, m.priority > 0, newest.get(m.shard), FOR_A_NODE) for m in queued]
    never = datetime.min.replace(tzinfo=UTC)
    found.sort(key=lambda one: (one.scheduled, (one.newest or never) if one.scheduled else never))
    found += [
        Waits(p.message.shard, p.message.id, p.message.priority > 0, newest.get(p.message.shard), p.reason)
        for p in waiting_for_room
    ]
    return found + [
        Waits(r.shard, r.root, False, newest.get(r.shard), f"until {due:%H:%M:%S} UTC: its run was lost with its node")
        for r, due in lost
    ]


def find(shard: str) -> Cancelled:
    """What ``cancel`` would end; changes nothing. Raises ``UnknownShard``, ``RedisUnavailable``."""
    settings = _settings()
    found, _ = _find(settings, topology(settings).find(shard).name)
    return found


def cancel(shard: str, reason: str = "cancelled by an operator") -> Cancelled:
    """Ends whatever there is of the shard: the run that is going on, and tasks that wait for a node, whoever enqueued
    them. Their results are REVOKED when this returns; a node that is there ends its processes and clears up within
    seconds, one that is gone is refused when it comes back. Raises ``UnknownShard``, ``RedisUnavailable``.
    """
    settings = _settings()
    name = topology(settings).find(shard).name
    found, theirs = _find(settings, name)
    with messages.channel() as channel:
        # First what waits, or the end of the run would let it begin.
        gone = [message for message in theirs if messages.remove(channel, message) or parked.remove(channel, message)]
        taken = [held.message for held in messages.taken(channel) if held.message.shard == name]
    for message in (*gone, *taken):
        _settle(message.id, *message.later, reason=reason)
    waited = [message.id for message in gone if message.task == BACKUP]
    with fleet.connect(settings.redis) as client:
        for request in _to_be_made_again(client, name):
            if retries.take(client, request):
                _settle(request.root, reason=reason)
                waited.append(request.root)
        for run in found.runs:
            _end(client, name, run, reason)
        admission.try_to_make_room(client, settings)
    # A node that is turning a message into a run at this moment ends the run at its first step.
    doomed = [run.id for run in found.runs] + [message.root for message in taken]
    if doomed:
        app.control.revoke(sorted(set(doomed)))
    for run in found.runs:
        _settle(run.id, reason=reason)
        if run.node_is_there:  # another one clears up when it starts
            messages.send_cleanup(run.node, name, run.run, ended_as="revoked", reason=reason)
    return Cancelled(name, found.runs, tuple(waited))


def find_failed() -> list[str]:
    """Every configured shard whose last run failed and that is neither running nor waiting. Raises
    ``RedisUnavailable``."""
    settings = _settings()
    names = topology(settings).names()
    with fleet.connect(settings.redis) as client:
        failed = [view.shard for view in metrics.views(client, names) if view.failures]
        busy = {run.shard for run in records.open_runs(client)}
        busy |= {request.shard for request, _ in retries.waiting(client)}
    with messages.channel() as channel:
        busy |= {message.shard for message in messages.waiting(channel, SHARED_QUEUE)}
        busy |= {one.message.shard for one in parked.find(channel)}
        busy |= {held.message.shard for held in messages.taken(channel)}
    return [name for name in failed if name not in busy]


def retry_failed() -> list[Enqueued]:
    """Enqueues what ``find_failed`` finds."""
    return [Enqueued(name, enqueue(name)) for name in find_failed()]


def waiting() -> dict[str, str]:
    """The shards for which a run was asked for that no node has begun, each with what it waits for: empty for a free
    node. Raises ``RedisUnavailable``."""
    with messages.channel() as channel:
        begun = {held.message.shard: "" for held in messages.taken(channel) if held.message.task == BACKUP}
    return {one.shard: "" if one.reason == FOR_A_NODE else one.reason for one in reversed(queue())} | begun


def _settings() -> Settings:
    """As they are now; a command that asks for a thousand shards reads the file once."""
    return config.current(config.config_path())


def _find(settings: Settings, shard: str) -> tuple[Cancelled, list[Message]]:
    """What there is of a shard, and the messages of it that no worker has taken."""
    with fleet.connect(settings.redis) as client:
        there = fleet.nodes.alive(client)
        runs = tuple(_describe(run, run.node in there) for run in records.open_runs(client) if run.shard == shard)
        lost = [request.root for request in _to_be_made_again(client, shard)]
    with messages.channel() as channel:
        queues = [SHARED_QUEUE, *dict.fromkeys(own_queue(run.node) for run in runs)]
        there_are = [found for queue in queues for found in messages.waiting(channel, queue)]
        there_are += [one.message for one in parked.find(channel)]
        theirs = [message for message in there_are if message.shard == shard]
    ids = [message.id for message in theirs if message.task == BACKUP]
    return Cancelled(shard, runs, (*ids, *lost)), theirs


def _to_be_made_again(client: redis.Redis, shard: str) -> list[retries.Request]:
    return [request for request, _ in retries.waiting(client) if request.shard == shard]


def _describe(run: RunRecord, there: bool) -> CancelledRun:
    return CancelledRun(run.run, run.root, run.node, there, run.step, run.started.astimezone(UTC))


def _end(client: redis.Redis, shard: str, run: CancelledRun, reason: str) -> None:
    """From now on no step of the run begins, and the one that works commits nothing: the shard's fence is raised."""
    if records.close(client, run.run, "revoked", failure=Failure(message=reason)):
        log.warning("%s: run %s on node %s, at step %s: %s", shard, run.run, run.node, run.step, reason)
    fleet.leases.raise_fence(client, shard)
    metrics.end_run(client, shard, run.run)


def _settle(*ids: str, reason: str) -> None:
    for id in dict.fromkeys(ids):
        if not AsyncResult(id, app=app).ready():
            app.backend.mark_as_revoked(id, reason)
