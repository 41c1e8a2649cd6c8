"""Which requests there is room for: those over a bound are parked, and given back when a run has ended."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence

import redis

from tidemark.config import Settings, ShardSettings
from tidemark.errors import TidemarkError, UnknownShard
from tidemark.fleet import metrics, records, turns
from tidemark.fleet.turns import Waiting
from tidemark.queue import messages, parked

log = logging.getLogger(__name__)


def make_room(client: redis.Redis, settings: Settings) -> list[str]:
    """Gives those requests back to the queue for which there is room now; gives their shards. For whoever ends a run,
    and for the janitor."""
    with messages.channel() as channel:
        if not settings.fleet.bounded and not parked.count(channel):
            return []
        with turns.choosing(client):
            waiting = {one.message.id: one.message for one in parked.find(channel)}
            if not waiting:
                return []
            requests = waiting_requests(client, settings, [(id, message.shard) for id, message in waiting.items()])
            known = {request.id for request in requests}
            fitting = turns.fitting(requests, running_shards(client, settings), settings.fleet)
            # A shard that has left the configuration fails with that error when a node takes it.
            free = [waiting[id] for id in waiting if id not in known] + [waiting[request.id] for request in fitting]
            # The last one to go to the head is the first to be taken.
            return [message.shard for message in reversed(free) if parked.unpark(channel, message)][::-1]


def try_to_make_room(client: redis.Redis, settings: Settings) -> None:
    """The same for those who have done their own work; what fails is made up for by the janitor."""
    try:
        make_room(client, settings)
    except TidemarkError as error:
        log.warning("the requests that wait for room wait for the janitor: %s", error)


def waiting_requests(client: redis.Redis, settings: Settings, asked: Sequence[tuple[str, str]]) -> list[Waiting]:
    """Requests, each an id and a shard, with what is known of them; without the shards that are not configured."""
    configured = {shard.name: shard for shard in settings.shard}
    asked = [(id, name) for id, name in asked if name in configured]
    newest = metrics.newest_times(client, [name for _, name in asked]) if len(asked) > 1 else {}
    return [Waiting.of(id, configured[name], newest.get(name)) for id, name in asked]


def running_shards(client: redis.Redis, settings: Settings) -> list[ShardSettings]:
    """The shards that have a run, where that bounds what may begin; none without bounds."""
    if not settings.fleet.bounded:
        return []
    found = []
    for run in records.open_runs(client):
        with contextlib.suppress(UnknownShard):
            found.append(settings.find_shard(run.shard))
    return found
