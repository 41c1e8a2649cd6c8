"""Which nodes are there. A node says so every few seconds; one that has stopped saying so is gone."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import redis
from pydantic import BaseModel, ConfigDict

from tidemark.fleet import keys
from tidemark.fleet.connection import translated

TTL = 60
"""Seconds after which a node that says nothing counts as gone."""
INTERVAL = 15.0
"""Seconds between two signs of life."""


class Node(BaseModel):
    """A node's last sign of life."""

    model_config = ConfigDict(frozen=True)

    name: str
    """The worker's name, e.g. ``node1@machine``."""
    since: datetime
    """When it was started, UTC."""
    at: datetime | None = None
    """When it said so, UTC; None from a node that is too old to say."""
    version: str = ""
    """Of Tidemark."""
    scratch: str = ""
    """Its scratch folder."""
    scratch_free: int | None = None
    """Bytes that are free there; None when that cannot be told."""
    scratch_total: int | None = None
    """Bytes that the disk has."""


def beat(client: redis.Redis, node: Node) -> None:
    """Says that the node is there, now."""
    sign = node.model_copy(update={"at": datetime.now(UTC)})
    with translated(client):
        client.set(keys.node(node.name), sign.model_dump_json(), ex=TTL)


def leave(client: redis.Redis, node: str) -> None:
    """Says that the node has been stopped."""
    with translated(client):
        client.delete(keys.node(node))


def alive(client: redis.Redis) -> dict[str, datetime]:
    """The nodes that are there, each with the time (UTC) that it has been there since."""
    return {node.name: node.since.astimezone(UTC) for node in look(client)}


def look(client: redis.Redis) -> list[Node]:
    """The nodes that are there, by name, with all that they say."""
    prefix = keys.node("")
    with translated(client):
        names = [str(name) for name in client.scan_iter(f"{prefix}*", count=1000)]
        values = client.mget(names) if names else []
    found = [_parse(name.removeprefix(prefix), str(value)) for name, value in zip(names, values, strict=True) if value]
    return sorted(found, key=lambda node: node.name)


def _parse(name: str, text: str) -> Node:
    """Nodes of a fleet that is being upgraded may still say only since when they are there."""
    if text.startswith("{"):
        return Node.model_validate(json.loads(text))
    return Node(name=name, since=datetime.fromisoformat(text))
