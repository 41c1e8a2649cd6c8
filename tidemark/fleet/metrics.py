"""What the fleet knows about every shard: one hash per shard, read for hundreds of shards in one round trip."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis
from pydantic import BaseModel, ConfigDict, model_validator

from tidemark.fleet import keys
from tidemark.fleet.connection import translated
from tidemark.results import STEPS, Failure, MirrorLevel, SourceSeen


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class NewestBackup(_Value):
    """The newest complete backup."""

    number: int
    position: str
    """The GTID position that it holds."""
    finished_at: datetime
    """UTC."""
    bytes: int
    """Bytes of database files that it holds."""
    stored_bytes: int
    """Bytes that its run added to the repository."""
    digest: str = ""
    """Of its manifest; empty when that was not noted."""


class ProvenBackup(_Value):
    """The newest backup that a later run has fetched and started."""

    number: int
    proven_at: datetime
    """UTC."""
    finished_at: datetime | None = None
    """When it was made, UTC: what its age counts from. None when that was not noted."""


class StepFigures(_Value):
    """What a step took when it last ended well."""

    seconds: float
    bytes: int = 0
    """Bytes of database files that it went through; 0 where that means nothing."""
    finished_at: datetime
    """UTC."""


class CatchupState(SourceSeen):
    """What the last catch-up saw of its source, and when."""

    lag_seconds: float | None = None
    """How old the restored data was when the catch-up began: what it had to catch up with."""
    at: datetime
    """When it ended, UTC."""


class LastError(Failure):
    """The last run that failed."""

    run: str
    step: str
    at: datetime
    """UTC."""

    @model_validator(mode="before")
    @classmethod
    def _part(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Message and hint were one text until 0.1; such a note stays in Redis until the shard's next run."""
        message, separator, hint = str(values.get("message", "")).partition("\nHINT: ")
        return values | {"message": message, "hint": hint} if separator and not values.get("hint") else values


class RunningStep(_Value):
    """The step that a run is at."""

    run: str
    node: str
    step: str
    started: datetime
    """When the step began, UTC."""


class StepProgress(_Value):
    """How far the running step is."""

    phase: str
    done: int
    total: int | None = None
    """None while it is unknown."""
    unit: str
    """``B``, ``transactions`` or ``seconds``."""
    rate: float | None = None
    """Units per second in this phase; None until it can be told."""
    eta: float | None = None
    """Seconds until the phase is done; None when it cannot be told."""
    detail: str = ""
    at: datetime
    """When this was so, UTC."""


class ShardView(_Value):
    """One shard as ``tidemark status`` shows it."""

    shard: str
    newest: NewestBackup | None = None
    proven: ProvenBackup | None = None
    damaged: dict[int, str] = {}
    """Backups that the last run found damaged and passed over, and what is wrong with each."""
    mirrors: tuple[MirrorLevel, ...] = ()
    """Every mirror after the newest backup."""
    steps: dict[str, StepFigures] = {}
    """By the step's name, in the order of a run."""
    transactions: int | None = None
    """Transactions that the last catch-up applied."""
    caught: CatchupState | None = None
    """What that one saw of its source."""
    last_success: datetime | None = None
    """When a run last ended well, UTC; a run that had nothing to do counts."""
    last_skip: str = ""
    """Why the last run had nothing to do; empty when it made a backup."""
    last_error: LastError | None = None
    failures: int = 0
    """Runs that failed since the last one that ended well."""
    running: RunningStep | None = None
    """Only while a run holds the shard's lease."""
    progress: StepProgress | None = None
    """Of ``running``."""


_PARTS: dict[str, type[BaseModel]] = {
    "newest": NewestBackup,
    "proven": ProvenBackup,
    "caught": CatchupState,
    "last_error": LastError,
    "running": RunningStep,
    "progress": StepProgress,
}


def views(client: redis.Redis, shards: Iterable[str]) -> list[ShardView]:
    """What is known of the shards named, in that order. Raises ``RedisUnavailable``."""
    names = list(shards)
    with translated(client), client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hgetall(keys.shard(name))
            pipe.hget(keys.lease(name), "run")
        answers = pipe.execute()
    return [_parse(name, answers[2 * i], answers[2 * i + 1]) for i, name in enumerate(names)]


def newest_times(client: redis.Redis, shards: Iterable[str]) -> dict[str, datetime]:
    """When each shard's newest backup was finished, UTC; without the shards that have none as far as Redis knows."""
    names = list(shards)
    with translated(client), client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hget(keys.shard(name), "newest")
        answers = pipe.execute()
    return {
        name: NewestBackup.model_validate_json(text).finished_at
        for name, text in zip(names, answers, strict=True)
        if text
    }


def has_had_backups(client: redis.Redis, shard: str) -> bool:
    """Whether this shard has had a backup as far as Redis knows."""
    with translated(client):
        return bool(client.hexists(keys.shard(shard), "newest"))


