"""Which backups to keep: a pure function from what there is to a plan.

A backup's place in time is its number: numbers follow one another, clocks need not. Where the times of backups do not
rise with their numbers, some clock was wrong, and nobody knows which. Such times are read in three ways: as they are,
none later than that of a later backup, none earlier than that of an earlier one. What any reading asks for is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from tidemark.repository.format.backup import Backup


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """What an operator asks to keep. A backup goes only when no rule asks for it."""

    keep_last: int = 1
    """The newest this many."""
    keep_within: timedelta = timedelta(0)
    """And all that are less than this much older than the newest."""
    keep_hourly: int = 0
    """And the last backup of each of the newest this many hours (UTC) that have one."""
    keep_daily: int = 0
    """The same for days."""
    keep_weekly: int = 0
    """The same for ISO weeks."""
    keep_monthly: int = 0
    """The same for months."""
    keep_yearly: int = 0
    """The same for years."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to one backup, and why."""

    number: int
    finished_at: datetime
    """When the backup's manifest was written."""
    reason: str
    """For a person."""
    rules: tuple[str, ...] = ()
    """What keeps it: ``newest``, ``proven``, ``proof`` and names of the policy's rules; empty when it goes."""


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """What pruning would do. Both lists are in the order of the numbers."""

    keep: tuple[Verdict, ...]
    delete: tuple[Verdict, ...]


_CALENDAR: dict[str, Callable[[datetime], str]] = {
    "keep_hourly": lambda time: f"{time:%Y-%m-%d %H}h",
    "keep_daily": lambda time: f"{time:%Y-%m-%d}",
    "keep_weekly": lambda time: f"{time:%G-W%V}",
    "keep_monthly": lambda time: f"{time:%Y-%m}",
    "keep_yearly": lambda time: f"{time:%Y}",
}


def plan_prune(backups: Sequence[Backup], now: datetime, policy: RetentionPolicy) -> PrunePlan:
    """Plans for complete backups, in ascending order of their numbers.

    The newest backup, the newest proven one and the newest one that proves it are always kept. ``keep_within`` is
    measured from the newest backup, or from ``now`` if that is earlier: neither a pause nor a clock that is ahead when
    pruning takes the history away.
    """
    found = _find_reasons(backups, now, policy) if backups else {}
    keep = [
        Verdict(backup.number, backup.finished_at, ", ".join(reasons.values()), tuple(reasons))
        for backup in backups
        if (reasons := found[backup.number])
    ]
    delete = [
        Verdict(
            backup.number, backup.finished_at, "no rule asks for it"
        )  # the rules that do not are the same for all of them
        for backup in backups
        if not found[backup.number]
    ]
    return PrunePlan(tuple(keep), tuple(delete))


def _find_reasons(backups: Sequence[Backup], now: datetime, policy: RetentionPolicy) -> dict[int, dict[str, str]]:
    """Per number the rules that keep the backup, each with what it says to a person."""
    reasons: dict[int, dict[str, str]] = {backup.number: {} for backup in backups}
    reasons[backups[-1].number]["newest"] = "the newest"
    for proven, proof in _newest_proven(backups):
        reasons[proven]["proven"] = "the newest that a later run has fetched and started"
        reasons[proof]["proof"] = f"proves {proven}"
    for backup in backups[-policy.keep_last :] if policy.keep_last > 0 else ():
        reasons[backup.number]["keep_last"] = "keep_last"
    for times in _readings(backups, now):
        newest = times[-1]
        for backup, time in zip(backups, times, strict=True):
            if newest - time < policy.keep_within:
                reasons[backup.number]["keep_within"] = "keep_within"
        for rule, name_period in _CALENDAR.items():
            for index, period in _last_of_each(backups, times, name_period, getattr(policy, rule)):
                reasons[backups[index].number].setdefault(rule, f"{rule} ({period})")
    return reasons


def _newest_proven(backups: Sequence[Backup]) -> list[tuple[int, int]]:
    """The newest proven backup that is still there and the newest that proves it; nothing when none is proven."""
    there = {backup.number for backup in backups}
    proofs = [(backup.proves, backup.number) for backup in backups if backup.proves in there]
    return [max((proven, proof) for proven, proof in proofs if proven is not None)] if proofs else []


def _readings(backups: Sequence[Backup], now: datetime) -> list[list[datetime]]:
    """The backups' times in UTC, in each way in which they can be read; one way when there is no contradiction."""
    times = [backup.finished_at.astimezone(UTC) for backup in backups]
    now = now.astimezone(UTC)
    late_is_wrong = list(accumulate(reversed(times), min))[::-1]
    early_is_wrong = list(accumulate(times, max))
    readings = [times] if times == late_is_wrong else [times, late_is_wrong, early_is_wrong]
    if max(times) > now:
        readings += [[min(time, now) for time in reading] for reading in readings]
    return readings


def _last_of_each(
    backups: Sequence[Backup], times: Sequence[datetime], name_period: Callable[[datetime], str], count: int
) -> list[tuple[int, str]]:
    """The last backup of each of the newest ``count`` periods: its index, and the period."""
    believed = [time == backup.finished_at for backup, time in zip(backups, times, strict=True)]
    last: dict[str, int] = {}
    for index, time in enumerate(times):
        period = name_period(time)
        # A backup whose time this reading does not believe stands for a period only when no other can.
        if period not in last or believed[index] or not believed[last[period]]:
            last[period] = index
    newest = sorted(last, key=lambda period: times[last[period]], reverse=True)[:count]
    return [(last[period], period) for period in newest]
