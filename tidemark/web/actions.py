"""What the buttons do: the same as ``tidemark run``, ``cancel`` and ``retry``. Blocking."""

from __future__ import annotations

from collections.abc import Callable

from tidemark.queue import client as queue_client
from tidemark.web.board import Value


class Done(Value):
    """What has been done."""

    shards: tuple[str, ...]
    """The shards that it was done to."""
    ids: tuple[str, ...] = ()
    """Of the tasks that were enqueued, or of those that are REVOKED now."""
    message: str
    """The same for a person."""


def run(shard: str, *, force: bool = False) -> Done:
    """Enqueues a run of the shard; ``force`` means also when its newest backup is young."""
    id = queue_client.enqueue(shard, force=force)
    return Done(shards=(shard,), ids=(id,), message=f"{shard}: a run is enqueued")


def cancel(shard: str) -> Done:
    """Ends what runs and what waits of the shard."""
    ended = queue_client.cancel(shard, "cancelled on Flower's page")
    if ended.nothing:
        return Done(shards=(), message=f"{shard}: nothing is running and nothing is waiting")
    said = [f"the run at {run.step} on {run.node} is ended" for run in ended.runs]
    if ended.waiting:
        said.append(f"{len(ended.waiting)} waiting {'run is' if len(ended.waiting) == 1 else 'runs are'} taken back")
    ids = (*(run.id for run in ended.runs), *ended.waiting)
    return Done(shards=(shard,), ids=ids, message=f"{shard}: {', '.join(said)}")


def retry() -> Done:
    """Enqueues every shard whose last run failed and that is neither running nor waiting."""
    enqueued = queue_client.retry_failed()
    if not enqueued:
        return Done(shards=(), message="no shard has failed that is not running or waiting already")
    names, ids = tuple(one.shard for one in enqueued), tuple(one.id for one in enqueued)
    return Done(shards=names, ids=ids, message=f"{len(names)} {'run is' if len(names) == 1 else 'runs are'} enqueued")


SHARD_ACTIONS: dict[str, Callable[..., Done]] = {"run": run, "cancel": cancel}
"""By the last part of their address."""
