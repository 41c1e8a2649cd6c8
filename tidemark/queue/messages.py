"""What lies in the broker: messages that wait, and messages that a worker has taken and not acknowledged.

Knows how kombu keeps them in Redis: a list per queue and priority, taken from the right; a hash of
what was taken, with an index of when.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis
from kombu.exceptions import OperationalError

from tidemark import config, results
from tidemark.errors import RedisUnavailable
from tidemark.queue.app import app

SHARED_QUEUE = "backup"
"""What beat and people enqueue into, and every node takes from."""
BACKUP = "tasks.backup"
CLEANUP = "tasks.cleanup"
STEPS = frozenset(f"tasks.{step}" for step in results.STEPS)


def own_queue(node: str) -> str:
    """The queue that only this node consumes: a run's steps stay where the run's folder is."""
    return f"node.{node}"


def node_of(queue: str) -> str:
    """The node that consumes this queue alone; empty for a queue of all."""
    return queue.removeprefix(own_queue("")) if queue.startswith(own_queue("")) else ""


@dataclass(frozen=True, slots=True)
class Message:
    """A task that waits, or that a worker has taken."""

    task: str
    """Its name, e.g. ``tasks.backup``."""
    id: str
    root: str
    """The id that somebody enqueued."""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    later: tuple[str, ...]
    """Ids of the rest of its chain."""
    queue: str
    """Where it was sent to."""
    priority: int
    raw: bytes
    """As it stands in Redis."""

    @property
    def shard(self) -> str:
        """The shard that a backup or a step is of; empty for others."""
        return str(self.args[0]) if self.task in STEPS | {BACKUP} and self.args else ""

    @property
    def run(self) -> str:
        """The run that a step, or the clean-up after one, belongs to; empty for others."""
        place = {CLEANUP: 2}.get(self.task, 1 if self.task in STEPS else len(self.args))
        return str(self.args[place]) if len(self.args) > place else ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that some worker has taken and not acknowledged: it works on it, or it died with it."""

    tag: str
    at: datetime
    """When it was taken, UTC."""
    message: Message


@contextlib.contextmanager
def channel() -> Iterator[Any]:
    """The way to the broker, for as long as the block lasts. Raises ``RedisUnavailable``."""
    try:
        pool: Any = app.pool
        with pool.acquire(block=True) as connection:
            connection.ensure_connection(max_retries=3, interval_start=0.2, interval_step=0.5, timeout=10)
            yield connection.default_channel
    except (OperationalError, redis.ConnectionError, redis.TimeoutError) as error:
        url = config.load().redis.url
        raise RedisUnavailable(
            f"the broker at {url} does not answer: {error}", "is it running, and is [redis] url right?"
        ) from error


def waiting(channel: Any, queue: str, priority: int | None = None) -> list[Message]:
    """The messages that wait in a queue, or only those of one priority, in the order in which they will be taken."""
    priorities = sorted(channel.priority_steps) if priority is None else [priority]
    with channel.conn_or_acquire() as client:
        lists = [client.lrange(channel._q_for_pri(queue, one), 0, -1) for one in priorities]
    return [message for found in lists for raw in reversed(found) if (message := parse(channel, raw, queue))]


def count(channel: Any, queue: str, priority: int) -> int:
    """How many messages of one priority wait in a queue."""
    with channel.conn_or_acquire() as client:
        return int(client.llen(channel._q_for_pri(queue, priority)))


def remove(channel: Any, message: Message) -> bool:
    """Takes a waiting message out of its queue; False when a worker has taken it meanwhile."""
    with channel.conn_or_acquire() as client:
        return bool(client.lrem(channel._q_for_pri(message.queue, message.priority), 1, message.raw))


def taken(channel: Any) -> list[Taken]:
    """Every message that was taken and not acknowledged, whoever took it."""
    with channel.conn_or_acquire() as client:
        held = client.hgetall(channel.unacked_key)
        since = dict(client.zrange(channel.unacked_index_key, 0, -1, withscores=True))
    found = []
    for tag, payload in held.items():
        content, _, routing_key = json.loads(payload)
        message = parse(channel, json.dumps(content), str(routing_key))
        if message:
            at = datetime.fromtimestamp(float(since.get(tag, 0.0)), UTC)
            found.append(Taken(tag.decode() if isinstance(tag, bytes) else str(tag), at, message))
    return found


def own(channel: Any, request: Any) -> Message | None:
    """The message of the task that asks; None when it is not held for this worker any more (a broken connection has
    given it back)."""
    tag = (request.properties or {}).get("delivery_tag")
    with channel.conn_or_acquire() as client:
        payload = client.hget(channel.unacked_key, tag) if tag else None
    if not payload:
        return None
    content, _, routing_key = json.loads(payload)
    return parse(channel, json.dumps(content), str(routing_key))


def give_back(channel: Any, held: Taken) -> None:
    """Puts a message that was taken back to the head of its queue."""
    with channel.conn_or_acquire() as client:
        channel.qos.restore_by_tag(held.tag, client)


def forget(channel: Any, held: Taken) -> None:
    """Drops a message that was taken: nobody will do it again."""
    with channel.conn_or_acquire() as client, client.pipeline() as pipe:
        pipe.hdel(channel.unacked_key, held.tag)
        pipe.zrem(channel.unacked_index_key, held.tag)
        pipe.execute()


def queues(channel: Any, prefix: str) -> list[str]:
    """The queues whose name begins so, that anybody has declared or sent to."""
    known, found = channel.keyprefix_queue % prefix, set()
    with channel.conn_or_acquire() as client:
        for pattern in (f"{prefix}*", f"{known}*"):
            for key in client.scan_iter(pattern, count=1000):
                found.add(key.decode().removeprefix(channel.keyprefix_queue % "").partition(channel.sep)[0])
    return sorted(found)


def remove_queue(channel: Any, queue: str) -> None:
    """Removes a queue with everything in it; whoever consumes it declares it again."""
    with channel.conn_or_acquire() as client:
        client.delete(
            *(channel._q_for_pri(queue, priority) for priority in channel.priority_steps),
            channel.keyprefix_queue % queue,
            channel.keyprefix_binding_permanent % queue,
        )


def send_cleanup(node: str, shard: str, run_id: str, **facts: str) -> None:
    """Asks a node to clear up after a run, before anything else that waits for it; ``facts`` are those of
    ``tasks.cleanup``."""
    app.send_task(CLEANUP, (None, shard, run_id), facts, queue=own_queue(node), priority=0)


def parse(channel: Any, raw: bytes | str, queue: str) -> Message | None:
    """A message as it stands in Redis; None for what is no task of Celery's second protocol."""
    text = raw.encode() if isinstance(raw, str) else raw
    try:
        content = json.loads(text)
        priority = int(channel._get_message_priority(content, reverse=False))
        message = channel.message_to_python(content)
        args, kwargs, embed = message.payload
        headers = message.headers
        later = tuple(str(step["options"]["task_id"]) for step in (embed or {}).get("chain") or ())
        return Message(
            task=str(headers["task"]),
            id=str(headers["id"]),
            root=str(headers.get("root_id") or headers["id"]),
            args=tuple(args),
            kwargs=dict(kwargs),
            later=later,
            queue=queue,
            priority=priority,
            raw=text,
        )
    except (ValueError, KeyError, TypeError):
        return None
