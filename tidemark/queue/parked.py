"""Requests over a bound are taken out of the queue, so that no node is kept busy by them, and kept as they are until
there is room. Each moves in one step: whatever dies, a message is in the one place or in the other."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tidemark.fleet import keys
from tidemark.queue import messages
from tidemark.queue.messages import SHARED_QUEUE, Message

_PARK = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return 1
"""

_UNPARK = """
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
if ARGV[2] ~= '' then redis.call('RPUSH', KEYS[2], ARGV[2]) end
return 1
"""

_TO_THE_HEAD = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[1])
return 1
"""


@dataclass(frozen=True, slots=True)
class Parked:
    """A request that waits for room."""

    message: Message
    since: datetime
    """UTC."""
    reason: str
    """Why it waits, in words."""


def find(channel: Any) -> list[Parked]:
    """All of them, those that have waited longest first."""
    with channel.conn_or_acquire() as client:
        values = client.hgetall(keys.PARKED).values()
    found = []
    for text in values:
        value = json.loads(text)
        if message := messages.parse(channel, value["raw"], SHARED_QUEUE):
            found.append(Parked(message, datetime.fromisoformat(value["since"]), value["reason"]))
    return sorted(found, key=lambda one: one.since)


def count(channel: Any) -> int:
    """How many there are."""
    with channel.conn_or_acquire() as client:
        return int(client.hlen(keys.PARKED))


def park(channel: Any, message: Message, reason: str) -> bool:
    """Moves a message out of its queue; False when a worker has taken it meanwhile."""
    with channel.conn_or_acquire() as client:
        place = channel._q_for_pri(message.queue, message.priority)
        value = _value(message, reason)
        return bool(client.eval(_PARK, 2, place, keys.PARKED, message.raw, message.id, value))


def park_taken(channel: Any, message: Message, reason: str) -> None:
    """The same for a message that this worker has taken, and will acknowledge."""
    with channel.conn_or_acquire() as client:
        client.hset(keys.PARKED, message.id, _value(_again(message), reason))


def put_back(channel: Any, message: Message) -> None:
    """Puts a message that this worker has taken, and will acknowledge, back to the head of its queue."""
    with channel.conn_or_acquire() as client:
        client.rpush(channel._q_for_pri(message.queue, message.priority), _again(message).raw)


def unpark(channel: Any, message: Message) -> bool:
    """Moves a message back to the head of its queue; False when somebody else has."""
    return _leave(channel, message, message.raw)


def remove(channel: Any, message: Message) -> bool:
    """Drops a message; False when it has gone back to its queue."""
    return _leave(channel, message, b"")


def to_the_head(channel: Any, message: Message) -> bool:
    """Makes a waiting message the next of its queue; False when a worker has taken it meanwhile."""
    with channel.conn_or_acquire() as client:
        place = channel._q_for_pri(message.queue, message.priority)
        return bool(client.eval(_TO_THE_HEAD, 1, place, message.raw))


def _leave(channel: Any, message: Message, raw: bytes) -> bool:
    with channel.conn_or_acquire() as client:
        place = channel._q_for_pri(message.queue, message.priority)
        return bool(client.eval(_UNPARK, 2, keys.PARKED, place, message.id, raw))


def _value(message: Message, reason: str) -> str:
    return json.dumps({"raw": message.raw.decode(), "since": datetime.now(UTC).isoformat(), "reason": reason})


def _again(message: Message) -> Message:
    """The same message for a second delivery: the tag belongs to the first, which is about to be acknowledged."""
    content = json.loads(message.raw)
    content["properties"]["delivery_tag"] = str(uuid4())
    return dataclasses.replace(message, raw=json.dumps(content).encode())
