"""What only ever rises: runs by how they ended, bytes, lease losses; and how long steps took, as a histogram.

They are kept in Redis, so that a restarted exporter or node takes nothing back. What a run counts is added in the same
breath as its end (``records.close``), so each run counts once, however often its messages come. One hash per shard;
the histogram is one hash per keyspace, for a histogram per shard would be thousands of series that nobody looks at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import redis
from pydantic import BaseModel, ConfigDict

from tidemark.fleet import keys
from tidemark.fleet.connection import translated
from tidemark.fleet.history import RunFigures

BUCKETS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0)
"""Upper bounds of the histogram's buckets, seconds; what takes longer is counted in none of them."""

ADD = """
local function add(key, pairs)
  for i = 1, #pairs, 2 do redis.call('HINCRBYFLOAT', key, pairs[i], pairs[i + 1]) end
end
"""
"""Lua that adds a list of fields and amounts to a hash; for scripts that count what they do."""

_SUMS = {
    "bytes": "read_bytes",
    "stored_bytes": "stored_bytes",
    "fetched_bytes": "fetched_bytes",
    "transactions": "transactions",
    "moves": "failovers",
}


class Histogram(BaseModel):
    """How long a step took, over all shards of a keyspace."""

    model_config = ConfigDict(frozen=True)

    count: int = 0
    sum: float = 0.0
    """Seconds."""
    buckets: dict[float, int] = {}
    """Steps by the smallest bound of ``BUCKETS`` that they stayed within; not cumulative."""


class Counts(BaseModel):
    """One shard's, since Redis has been counting."""

    model_config = ConfigDict(frozen=True)

    runs: dict[str, int] = {}
    """Runs by how they ended."""
    failures: dict[str, int] = {}
    """Failed runs by the step that they ended at."""
    storage_retries: dict[str, int] = {}
    """How often a step was tried again because the store was away, by the step."""
    read_bytes: int = 0
    """Bytes of database files that uploads went through."""
    stored_bytes: int = 0
    """Bytes that runs added to the repository."""
    fetched_bytes: int = 0
    """Bytes that restores took from the repository."""
    transactions: int = 0
    """Transactions that catch-ups applied."""
    failovers: int = 0
    """How often a catch-up went on with another source."""
    lease_losses: int = 0
    """Steps that ended because their run had lost its lease."""


def of_run(figures: RunFigures) -> tuple[list[str], list[str]]:
    """What a run that has ended adds: to its shard's hash, and to its keyspace's; each a list of a field, an amount,
    a field, an amount ..."""
    shard = {f"runs:{figures.state}": 1.0}
    if figures.state == "failed":
        shard[f"failures:{figures.step or 'backup'}"] = 1.0
    for fact, field in _SUMS.items():
        if amount := getattr(figures, fact):
            shard[field] = amount
    steps: dict[str, float] = {}
    for step, seconds in {} if figures.state == "skipped" else figures.seconds.items():
        steps |= {f"{step}:count": 1, f"{step}:sum": seconds}
        if bound := next((bound for bound in BUCKETS if seconds <= bound), None):
            steps[f"{step}:le:{bound:g}"] = 1
    return _flat(shard), _flat(steps)


def add(client: redis.Redis, shard: str, field: str, amount: int = 1) -> None:
    """Counts what is not part of a run's end: ``lease_losses``, or ``storage_retries:<step>``."""
    with translated(client):
        client.hincrbyfloat(keys.counts(shard), field, amount)


def read(client: redis.Redis, shards: Iterable[str]) -> tuple[dict[str, Counts], dict[str, dict[str, Histogram]]]:
    """The counts by shard, and the histograms by keyspace and step; one round trip."""
    names = list(shards)
    keyspaces = sorted({name.split("/")[0] for name in names})
    with translated(client), client.pipeline(transaction=False) as pipe:
        for name in (*names, *keyspaces):
            pipe.hgetall(keys.counts(name))
        answers: list[dict[str, str]] = pipe.execute()
    counts = {name: _counts(fields) for name, fields in zip(names, answers, strict=False)}
    return counts, {
        name: _histograms(fields) for name, fields in zip(keyspaces, answers[len(names) :], strict=True) if fields
    }


def _flat(amounts: Mapping[str, float]) -> list[str]:
    return [text for field, amount in amounts.items() for text in (field, f"{amount:.17g}")]


def _counts(fields: Mapping[str, str]) -> Counts:
    values: dict[str, Any] = {}
    for field, text in fields.items():
        name, _, part = field.partition(":")
        amount = float(text)
        if part:
            values.setdefault(name, {})[part] = int(amount)
        else:
            values[name] = int(amount)
    return Counts.model_validate(values)


def _histograms(fields: Mapping[str, str]) -> dict[str, Histogram]:
    found: dict[str, dict[str, Any]] = {}
    for field, text in fields.items():
        step, _, part = field.partition(":")
        values = found.setdefault(step, {"buckets": {}})
        if part.startswith("le:"):
            values["buckets"][float(part.removeprefix("le:"))] = int(float(text))
        else:
            values[part] = float(text) if part == "sum" else int(float(text))
    return {step: Histogram.model_validate(values) for step, values in found.items()}
