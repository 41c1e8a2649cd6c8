"""Requests whose run was lost with its node, and that are made again after a while: longer after each further loss."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from pydantic import BaseModel, ConfigDict

from tidemark.fleet import keys
from tidemark.fleet.connection import translated
from tidemark.fleet.records import RunRecord


class Request(BaseModel):
    """What was asked for, and how often it has been tried."""

    model_config = ConfigDict(frozen=True)

    shard: str
    root: str
    """The id of the task that somebody enqueued."""
    attempt: int
    """Which run this will be, from 2 on."""
    first_backup: str = ""
    force: bool = False

    @classmethod
    def after(cls, lost: RunRecord) -> Request:
        """The request that a lost run was made for, once more."""
        return cls(
            shard=lost.shard,
            root=lost.root,
            attempt=lost.attempt + 1,
            first_backup=lost.first_backup,
            force=lost.force,
        )


def wait_after(lost_runs: int, first: timedelta) -> timedelta:
    """How long a request waits after this many lost runs: ``first``, and twice as long after each further one."""
    return first * int(2 ** (lost_runs - 1))


def put(client: redis.Redis, request: Request, due: datetime) -> None:
    """Keeps a request until it is due."""
    with translated(client):
        client.zadd(keys.AGAIN, {request.model_dump_json(): due.timestamp()})


def take(client: redis.Redis, request: Request) -> bool:
    """Takes a request out; False when somebody else has."""
    with translated(client):
        return bool(client.zrem(keys.AGAIN, request.model_dump_json()))


def waiting(client: redis.Redis) -> list[tuple[Request, datetime]]:
    """All that are kept, each with the time (UTC) when it is due; the next one first."""
    with translated(client):
        found: Any = client.zrange(keys.AGAIN, 0, -1, withscores=True)
    return [(Request.model_validate_json(text), datetime.fromtimestamp(due, UTC)) for text, due in found]
