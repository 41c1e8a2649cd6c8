"""The record of every run: what it is, where it is, how it ended. Bounded: the newest of each shard are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

import redis
from pydantic import BaseModel, ConfigDict

from tidemark.fleet import keys
from tidemark.fleet.connection import translated

HISTORY = 50
"""Runs that are kept per shard."""
_KEPT = 90 * 86400
"""Seconds that the record of an ended run stays."""

EndState = Literal["succeeded", "skipped", "failed", "revoked", "lost"]
State = Literal["open", "succeeded", "skipped", "failed", "revoked", "lost"]
ENDED_WELL = frozenset({"succeeded", "skipped"})

# Ends a run once: the first to say how it ended is believed.
_CLOSE = """
if redis.call('HGET', KEYS[1], 'state') ~= 'open' then
  redis.call('SREM', KEYS[2], ARGV[1])
  return 0
end
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('SREM', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""


class RunRecord(BaseModel):
    """One run as the fleet sees it. Never a secret."""

    model_config = ConfigDict(frozen=True)

    run: str
    """The run's id."""
    shard: str
    node: str
    """The node that the run is bound to."""
    root: str
    """The id of the Celery task that somebody enqueued; its result is the run's result."""
    fence: int
    """The number that the shard's lease gave this run."""
    attempt: int = 1
    """Counts the runs that were made for one request: more than 1 when nodes were lost."""
    state: State = "open"
    step: str = "backup"
    """The step that it is at, or ended at."""
    started: datetime
    """UTC."""
    updated: datetime
    """When a step last began or ended, UTC."""
    finished: datetime | None = None
    """UTC."""
    error: str = ""
    """What ended it, when that was an error."""
    skipped: str = ""
    """Why there was nothing to do."""
    seconds: dict[str, float] = {}
    """How long each step took."""
    result: dict[str, Any] | None = None
    """What the run returned."""


def start(client: redis.Redis, run: RunRecord) -> None:
    """Writes the record of a run that begins and takes it into the shard's history."""
    fields = {"seconds", "result", "finished"}
    plain: dict[Any, str] = {name: str(value) for name, value in run.model_dump(mode="json", exclude=fields).items()}
    with translated(client), client.pipeline() as pipe:
        pipe.hset(keys.run(run.run), mapping=plain)
        pipe.sadd(keys.OPEN, run.run)
        pipe.lrem(keys.runs(run.shard), 0, run.run)
        pipe.lpush(keys.runs(run.shard), run.run)
        pipe.lrange(keys.runs(run.shard), HISTORY, -1)
        pipe.ltrim(keys.runs(run.shard), 0, HISTORY - 1)
        dropped = pipe.execute()[4]
        if dropped:
            client.delete(*(keys.run(name) for name in dropped))


def enter(client: redis.Redis, run_id: str, step: str) -> None:
    """A step begins."""
    _update(client, run_id, {"step": step})


def leave(client: redis.Redis, run_id: str, step: str, seconds: float) -> None:
    """A step has ended well."""
    _update(client, run_id, {f"seconds:{step}": str(seconds)})


def close(
    client: redis.Redis,
    run_id: str,
    state: EndState,
    *,
    error: str = "",
    skipped: str = "",
    result: dict[str, Any] | None = None,
) -> bool:
    """Ends a run; False when it had ended before, and then nothing is changed."""
    fields = {"state": state, "finished": _now(), "updated": _now(), "error": error, "skipped": skipped}
    if result is not None:
        fields["result"] = json.dumps(result)
    flat = [text for pair in fields.items() for text in pair]
    with translated(client):
        return bool(client.eval(_CLOSE, 2, keys.run(run_id), keys.OPEN, run_id, str(_KEPT), *flat))


def get(client: redis.Redis, run_id: str) -> RunRecord | None:
    """The record of a run, or None when Redis knows nothing of it."""
    return next(iter(_read(client, [run_id])), None)


def history(client: redis.Redis, shard: str, limit: int = HISTORY) -> list[RunRecord]:
    """The shard's newest runs, newest first."""
    with translated(client):
        names: Any = client.lrange(keys.runs(shard), 0, limit - 1)
    return _read(client, names)


def open_runs(client: redis.Redis) -> list[RunRecord]:
    """Every run that has not ended, oldest first."""
    with translated(client):
        names: Any = client.smembers(keys.OPEN)
    return [run for run in _read(client, sorted(names)) if run.state == "open"]


def _update(client: redis.Redis, run_id: str, fields: dict[Any, str]) -> None:
    with translated(client):
        client.hset(keys.run(run_id), mapping=fields | {"updated": _now()})


def _read(client: redis.Redis, run_ids: Iterable[str]) -> list[RunRecord]:
    with translated(client), client.pipeline(transaction=False) as pipe:
        for run_id in run_ids:
            pipe.hgetall(keys.run(run_id))
        answers = pipe.execute()
    return [_parse(fields) for fields in answers if set(fields) >= {"run", "shard", "node", "root", "fence", "started"}]


def _parse(fields: dict[str, str]) -> RunRecord:
    seconds = {name.removeprefix("seconds:"): text for name, text in fields.items() if name.startswith("seconds:")}
    result = json.loads(fields["result"]) if fields.get("result") else None
    return RunRecord.model_validate(fields | {"seconds": seconds, "result": result})


def _now() -> str:
    return datetime.now(UTC).isoformat()
