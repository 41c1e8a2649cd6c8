"""Which nodes are there. A node says so every few seconds; one that has stopped saying so is gone."""

from __future__ import annotations

from datetime import UTC, datetime

import redis

from tidemark.fleet import keys
from tidemark.fleet.connection import translated

TTL = 60
"""Seconds after which a node that says nothing counts as gone."""
INTERVAL = 15.0
"""Seconds between two signs of life."""


def beat(client: redis.Redis, node: str, since: datetime) -> None:
    """Says that the node is there."""
    with translated(client):
        client.set(keys.node(node), since.isoformat(), ex=TTL)


def leave(client: redis.Redis, node: str) -> None:
    """Says that the node has been stopped."""
    with translated(client):
        client.delete(keys.node(node))


def alive(client: redis.Redis) -> dict[str, datetime]:
    """The nodes that are there, each with the time (UTC) that it has been there since."""
    prefix = keys.node("")
    with translated(client):
        names = [str(name) for name in client.scan_iter(f"{prefix}*", count=1000)]
        values = client.mget(names) if names else []
    found = {name.removeprefix(prefix): value for name, value in zip(names, values, strict=True) if value}
    return {name: datetime.fromisoformat(str(value)).astimezone(UTC) for name, value in sorted(found.items())}
