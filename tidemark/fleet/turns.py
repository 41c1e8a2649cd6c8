"""Whose turn it is: when more shards wait than nodes are free, the stalest goes first, and none over a bound; a node
that has kept folders begins with those shards, as long as no other has to wait for long.

The plans are pure; ``choosing`` sees to it that one node at a time chooses.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import redis
from redis.exceptions import LockError

from tidemark.config import FleetSettings
from tidemark.errors import FleetError
from tidemark.fleet import keys
from tidemark.fleet.connection import translated

log = logging.getLogger(__name__)

LOCKED = 30.0
"""Seconds after which the choice of a node that died in the middle of it is over."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a run of a shard counts against."""

    hosts: frozenset[str]
    """Every host that the run could read from; none when hosts are not counted."""
    keyspace: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits for a node."""

    id: str
    """Of its task."""
    shard: str
    load: Load
    newest: datetime | None = None
    """When the shard's newest backup was finished, UTC; None when there is none that the fleet knows of."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be done with the requests that wait."""

    next: Waiting | None
    """The one that goes first; None when each is over a bound."""
    over: tuple[tuple[Waiting, str], ...] = ()
    """Those over a bound, each with the reason in words."""


class Room:
    """How much may still be begun, given what is running.

    A run counts at every host that it could read from: which one it will ask, or has gone on to after a failover, only
    the run itself knows. So no host ever serves more runs than its bound; with overlapping ``hosts`` fewer may run than
    it would allow.
    """

    def __init__(self, running: Iterable[Load], bounds: FleetSettings) -> None:
        self._bounds = bounds
        self._hosts: Counter[str] = Counter()
        self._keyspaces: Counter[str] = Counter()
        for load in running:
            self._add(load)

    def lacking(self, request: Waiting) -> str:
        """Why a request must wait; empty when there is room for it."""
        hosts, keyspace = sorted(request.load.hosts), request.load.keyspace
        limits = (
            *((host, self._hosts[host], "max_per_host", self._bounds.max_per_host) for host in hosts),
            (keyspace, self._keyspaces[keyspace], "max_per_keyspace", self._bounds.max_per_keyspace),
        )
        for name, running, key, bound in limits:
            if bound and running >= bound:
                return f"the bound for {name} is reached: {running} running ([fleet] {key} = {bound})"
        return ""

    def take(self, request: Waiting) -> None:
        """The request is begun."""
        self._add(request.load)

    def _add(self, load: Load) -> None:
        self._hosts.update(load.hosts)
        self._keyspaces[load.keyspace] += 1


def plan(
    waiting: Sequence[Waiting],
    running: Iterable[Load],
    bounds: FleetSettings,
    *,
    kept: Collection[str] = (),
    patience: timedelta = timedelta(0),
) -> Turn:
    """The turn of the stalest request that has room; of equals, that of the first in ``waiting``.

    Shards in ``kept``, whose data folders the node that asks has kept, go before those that are staler by no more than
    ``patience``: for this node they are cheap. So nobody is passed over for longer than that.
    """
    room = Room(running, bounds)
    over = tuple((request, reason) for request in waiting if (reason := room.lacking(request)))
    late = {request.id for request, _ in over}
    free = [request for request in waiting if request.id not in late]
    if not free:
        return Turn(None, over)
    stalest = min(free, key=staleness)
    cheap = [r for r in free if r.shard in kept and staleness(r) - staleness(stalest) <= patience]
    return Turn(min(cheap, key=staleness, default=stalest), over)


def fitting(waiting: Sequence[Waiting], running: Iterable[Load], bounds: FleetSettings) -> list[Waiting]:
    """As many of the requests as there is room for together, the stalest first."""
    room = Room(running, bounds)
    found = []
    for request in sorted(waiting, key=staleness):
        if not room.lacking(request):
            room.take(request)
            found.append(request)
    return found


def staleness(request: Waiting) -> datetime:
    """What requests are sorted by: a shard without a backup goes before all others."""
    return request.newest or datetime.min.replace(tzinfo=UTC)


@contextlib.contextmanager
def choosing(client: redis.Redis) -> Iterator[None]:
    """While the block lasts nobody else chooses, or begins a run."""
    lock = client.lock(keys.TURN, timeout=LOCKED, sleep=0.02, blocking_timeout=2 * LOCKED)
    with translated(client):
        if not lock.acquire():
            raise FleetError("no turn within a minute: other nodes were choosing all the time")
    try:
        yield
    finally:
        with contextlib.suppress(FleetError):
            try:
                with translated(client):
                    lock.release()
            except LockError:
                log.warning("the choice took longer than %.0f s", LOCKED)
