"""What the page of all shards shows: from what the fleet knows to rows with a verdict each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tidemark.fleet import ShardView, health
from tidemark.fleet.health import Thresholds

Health = Literal["fine", "failing", "late", "missing"]


class Value(BaseModel):
    """Frozen, and JSON as it stands: times are in ISO 8601, UTC."""

    model_config = ConfigDict(frozen=True)


class Running(Value):
    """The step that a run is at."""

    run: str
    node: str
    step: str
    started: datetime
    """When the step began, UTC."""
    phase: str = ""
    fraction: float | None = None
    """How much of the phase is done, 0 to 1; None when that cannot be told."""
    rate: float | None = None
    """``unit`` per second."""
    unit: str = ""
    """``B``, ``transactions`` or ``seconds``."""
    eta: float | None = None
    """Seconds until the phase is done."""
    detail: str = ""


class Trouble(Value):
    """The last run that failed, when none has ended well since."""

    run: str
    step: str
    message: str
    """On one line, without the shard's name."""
    hint: str = ""
    """What to try."""
    place: str = ""
    """Where in the program it was raised."""
    at: datetime
    """UTC."""
    failures: int
    """Runs that failed since the last one that ended well."""


class Row(Value):
    """A shard on the page."""

    shard: str
    health: Health
    """``missing``: no backup; ``late``: older than it may be; ``failing``: within its limits, but something is wrong;
    ``fine``."""
    why: tuple[str, ...] = ()
    """What is wrong, the worst first; empty when the shard is fine."""
    number: int | None = None
    """Of the newest backup."""
    finished_at: datetime | None = None
    """Of the newest backup, UTC."""
    late_at: datetime | None = None
    """When the newest backup will be too old, UTC."""
    bytes: int | None = None
    """Bytes of database files in the newest backup."""
    stored_bytes: int | None = None
    """Bytes that its run added to the repository."""
    proven: int | None = None
    """The number of the newest proven backup."""
    proven_from: datetime | None = None
    """When that backup was made, UTC; when it was proven, if that was not noted."""
    waiting: str | None = None
    """What a run waits for that was asked for and that no node has begun; None when there is none."""
    running: Running | None = None
    trouble: Trouble | None = None


def rows(
    views: Iterable[ShardView], limits: Thresholds, now: datetime, *, waiting: Mapping[str, str] | None = None
) -> list[Row]:
    """A row per shard, in their order. ``waiting`` says what those wait for that have not begun."""
    return [row(view, limits, now, waiting=(waiting or {}).get(view.shard)) for view in views]


def row(view: ShardView, limits: Thresholds, now: datetime, *, waiting: str | None = None) -> Row:
    """One shard's row. ``now`` is in UTC."""
    newest, proven = view.newest, view.proven
    troubles = health.troubles(view, limits, now)
    return Row(
        shard=view.shard,
        health=_verdict(troubles),
        why=tuple(trouble.message for trouble in troubles),
        number=newest.number if newest else None,
        finished_at=newest.finished_at if newest else None,
        late_at=newest.finished_at + limits.max_age if newest else None,
        bytes=newest.bytes if newest else None,
        stored_bytes=newest.stored_bytes if newest else None,
        proven=proven.number if proven else None,
        proven_from=_proven_from(view),
        waiting=None if view.running or waiting is None else waiting or "a free node",
        running=_running(view),
        trouble=_trouble(view),
    )


def _verdict(troubles: Iterable[health.Trouble]) -> Health:
    kinds = {trouble.kind for trouble in troubles}
    if "no-backup" in kinds:
        return "missing"
    return "late" if kinds & health.OVER else "failing" if kinds else "fine"


def _proven_from(view: ShardView) -> datetime | None:
    return (view.proven.finished_at or view.proven.proven_at) if view.proven else None


def _running(view: ShardView) -> Running | None:
    running, progress = view.running, view.progress
    if running is None:
        return None
    shown = Running(run=running.run, node=running.node, step=running.step, started=running.started)
    if progress is None:
        return shown
    return shown.model_copy(
        update={
            "phase": progress.phase,
            "fraction": min(1.0, progress.done / progress.total) if progress.total else None,
            "rate": progress.rate,
            "unit": progress.unit,
            "eta": progress.eta,
            "detail": progress.detail,
        }
    )


def _trouble(view: ShardView) -> Trouble | None:
    error = view.last_error
    if error is None:
        return None
    told = error.on_one_line()
    return Trouble(
        run=error.run,
        step=error.step,
        message=told.message.removeprefix(f"{view.shard}: "),
        hint=told.hint,
        place=told.place,
        at=error.at,
        failures=view.failures,
    )


def now() -> datetime:
    """The present, UTC."""
    return datetime.now(UTC)
