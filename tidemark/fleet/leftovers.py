"""What nobody needs any more of what Tidemark keeps in Redis."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import redis

from tidemark.fleet import keys, metrics, records
from tidemark.fleet.connection import translated
from tidemark.fleet.metrics import ShardView


def open_without_record(client: redis.Redis) -> list[str]:
    """Ids that are listed as open, and whose record says otherwise or is gone."""
    with translated(client):
        names: Any = client.smembers(keys.OPEN)
    going_on = {run.run for run in records.open_runs(client)}
    return sorted(set(names) - going_on)


def forget_open(client: redis.Redis, run_id: str) -> None:
    """Strikes an id from the list of open runs."""
    with translated(client):
        client.srem(keys.OPEN, run_id)


def departed(client: redis.Redis, configured: Iterable[str], now: datetime, keep: timedelta) -> list[str]:
    """Shards that Redis knows, that are not configured, and to which nothing has happened for ``keep``. A control
    worker with yesterday's configuration must not make the fleet forget a shard that is new."""
    prefix, there = keys.shard(""), frozenset(configured)
    with translated(client):
        names = sorted(str(name).removeprefix(prefix) for name in client.scan_iter(f"{prefix}*", count=1000))
    views = metrics.views(client, [name for name in names if name not in there])
    return [view.shard for view in views if not view.running and _last(view, now) < now - keep]


def forget_shard(client: redis.Redis, shard: str) -> int:
    """Removes what there is of a shard, but for the records of its runs, which go by themselves; gives how many keys
    that were."""
    names = [keys.shard(shard), keys.runs(shard), keys.history(shard), keys.fence(shard), keys.counts(shard)]
    with translated(client):
        removed: Any = client.delete(*names)
    return int(removed)


def _last(view: ShardView, now: datetime) -> datetime:
    """When something happened to a shard the last time; one that shows nothing of that is taken for a new one."""
    newest = view.newest.finished_at if view.newest else None
    failed = view.last_error.at if view.last_error else None
    return max((moment for moment in (view.last_success, newest, failed) if moment), default=now)
