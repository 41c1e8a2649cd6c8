"""Beat's scheduler: RedBeat, which keeps in Redis when each entry last had its turn and holds a lock against a second
beat. The schedule itself is the configuration's."""

from __future__ import annotations

import contextlib
import logging
from datetime import datetime, timedelta
from typing import Any, Self

from celery import Celery
from redbeat.schedulers import RedBeatScheduler, RedBeatSchedulerEntry

from tasks.beat.schedule import TOO_SOON, CycleSchedule
from tidemark import config, fleet
from tidemark.errors import FleetError, RedisUnavailable

log = logging.getLogger(__name__)

PAUSE = 2.0
"""Seconds until beat looks for Redis again."""


class Entry(RedBeatSchedulerEntry):  # type: ignore[misc]
    """An entry of the configuration. Redis remembers its last turn; RedBeat's JSON has no word for our schedule."""

    @classmethod
    def from_key(cls, key: str, app: Celery | None = None) -> Self:
        entry = super().from_key(key, app=app)
        configured = entry.app.conf.beat_schedule.get(entry.name)
        if configured:
            entry.schedule = configured["schedule"]
        return entry  # type: ignore[no-any-return]

    @property
    def due_at(self) -> datetime | None:
        """RedBeat adds the time that remains to the last turn, not to now: after a restart it would look too early,
        again and again."""
        if self.last_run_at is None:
            return self._default_now()  # type: ignore[no-any-return]
        remaining: timedelta | None = self.schedule.remaining_estimate(self.last_run_at)
        return None if remaining is None else self._default_now() + max(remaining, timedelta(0))


class Scheduler(RedBeatScheduler):  # type: ignore[misc]
    """RedBeat over a connection of ours, so that the password of Redis stands in no setting that can be inspected."""

    Entry = Entry

    def __init__(self, app: Celery, *args: Any, **kwargs: Any) -> None:
        app.redbeat_redis = fleet.connect(config.load().redis)  # type: ignore[attr-defined]
        super().__init__(app, *args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Sends what is due; gives the seconds until the next look. RedBeat alone would end beat when Redis is away
        for a moment, or for so long that the lock has expired."""
        try:
            with fleet.translated(self.app.redbeat_redis):
                return float(super().tick(*args, **kwargs))
        except RedisUnavailable as error:
            log.warning("%s; beat waits for it", error.message)
        except FleetError as error:
            log.warning("the lock is not ours any more (%s); standing by", error.message)
            with contextlib.suppress(FleetError), fleet.translated(self.app.redbeat_redis):
                self.lock.acquire()
                log.info("has the lock again")
        return PAUSE

    def _maybe_entry(self, name: str, entry: Any) -> RedBeatSchedulerEntry:
        """An entry that Redis knows nothing of waits for its place in the cycle, like all others, but no longer:
        nothing has been done for it yet, so nothing is too soon."""
        made = super()._maybe_entry(name, entry)
        if isinstance(made.schedule, CycleSchedule):
            made.last_run_at = made._default_now() - timedelta(seconds=made.schedule.every * TOO_SOON)
        return made
