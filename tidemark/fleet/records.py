"""The record of every run: what it is, where it is, how it ended. Bounded: the newest of each shard are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import redis
from pydantic import BaseModel, ConfigDict

from tidemark.fleet import keys
from tidemark.fleet.connection import translated
from tidemark.fleet.counters import ADD, of_run
from tidemark.fleet.history import KEPT, RunFigures
from tidemark.fleet.history import EndState as EndState
from tidemark.results import Failure

HISTORY = 50
"""Runs that are kept per shard."""
_KEPT = 90 * 86400
"""Seconds that the record of an ended run stays."""

State = Literal["open", "succeeded", "skipped", "failed", "revoked", "lost"]
ENDED_WELL = frozenset({"succeeded", "skipped"})

# Ends a run once: the first to say how it ended is believed. Its figures join the shard's history and are counted.
_CLOSE = (
    ADD
    + """
if redis.call('HGET', KEYS[1], 'state') ~= 'open' then
  redis.call('SREM', KEYS[2], ARGV[1])
  return 0
end
for i = 7, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('SREM', KEYS[2], ARGV[1])
redis.call('LPUSH', KEYS[3], ARGV[3])
redis.call('LTRIM', KEYS[3], 0, tonumber(ARGV[4]) - 1)
add(KEYS[4], cjson.decode(ARGV[5]))
add(KEYS[5], cjson.decode(ARGV[6]))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""
)


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
    first_backup: str = ""
    """What the request, or the fleet for it, said about a first backup."""
    force: bool = False
    """Whether the request asked for a backup however young the newest one is."""
    state: State = "open"
    step: str = "backup"
    """The step that it is at, or ended at."""
    started: datetime
    """UTC."""
    updated: datetime
    """When a step last began or ended, UTC."""
    finished: datetime | None = None
    """UTC."""
    cleared: datetime | None = None
    """When its node had removed what a run that did not end well left there, UTC."""
    error: str = ""
    """What ended it, when that was an error."""
    hint: str = ""
    """What to try."""
    skipped: str = ""
    """Why there was nothing to do."""
    seconds: dict[str, float] = {}
    """How long each step took."""
    facts: dict[str, int | float] = {}
    """What the steps told as they ended: ``history.FACTS``."""
    result: dict[str, Any] | None = None
    """What the run returned."""


def start(client: redis.Redis, run: RunRecord) -> None:
    """Writes the record of a run that begins and takes it into the shard's history."""
    fields = {"seconds", "facts", "result", "finished", "cleared"}
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


def leave(
    client: redis.Redis, run_id: str, step: str, seconds: float, facts: Mapping[str, int | float | None] | None = None
) -> None:
    """A step has ended well. ``facts`` is what the run's figures will say of it (``history.FACTS``)."""
    told = {f"fact:{name}": str(value) for name, value in (facts or {}).items() if value is not None}
    _update(client, run_id, {f"seconds:{step}": str(seconds)} | told)


def close(
    client: redis.Redis,
    run_id: str,
    state: EndState,
    *,
    failure: Failure | None = None,
    skipped: str = "",
    result: dict[str, Any] | None = None,
) -> bool:
    """Ends a run; False when it had ended before, and then nothing is changed. ``failure`` is why it did not end well.
    The run's figures are in the shard's history from then on."""
    record = get(client, run_id)
    if record is None or record.state != "open":
        with translated(client):
            client.srem(keys.OPEN, run_id)
        return False
    now = datetime.now(UTC)
    fields = {"state": state, "finished": now.isoformat(), "updated": now.isoformat()}
    fields |= {"error": failure.message if failure else "", "hint": failure.hint if failure else "", "skipped": skipped}
    if result is not None:
        fields["result"] = json.dumps(result)
    flat = [text for pair in fields.items() for text in pair]
    figures = _figures(record, state, now, failure, skipped)
    texts = [figures.model_dump_json(exclude_defaults=True), str(KEPT), *map(json.dumps, of_run(figures))]
    names = [keys.run(run_id), keys.OPEN, keys.history(record.shard)]
    names += [keys.counts(record.shard), keys.counts(record.shard.split("/")[0])]
    with translated(client):
        return bool(client.eval(_CLOSE, len(names), *names, run_id, str(_KEPT), *texts, *flat))


def clear(client: redis.Redis, run_id: str) -> None:
    """The node of a run that did not end well has removed what it left."""
    if get(client, run_id):
        _update(client, run_id, {"cleared": _now()})


def cleared(client: redis.Redis, run_id: str) -> bool:
    """Whether nothing of the run is left on its node; so it is of a run that Redis knows nothing of."""
    record = get(client, run_id)
    return record is None or record.state in ENDED_WELL or record.cleared is not None


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


def _figures(run: RunRecord, state: EndState, finished: datetime, failure: Failure | None, skipped: str) -> RunFigures:
    why = (failure or Failure(message="")).on_one_line()
    return RunFigures.model_validate(
        run.facts
        | run.model_dump(include={"run", "node", "root", "attempt", "started", "seconds", "step"})
        | {"state": state, "finished": finished, "skipped": skipped}
        | {"error": why.message, "hint": why.hint, "place": why.place}
    )


def _parse(fields: dict[str, str]) -> RunRecord:
    seconds = {name.removeprefix("seconds:"): text for name, text in fields.items() if name.startswith("seconds:")}
    facts = {name.removeprefix("fact:"): text for name, text in fields.items() if name.startswith("fact:")}
    result = json.loads(fields["result"]) if fields.get("result") else None
    return RunRecord.model_validate(fields | {"seconds": seconds, "facts": facts, "result": result})


def _now() -> str:
    return datetime.now(UTC).isoformat()
