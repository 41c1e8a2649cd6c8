"""A node has taken a request: is it that one's turn? If not, the request goes back, and the one whose turn it is goes
to the head of the queue."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import redis
from celery.exceptions import Ignore

from tasks import broker, parking
from tasks.broker import BACKUP, SHARED_QUEUE
from tidemark.config import Settings, ShardSettings
from tidemark.errors import TidemarkError, UnknownShard
from tidemark.fleet import metrics, records, turns
from tidemark.fleet.turns import Waiting
from tidemark.steps import kept

if TYPE_CHECKING:
    from tasks.base import FleetTask

log = logging.getLogger(__name__)

_PATIENCE = 4
"""The part of a cycle (one in so many) for which shards may wait for fresher ones whose folders a node has kept."""


@contextlib.contextmanager
def turn(task: FleetTask, shard: str) -> Iterator[None]:
    """The block is run when it is the turn of this task's shard, and nobody else begins a run meanwhile; otherwise
    ``Ignore`` is raised, and the task's message waits for its next delivery under the same id.

    What people have enqueued (priority 0) goes in the order in which it was enqueued; what beat has goes by staleness.
    Without bounds, and with nothing else waiting, there is nothing to choose and nobody to wait for.
    """
    settings, client = task.settings(), task.redis()
    priority = int((task.request.delivery_info or {}).get("priority") or 0)
    with broker.channel() as channel:
        others = broker.count(channel, SHARED_QUEUE, priority) if priority else 0
        if not others and not settings.fleet.bounded:
            yield
            return
        held = kept.held(settings)  # before: while one node chooses, all others wait
        with turns.choosing(client):
            _choose(task, client, channel, settings, shard, priority if others else 0, held)
            yield


def _choose(
    task: FleetTask,
    client: redis.Redis,
    channel: Any,
    settings: Settings,
    shard: str,
    priority: int,
    held: Collection[str],
) -> None:
    own = broker.own(channel, task.request)
    others = broker.waiting(channel, SHARED_QUEUE, priority) if priority else []
    messages = {message.id: message for message in others if message.task == BACKUP}
    messages.pop(str(task.request.id), None)
    here = Waiting.of(str(task.request.id), settings.find_shard(shard))
    requests = _requests(client, settings, [(here.id, shard), *((id, m.shard) for id, m in messages.items())])
    found = turns.plan(
        requests,
        _running(client, settings),
        settings.fleet,
        kept=held,
        patience=settings.cycle.every / _PATIENCE,
    )
    over = {request.id: reason for request, reason in found.over}
    if found.next and found.next.id == here.id:
        return
    # All that must wait in one go, so that no node has to take them one by one to learn it.
    parked = sum(parking.park(channel, messages[id], reason) for id, reason in over.items() if id in messages)
    if parked:
        log.info("%d requests wait for room", parked)
    if reason := over.get(here.id):
        log.info("%s waits: %s", shard, reason)
        if own:
            parking.park_taken(channel, own, reason)
    elif own:
        parking.put_back(channel, own)
    if found.next:
        log.info("%s goes before %s: its newest backup is older, or its folder is here", found.next.shard, shard)
        parking.to_the_head(channel, messages[found.next.id])
    facts = {"shard": shard, "waiting": reason or "for a node"}
    task.backend.store_result(here.id, facts, "PENDING", request=task.request)
    raise Ignore("it is another shard's turn")


def make_room(client: redis.Redis, settings: Settings) -> list[str]:
    """Gives those requests back to the queue for which there is room now; gives their shards. For whoever ends a run,
    and for the janitor."""
    with broker.channel() as channel:
        if not settings.fleet.bounded and not parking.count(channel):
            return []
        with turns.choosing(client):
            waiting = {one.message.id: one.message for one in parking.parked(channel)}
            if not waiting:
                return []
            requests = _requests(client, settings, [(id, message.shard) for id, message in waiting.items()])
            known = {request.id for request in requests}
            fitting = turns.fitting(requests, _running(client, settings), settings.fleet)
            # A shard that has left the configuration fails with that error when a node takes it.
            free = [waiting[id] for id in waiting if id not in known] + [waiting[request.id] for request in fitting]
            # The last one to go to the head is the first to be taken.
            return [message.shard for message in reversed(free) if parking.unpark(channel, message)][::-1]


def try_to_make_room(client: redis.Redis, settings: Settings) -> None:
    """The same for those who have done their own work; what fails is made up for by the janitor."""
    try:
        make_room(client, settings)
    except TidemarkError as error:
        log.warning("the requests that wait for room wait for the janitor: %s", error)


def _requests(client: redis.Redis, settings: Settings, asked: Sequence[tuple[str, str]]) -> list[Waiting]:
    """Ids and shards with what is known of them; without the shards that are not configured."""
    configured = {shard.name: shard for shard in settings.shard}
    asked = [(id, name) for id, name in asked if name in configured]
    newest = metrics.newest_times(client, [name for _, name in asked]) if len(asked) > 1 else {}
    return [Waiting.of(id, configured[name], newest.get(name)) for id, name in asked]


def _running(client: redis.Redis, settings: Settings) -> list[ShardSettings]:
    if not settings.fleet.bounded:
        return []
    found = []
    for run in records.open_runs(client):
        with contextlib.suppress(UnknownShard):
            found.append(settings.find_shard(run.shard))
    return found
