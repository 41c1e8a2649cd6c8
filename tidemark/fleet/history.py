"""What every shard's newest runs took, moved and stored: for trends, plots, metrics and plans.

``records.close`` adds a line when a run ends, in the same breath as the end itself. Records are for the fleet, which
must know where a run is; these figures are for people, are kept longer, and hold nothing that anybody depends on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import redis
from pydantic import BaseModel, ConfigDict

from tidemark.fleet import keys
from tidemark.fleet.connection import translated

KEPT = 200
"""Runs whose figures are kept per shard: a hundred days of two cycles a day."""

EndState = Literal["succeeded", "skipped", "failed", "revoked", "lost"]


class RunFigures(BaseModel):
    """One run that has ended. None stands for what is not known, or was not done. Never a secret."""

    model_config = ConfigDict(frozen=True)

    run: str
    """The run's id; empty for a request that failed before it had a folder."""
    node: str
    """The node that the run was bound to."""
    root: str
    """The id of the Celery task that somebody enqueued."""
    attempt: int = 1
    """More than 1 when nodes were lost before it."""
    started: datetime
    """UTC."""
    finished: datetime
    """UTC."""
    state: EndState
    seconds: dict[str, float] = {}
    """How long each step took that ended well."""
    bytes: int | None = None
    """Bytes of database files that the backup holds."""
    stored_bytes: int | None = None
    """Bytes that the run added to the repository."""
    fetched_bytes: int | None = None
    """Bytes that the restore took from the repository."""
    transactions: int | None = None
    """Transactions that the catch-up applied."""
    lag_seconds: float | None = None
    """How old the restored data was when the catch-up began: what it had to catch up with."""
    bridge_seconds: float | None = None
    """How much older the restored backup could have been for the source to still have all that follows it."""
    moves: int | None = None
    """How often the catch-up went on with another source."""
    number: int | None = None
    """The number of the backup that the run made."""
    restored: int | None = None
    """The number of the backup that it restored; a catch-up that ended well has proven it."""
    step: str = ""
    """The step that the run was at when it ended."""
    error: str = ""
    """What ended it, on one line, when that was an error."""
    hint: str = ""
    """What to try."""
    place: str = ""
    """Where in the program the error was raised: ``file:line, in function``."""
    skipped: str = ""
    """Why there was nothing to do."""

    @property
    def total_seconds(self) -> float:
        """From the run's beginning to its end, waits between steps and for retries included."""
        return (self.finished - self.started).total_seconds()

    @property
    def steps_seconds(self) -> float:
        """What its steps took together."""
        return sum(self.seconds.values())


FACTS = frozenset(
    {
        "bytes",
        "stored_bytes",
        "fetched_bytes",
        "transactions",
        "lag_seconds",
        "bridge_seconds",
        "moves",
        "number",
        "restored",
    }
)
"""What steps tell as they end (``records.leave``)."""


def add(client: redis.Redis, shard: str, figures: RunFigures) -> None:
    """Takes up a request that failed before it became a run; runs come by ``records.close``."""
    with translated(client), client.pipeline() as pipe:
        pipe.lpush(keys.history(shard), figures.model_dump_json(exclude_defaults=True))
        pipe.ltrim(keys.history(shard), 0, KEPT - 1)
        pipe.hincrbyfloat(keys.counts(shard), f"runs:{figures.state}", 1)
        pipe.hincrbyfloat(keys.counts(shard), f"failures:{figures.step}", 1)
        pipe.execute()


def runs(client: redis.Redis, shard: str, limit: int = KEPT) -> list[RunFigures]:
    """The shard's newest runs that have ended, newest first."""
    return runs_of(client, [shard], limit)[shard]


def runs_of(client: redis.Redis, shards: Iterable[str], limit: int = KEPT) -> Mapping[str, list[RunFigures]]:
    """The same for many shards, in one round trip."""
    names = list(shards)
    with translated(client), client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.lrange(keys.history(name), 0, limit - 1)
        answers: list[list[Any]] = pipe.execute()
    return {
        name: [RunFigures.model_validate_json(line) for line in lines]
        for name, lines in zip(names, answers, strict=True)
    }
