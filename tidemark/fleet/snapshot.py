"""Everything that the fleet knows at one moment, for whoever watches all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from tidemark.fleet import counters, keys, metrics, nodes, queues
from tidemark.fleet.connection import translated
from tidemark.fleet.counters import Counts, Histogram
from tidemark.fleet.metrics import ShardView

BEAT_LOCK = "tidemark:beat::lock"
"""RedBeat's; it is there as long as a beat renews it."""
SHARED_QUEUES = ("backup", "control")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The fleet at one moment."""

    at: datetime
    """UTC."""
    shards: tuple[ShardView, ...]
    """In the order that was asked for."""
    counts: Mapping[str, Counts]
    """By shard."""
    histograms: Mapping[str, Mapping[str, Histogram]]
    """How long steps took, by keyspace and step."""
    nodes: Mapping[str, datetime]
    """The nodes that are there, and since when (UTC)."""
    queues: Mapping[str, int]
    """Messages that wait: the shared queues, and those of the nodes that are there."""
    open_runs: int
    """Runs that have not ended."""
    beat: bool
    """Whether a beat holds the lock."""


def take(client: redis.Redis, shards: Iterable[str]) -> Snapshot:
    """Reads it in a handful of round trips, however many shards there are. Raises ``RedisUnavailable``."""
    names = list(shards)
    alive = nodes.alive(client)
    counts, histograms = counters.read(client, names)
    with translated(client), client.pipeline(transaction=False) as pipe:
        pipe.scard(keys.OPEN)
        pipe.exists(BEAT_LOCK)
        open_runs, beat = _integers(pipe.execute())
    return Snapshot(
        at=datetime.now(UTC),
        shards=tuple(metrics.views(client, names)),
        counts=counts,
        histograms=histograms,
        nodes=alive,
        queues=queues.lengths(client, (*SHARED_QUEUES, *(f"node.{name}" for name in alive))),
        open_runs=open_runs,
        beat=bool(beat),
    )


def _integers(answers: list[Any]) -> list[int]:
    return [int(answer) for answer in answers]
