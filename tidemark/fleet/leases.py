"""One run per shard: a lease with a fence.

The lease is a hash that expires unless its owner renews it. Whoever takes it gets a fence, a number that only rises. A
run that lost its lease (a frozen machine, a network cut) is recognised by its old fence, also when the next owner's
lease has ended long ago. The owner may take it again as often as it likes: each step of a run does.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import redis
from pydantic import BaseModel, ConfigDict

from tidemark.errors import LeaseHeld, LeaseLost, RedisUnavailable
from tidemark.fleet import keys
from tidemark.fleet.connection import persist, translated

log = logging.getLogger(__name__)

TTL = 90.0
"""Seconds that a lease lives without being renewed: longer than a node takes to restart."""
PATIENCE = 600.0
"""Seconds that a run waits for Redis before it gives itself up. Meanwhile nobody else can take the lease either."""

# Answers {1, fence} when the caller has it now, {0, run, node, step, since} when another run has it, and {-1, fence}
# when the caller had it once and somebody came after.
_TAKE = """
local run = redis.call('HGET', KEYS[1], 'run')
if run and run ~= ARGV[1] then
  return {0, unpack(redis.call('HMGET', KEYS[1], 'run', 'node', 'step', 'since'))}
end
local fence = tonumber(redis.call('GET', KEYS[2]) or '0')
local known = tonumber(ARGV[6])
if run then
  fence = tonumber(redis.call('HGET', KEYS[1], 'fence'))
  redis.call('HSET', KEYS[1], 'node', ARGV[2], 'step', ARGV[3])
else
  if known > 0 then
    if fence > known then return {-1, fence} end
    fence = known
    redis.call('SET', KEYS[2], fence)
  else
    fence = redis.call('INCR', KEYS[2])
  end
  redis.call('HSET', KEYS[1], 'run', ARGV[1], 'node', ARGV[2], 'step', ARGV[3], 'since', ARGV[4], 'fence', fence)
end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {1, fence}
"""

# Raises the fence as well, so that a thread of the run that is still about cannot take the lease again.
_RELEASE = """
local run = redis.call('HGET', KEYS[1], 'run')
local fence = tonumber(redis.call('GET', KEYS[2]) or '0')
if run == ARGV[1] or (not run and fence == tonumber(ARGV[2])) then
  redis.call('DEL', KEYS[1])
  redis.call('INCR', KEYS[2])
  return 1
end
return 0
"""

_RAISE = """
redis.call('DEL', KEYS[1])
return redis.call('INCR', KEYS[2])
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who asks for a lease."""

    run: str
    """The id of the run."""
    node: str
    """The node that it runs on."""
    step: str
    """The step that it is at."""


class LeaseHolder(BaseModel):
    """Who owns a shard."""

    model_config = ConfigDict(frozen=True)

    run: str
    """The id of the run."""
    node: str
    """The node that it runs on."""
    step: str
    """The step that it is at."""
    since: datetime
    """When the run took the lease, UTC."""

    def describe(self) -> str:
        """``run ... on node ... since ..., at step ...``"""
        return f"run {self.run} on node {self.node} since {self.since:%Y-%m-%d %H:%M:%S} UTC, at step {self.step}"


def take(client: redis.Redis, shard: str, owner: Owner, *, fence: int | None = None, ttl: float = TTL) -> int:
    """Takes or renews the shard's lease and gives its fence. ``fence`` is the one that this run had before, if any;
    ``ttl`` is in seconds.

    Raises ``LeaseHeld`` when another run has it, ``LeaseLost`` when this run had it and another came after.
    """
    run = owner.run
    answer = _eval(client, _TAKE, shard, run, owner.node, owner.step, _now(), int(ttl * 1000), fence or 0)
    match answer[0]:
        case 1:
            return int(answer[1])
        case 0 if fence is None:
            holder = LeaseHolder(run=answer[1], node=answer[2], step=answer[3], since=answer[4])
            raise LeaseHeld(f"{shard} is being backed up by {holder.describe()}", "wait until that run has ended")
        case 0:
            raise LeaseLost(f"{shard}: the lease of run {run} has gone to run {answer[1]} on node {answer[2]}")
        case _:
            raise LeaseLost(f"{shard}: the lease of run {run} (fence {fence}) is over; the fence is at {answer[1]}")


def release(client: redis.Redis, shard: str, run: str, *, fence: int | None = None) -> bool:
    """Gives the lease back; False, and nothing done, when it is not this run's (any more)."""
    return bool(_eval(client, _RELEASE, shard, run, fence if fence is not None else -1))


