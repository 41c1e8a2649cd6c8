"""Which backups to keep: a pure function from what there is to a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemark.repository.backup import Backup


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """What an operator asks to keep. A backup goes only when neither asks for it."""

    keep_last: int = 1
    """The newest this many."""
    keep_within: timedelta = timedelta(0)
    """And all that finished within this time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to one backup, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """What pruning would do. Both lists are in the order of the numbers."""

    keep: tuple[Verdict, ...]
    delete: tuple[Verdict, ...]


def plan_prune(backups: Sequence[Backup], now: datetime, policy: RetentionPolicy) -> PrunePlan:
    """Plans for complete backups, in ascending order. The newest and the newest proven one are always kept."""
    restored = {backup.restored_from for backup in backups}
    proven = [backup.number for backup in backups if backup.number in restored]
    last = {backup.number for backup in backups[-max(1, policy.keep_last) :]} if backups else set()
    keep, delete = [], []
    for backup in backups:
        age = now - backup.finished_at
        if backup.number == backups[-1].number:
            keep.append(Verdict(backup.number, "the newest backup"))
        elif backup.number in last:
            keep.append(Verdict(backup.number, f"one of the last {policy.keep_last} (keep_last)"))
        elif age < policy.keep_within:
            keep.append(Verdict(backup.number, f"younger than {policy.keep_within} (keep_within)"))
        elif proven and backup.number == proven[-1]:
            keep.append(Verdict(backup.number, "the newest backup that a later run has restored and started"))
        else:
            delete.append(Verdict(backup.number, f"{age} old, and neither keep_last nor keep_within asks for it"))
    return PrunePlan(tuple(keep), tuple(delete))
