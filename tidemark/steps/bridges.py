"""Whether the next runs will still find the binary logs that they need: judged while this one does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tidemark import mysql
from tidemark.steps.run import Run


def judge(run: Run, bridge: mysql.Bridge, since: datetime | None, source: str) -> tuple[float | None, str]:
    """How many seconds older this run's backup could have been, and a warning when those are few. ``since`` is when
    the primary was at that backup's position; a first backup that has none needs no bridge."""
    if since is None:
        return None, ""
    needed = run.settings.cycle.every if run.shard.min_bridge is None else run.shard.min_bridge
    seconds = bridge.seconds(since, datetime.now(UTC))
    return seconds, warn(bridge, seconds, needed, source)


def warn(bridge: mysql.Bridge, seconds: float | None, needed: timedelta, source: str) -> str:
    """Empty when the bridge is long enough, or when nothing is known to shorten it."""
    if seconds is None or seconds >= needed.total_seconds():
        return ""
    kept = "removes none by age" if bridge.retention == 0 else f"keeps them for {_hours(bridge.retention)}"
    begun = f", begun {bridge.oldest_at:%Y-%m-%d %H:%M} UTC" if bridge.oldest_at else ""
    return (
        f"had this run's backup been {_hours(max(0.0, seconds))} older, {source} would no longer have had the binary "
        f"logs that follow it (oldest: {bridge.oldest}{begun}; the source {kept}). Less than "
        f"{_hours(needed.total_seconds())} is too close (min_bridge): raise binlog_expire_logs_seconds to three cycles "
        "or more, or see what else removes binary logs there"
    )


def _hours(seconds: float | None) -> str:
    if seconds is None:
        return "an unknown time"
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"