def raise_fence(client: redis.Redis, shard: str) -> int:
    """Takes the lease from whoever has it and shuts every earlier run out for good. Gives the new fence."""
    return int(_eval(client, _RAISE, shard))


def holder(client: redis.Redis, shard: str) -> LeaseHolder | None:
    """Who owns the shard now."""
    with translated(client):
        found: Any = client.hgetall(keys.lease(shard))
    return LeaseHolder.model_validate(found) if found else None


class Lease:
    """Holds a shard's lease for as long as the block lasts, renewed by a thread. Leaving the block only stops the
    renewing: the run's next step goes on with the lease, and ``release`` gives it back at the end of the run.

    >>> with Lease(client, "commerce/-80", Owner(run.id, "node1@a", "upload")) as lease:
    ...     steps.upload.run(run, guard=lease.guard)
    """

    def __init__(
        self,
        client: redis.Redis,
        shard: str,
        owner: Owner,
        *,
        fence: int | None = None,
        ttl: float = TTL,
        patience: float = PATIENCE,
    ) -> None:
        self._client, self._shard, self._owner = client, shard, owner
        self._fence, self._ttl, self._patience = fence, ttl, patience
        self._confirmed = 0.0
        self._lost: LeaseLost | None = None
        self._asking = threading.Lock()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease of {shard}", daemon=True)

    @property
    def fence(self) -> int:
        """The number that this owner was given."""
        if self._fence is None:
            raise RuntimeError("the lease has not been taken yet")
        return self._fence

    def __enter__(self) -> Self:
        persist(self._renew)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._thread.join(timeout=30)

    def guard(self) -> None:
        """Returns while the lease is ours; raises ``LeaseLost`` once it is not. Asks Redis, unless it has just been
        asked. While Redis is away it goes by the time to live, and then waits for Redis to come back."""
        if time.monotonic() - self._confirmed < min(1.0, self._ttl / 10) and self._lost is None:
            return
        deadline = time.monotonic() + self._patience
        while True:
            try:
                self._renew()
                return
            except RedisUnavailable as error:
                now = time.monotonic()
                if now - self._confirmed < self._ttl:
                    return
                if now > deadline:
                    raise LeaseLost(f"{self._shard}: Redis was away for too long to keep the lease: {error}") from error
                self._leaving.wait(1.0)

    def check(self) -> None:
        """Raises ``LeaseLost`` once the lease is known to be lost. Asks nobody and costs nothing: for inner loops."""
        if self._lost:
            raise LeaseLost(self._lost.message, self._lost.hint)

    def _renew(self) -> None:
        with self._asking:
            self.check()
            asked = time.monotonic()
            try:
                self._fence = take(self._client, self._shard, self._owner, fence=self._fence, ttl=self._ttl)
            except LeaseLost as error:
                self._lost = error
                raise
            self._confirmed = asked

    def _keep(self) -> None:
        while not self._leaving.wait(self._ttl / 4):
            try:
                self._renew()
            except LeaseLost as error:
                log.error("%s", error)
                return
            except Exception as error:
                log.warning("%s: the lease could not be renewed, trying again: %s", self._shard, error)


def _eval(client: redis.Redis, script: str, shard: str, *arguments: str | int) -> Any:
    with translated(client):
        return client.eval(script, 2, keys.lease(shard), keys.fence(shard), *(str(value) for value in arguments))


def _now() -> str:
    return datetime.now(UTC).isoformat()
