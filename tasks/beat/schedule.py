"""When something happens once per cycle: at fixed points of time, whenever beat was started."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.schedules import schedstate, schedule

TOO_SOON = 0.25
"""The part of a cycle after a turn in which no other turn is taken."""


class CycleSchedule(schedule):
    """A turn every so many seconds, ``offset`` seconds after the cycle's start. Cycles are counted from the epoch,
    so a restart of beat moves nothing, and a turn that was missed while beat was away is made up for at once.

    When the offset moves because shards come and go, a shard that has just had its turn is not sent out again: turns
    within a quarter of a cycle after the last turn are left out.
    """

    def __init__(self, every: float, offset: float = 0.0, **options: Any) -> None:
        super().__init__(run_every=timedelta(seconds=every), **options)
        self.every = every
        self.offset = offset % every

    def next_after(self, last_run_at: datetime) -> datetime:
        """The first turn that counts after a turn at ``last_run_at`` (UTC)."""
        last = _timestamp(last_run_at)
        turn = math.floor((last - self.offset) / self.every) + 1
        if turn * self.every + self.offset < last + self.every * TOO_SOON:
            turn += 1
        return datetime.fromtimestamp(turn * self.every + self.offset, UTC)

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Time until the next turn; negative when it has been missed."""
        return self.next_after(last_run_at) - datetime.fromtimestamp(_timestamp(self.now()), UTC)

    def is_due(self, last_run_at: datetime) -> schedstate:
        """Whether the next turn is here, and the seconds to the one after it (or to it, when it is not here yet)."""
        remaining = self.remaining_estimate(last_run_at).total_seconds()
        if remaining > 0:
            return schedstate(is_due=False, next=remaining)
        return schedstate(is_due=True, next=max(0.0, self.remaining_estimate(self.now()).total_seconds()))

    def __repr__(self) -> str:
        return f"<cycle: every {self.every:g} s, {self.offset:g} s into the cycle>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CycleSchedule):
            return NotImplemented
        return (self.every, self.offset) == (other.every, other.offset)

    def __hash__(self) -> int:
        return hash((self.every, self.offset))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.every, self.offset)


def _timestamp(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
