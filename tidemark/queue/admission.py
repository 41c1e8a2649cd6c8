"""Which requests there is room for: those over a bound are parked, and given back when a run has ended."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import redis

from tidemark.config import Settings
from tidemark.errors import TidemarkError, UnknownShard
from tidemark.fleet import metrics, records, turns
from tidemark.fleet.turns import Load, Waiting
from tidemark.queue import messages, parked
from tidemark.shards import Topology, topology

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
            fitting = turns.fitting(requests, running_loads(client, settings), settings.fleet)
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
    shards = topology(settings)
    loads = {name: load for _, name in asked if (load := _load(settings, shards, name))}
    asked = [(id, name) for id, name in asked if name in loads]
    newest = metrics.newest_times(client, [name for _, name in asked]) if len(asked) > 1 else {}
    return [Waiting(id, name, loads[name], newest.get(name)) for id, name in asked]


def running_loads(client: redis.Redis, settings: Settings) -> list[Load]:
    """What the runs that go on count against, where that bounds what may begin; none without bounds."""
    if not settings.fleet.bounded:
        return []
    shards = topology(settings)
    return [load for run in records.open_runs(client) if (load := _load(settings, shards, run.shard))]


def _load(settings: Settings, shards: Topology, name: str) -> Load | None:
    """What a run of the shard counts against; None when there is no such shard.

    Where the servers are is asked only if it counts, for a topology may have to ask somebody else. With replicas of its
    own as the source a shard counts at those: the primary then serves no binary log and no copy.
    """
    try:
        shard = shards.find(name)
        servers = shards.servers(name) if settings.fleet.max_per_host else None
    except UnknownShard:
        return None
    if servers is None:
        return Load(frozenset(), shard.keyspace)
    return Load(servers.hosts(shard.source), shard.keyspace)