def begin_step(client: redis.Redis, shard: str, running: RunningStep) -> None:
    """A step begins; what was shown of the one before is gone."""
    with translated(client), client.pipeline() as pipe:
        pipe.hset(keys.shard(shard), "running", running.model_dump_json())
        pipe.hdel(keys.shard(shard), "progress")
        pipe.execute()


def show_progress(client: redis.Redis, shard: str, progress: StepProgress) -> None:
    """How far the running step is."""
    with translated(client):
        client.hset(keys.shard(shard), "progress", progress.model_dump_json())


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step that has ended well."""

    seconds: float
    bytes: int = 0
    """Bytes that it has moved."""
    transactions: int | None = None
    """That a catch-up has replicated."""
    proven: ProvenBackup | None = None
    """The backup that it has shown to be good."""
    caught: CatchupState | None = None
    """What a catch-up has seen of the source's logs."""


def end_step(client: redis.Redis, shard: str, step: str, done: StepDone) -> None:
    """A step has ended well, now."""
    now = datetime.now(UTC)
    fields: dict[Any, str] = {
        f"step:{step}": StepFigures(seconds=done.seconds, bytes=done.bytes, finished_at=now).model_dump_json()
    }
    if done.transactions is not None:
        fields["transactions"] = str(done.transactions)
    if done.proven is not None:
        fields["proven"] = done.proven.model_dump_json()
    if done.caught is not None:
        fields["caught"] = done.caught.model_dump_json()
    with translated(client):
        client.hset(keys.shard(shard), mapping=fields)


def set_newest(client: redis.Redis, shard: str, newest: NewestBackup | None) -> None:
    """What the repository has; None when it has nothing."""
    with translated(client):
        if newest is None:
            client.hdel(keys.shard(shard), "newest")
        else:
            client.hset(keys.shard(shard), "newest", newest.model_dump_json())


def set_proven(client: redis.Redis, shard: str, proven: ProvenBackup) -> None:
    """Which backup a later one has proven."""
    with translated(client):
        client.hset(keys.shard(shard), "proven", proven.model_dump_json())


def set_damaged(client: redis.Redis, shard: str, damaged: Mapping[int, str]) -> None:
    """Which backups the last run found damaged; none, usually."""
    with translated(client):
        client.hset(keys.shard(shard), "damaged", json.dumps(dict(damaged)))


def set_mirrors(client: redis.Redis, shard: str, mirrors: Sequence[MirrorLevel]) -> None:
    """How far behind each mirror is; what was done there is not kept."""
    levels = [mirror.model_dump(include=set(MirrorLevel.model_fields)) for mirror in mirrors]
    with translated(client):
        client.hset(keys.shard(shard), "mirrors", json.dumps(levels))


def succeed(client: redis.Redis, shard: str, *, skipped: str = "") -> None:
    """A run has ended well."""
    fields: dict[Any, str] = {"last_success": datetime.now(UTC).isoformat(), "failures": "0", "last_skip": skipped}
    with translated(client), client.pipeline() as pipe:
        pipe.hset(keys.shard(shard), mapping=fields)
        pipe.hdel(keys.shard(shard), "running", "progress", "last_error")
        pipe.execute()


def fail(client: redis.Redis, shard: str, failure: Failure, *, run: str, step: str) -> None:
    """A run has failed. To be said once per run."""
    error = LastError(run=run, step=step, at=datetime.now(UTC), **failure.model_dump())
    with translated(client), client.pipeline() as pipe:
        pipe.hset(keys.shard(shard), "last_error", error.model_dump_json())
        pipe.hincrby(keys.shard(shard), "failures", 1)
        pipe.execute()
    end_run(client, shard, run)


def end_run(client: redis.Redis, shard: str, run: str) -> None:
    """The run is not running any more. What another run shows of the shard stays."""
    with translated(client):
        text: Any = client.hget(keys.shard(shard), "running")
        if text and RunningStep.model_validate_json(text).run == run:
            client.hdel(keys.shard(shard), "running", "progress")


def _parse(name: str, fields: dict[str, str], owner: str | None) -> ShardView:
    values: dict[str, Any] = {"shard": name}
    for key, kind in _PARTS.items():
        if text := fields.get(key):
            values[key] = kind.model_validate_json(text)
    running = values.get("running")
    if running and running.run != owner:
        values["running"] = running = None  # its node died; the janitor has yet to see it
    if not running:
        values["progress"] = None
    values["damaged"] = json.loads(fields.get("damaged", "{}"))
    values["mirrors"] = json.loads(fields.get("mirrors", "[]"))
    values["steps"] = {
        step: StepFigures.model_validate(json.loads(fields[f"step:{step}"]))
        for step in STEPS
        if f"step:{step}" in fields
    }
    for key in ("transactions", "last_success", "last_skip", "failures"):
        if key in fields:
            values[key] = fields[key]
    return ShardView.model_validate(values)
