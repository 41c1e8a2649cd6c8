"""What has been told to people, so that it is told once: one hash for all shards, and how the last telling went."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import redis
from pydantic import BaseModel, ConfigDict

from tidemark.fleet import keys
from tidemark.fleet.connection import translated
from tidemark.fleet.health import Kind, Trouble

# Gives the lock back to nobody but its owner.
_UNLOCK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class Incident(BaseModel):
    """A shard's trouble, from the first time it was seen until it is over."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    """When it was first seen, UTC."""
    troubles: tuple[Trouble, ...]
    """What was wrong when it was last told."""
    kinds: frozenset[Kind]
    """Everything that has been told of this incident."""
    told: datetime | None = None
    """When it was last told, UTC; None while it waits."""


class Delivery(BaseModel):
    """How the last telling went."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    """UTC."""
    error: str = ""
    """Why it could not be delivered; empty when it could. Never the address, which is a secret."""
    failures: int = 0
    """Tries that failed in a row."""
    next_try: datetime | None = None
    """When it is tried again, UTC; None after a success."""


def known(client: redis.Redis) -> dict[str, Incident]:
    """Every shard's incident."""
    with translated(client):
        found: Any = client.hgetall(keys.INCIDENTS)
    return {shard: Incident.model_validate_json(text) for shard, text in found.items()}


def is_open(client: redis.Redis, shard: str) -> bool:
    """Whether people were told of this shard, or are about to be."""
    with translated(client):
        return bool(client.hexists(keys.INCIDENTS, shard))


def remember(client: redis.Redis, changes: Mapping[str, Incident | None]) -> None:
    """Writes what changed; None: it is over and forgotten."""
    with translated(client), client.pipeline() as pipe:
        for shard, incident in changes.items():
            if incident is None:
                pipe.hdel(keys.INCIDENTS, shard)
            else:
                pipe.hset(keys.INCIDENTS, shard, incident.model_dump_json())
        pipe.execute()


def delivery(client: redis.Redis) -> Delivery | None:
    """How the last telling went; None before the first one."""
    with translated(client):
        text: Any = client.get(keys.DELIVERY)
    return Delivery.model_validate_json(text) if text else None


def note_delivery(client: redis.Redis, told: Delivery) -> None:
    """How a telling went."""
    with translated(client):
        client.set(keys.DELIVERY, told.model_dump_json())


def lock(client: redis.Redis, owner: str, seconds: int) -> bool:
    """One at a time tells; False when another one does just now."""
    with translated(client):
        return bool(client.set(keys.TELLING, owner, nx=True, ex=seconds))


def unlock(client: redis.Redis, owner: str) -> None:
    """Lets others tell."""
    with translated(client):
        client.eval(_UNLOCK, 1, keys.TELLING, owner)
