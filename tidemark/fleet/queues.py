"""How many messages wait in the broker's queues, as the Redis transport of Celery keeps them."""

from __future__ import annotations

from collections.abc import Iterable

import redis

from tidemark.fleet import keys
from tidemark.fleet.connection import translated

PRIORITIES = ("", "\x06\x163", "\x06\x166", "\x06\x169")
"""The transport has a list per step of priority; the most urgent one goes by the queue's plain name."""


def lengths(client: redis.Redis, queues: Iterable[str]) -> dict[str, int]:
    """Messages that nobody has taken yet, by queue; one round trip."""
    names = list(queues)
    with translated(client), client.pipeline(transaction=False) as pipe:
        for name in names:
            for priority in PRIORITIES:
                pipe.llen(f"{name}{priority}")
        answers: list[int] = pipe.execute()
    size = len(PRIORITIES)
    return {name: sum(answers[size * i : size * (i + 1)]) for i, name in enumerate(names)}


def anything_waits(client: redis.Redis) -> bool:
    """Whether a request for a run may be waiting: in the shared queue, or over a bound."""
    with translated(client):
        return bool(client.hlen(keys.PARKED)) or any(lengths(client, ["backup"]).values())
