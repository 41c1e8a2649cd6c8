"""Is a shard safe? What is wrong with it, from what the fleet knows and from when on it counts. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tidemark.config import Settings
from tidemark.fleet.metrics import ShardView
from tidemark.progress import span

Kind = Literal["no-backup", "age", "proven-age", "failed", "damaged", "mirror"]

OVER = frozenset({"no-backup", "age", "proven-age"})
"""The troubles with which a shard is over its limit; the others are what leads there."""

State = Literal["running", "late", "failed", "idle"]
STATES: tuple[State, ...] = ("running", "late", "failed", "idle")


class Thresholds(BaseModel):
    """From when on a shard counts as not safe."""

    model_config = ConfigDict(frozen=True)

    max_age: timedelta
    """Of its newest backup."""
    max_proven_age: timedelta
    """Of its newest proven backup."""

    @classmethod
    def of(cls, settings: Settings) -> Thresholds:
        """Those of ``[alert]``."""
        return cls(max_age=settings.max_age, max_proven_age=settings.max_proven_age)


class Trouble(BaseModel):
    """One thing that is wrong with a shard."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    message: str
    """What it is, in a few words that stand behind the shard's name: ``newest backup 1 d 3 h old, limit 1 d``."""


def age(view: ShardView, now: datetime | None = None) -> float | None:
    """Seconds since the newest backup was made; None without one."""
    return _since(view.newest.finished_at, now) if view.newest else None


def proven_age(view: ShardView, now: datetime | None = None) -> float | None:
    """Seconds since the newest proven backup was made (where that was not noted: since it was proven)."""
    if view.proven is None:
        return None
    return _since(view.proven.finished_at or view.proven.proven_at, now)


def troubles(view: ShardView, limits: Thresholds, now: datetime | None = None) -> list[Trouble]:
    """What is wrong with a shard, the worst first; empty when it is safe."""
    now = now or datetime.now(UTC)
    return [*_over(view, limits, now), *_leading_there(view)]


def over(view: ShardView, limits: Thresholds, now: datetime | None = None) -> list[Trouble]:
    """Only what puts a shard over its limit."""
    return _over(view, limits, now or datetime.now(UTC))


def state(view: ShardView, limits: Thresholds, now: datetime | None = None) -> State:
    """A shard in one word; one that runs is ``running`` whatever else it is."""
    if view.running:
        return "running"
    if over(view, limits, now):
        return "late"
    return "failed" if view.failures else "idle"


def states(view: ShardView, limits: Thresholds, now: datetime | None = None) -> frozenset[State]:
    """All that is true of a shard: one that is late and runs is both. ``idle`` is what is none of the others."""
    found: set[State] = set()
    if view.running:
        found.add("running")
    if over(view, limits, now):
        found.add("late")
    if view.failures:
        found.add("failed")
    return frozenset(found or {"idle"})


def _over(view: ShardView, limits: Thresholds, now: datetime) -> list[Trouble]:
    newest, proven = age(view, now), proven_age(view, now)
    if view.newest is None or newest is None:
        return [Trouble(kind="no-backup", message="no backup")]
    found = []
    if newest > limits.max_age.total_seconds():
        found.append(Trouble(kind="age", message=f"newest backup {span(newest)} old, limit {_limit(limits.max_age)}"))
    # The first backup cannot have been proven yet, and is not late before the next one is.
    if proven is None and view.newest.number > 1:
        found.append(Trouble(kind="proven-age", message="no proven backup"))
    if proven is not None and proven > limits.max_proven_age.total_seconds():
        limit = _limit(limits.max_proven_age)
        found.append(Trouble(kind="proven-age", message=f"newest proven backup {span(proven)} old, limit {limit}"))
    return found


def _leading_there(view: ShardView) -> list[Trouble]:
    found = []
    if view.failures and view.last_error:
        times = "" if view.failures == 1 else f" ({view.failures} times in a row)"
        said = view.last_error.on_one_line().message
        found.append(
            Trouble(
                kind="failed", message=f"{view.last_error.step} failed{times}: {said.removeprefix(f'{view.shard}: ')}"
            )
        )
    if view.damaged:
        which = ", ".join(map(str, sorted(view.damaged)))
        found.append(Trouble(kind="damaged", message=f"damaged: backup {which}"))
    found += [
        Trouble(kind="mirror", message=f"mirror {mirror.url}: {' '.join(mirror.error.split())}")
        for mirror in view.mirrors
        if mirror.error
    ]
    return found


def _limit(limit: timedelta) -> str:
    return span(limit.total_seconds())


def _since(moment: datetime, now: datetime | None) -> float:
    return max(0.0, ((now or datetime.now(UTC)) - moment).total_seconds())
