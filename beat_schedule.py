"""What beat emits, and when; nothing else.

One entry per shard: ``tasks.backup`` once per cycle, the shards spread evenly over the cycle's window. And each minute
the janitor, and a look at what is to be told to people.
"""

from __future__ import annotations

import hashlib
from typing import Any

from tasks.beat.schedule import CycleSchedule
from tidemark.config import Settings
from tidemark.shards import topology

PRIORITY = 6
"""Scheduled backups wait for those that people ask for (priority 0). Steps have 0 as well, and go before both."""
CONTROL_EVERY = 60.0
"""Seconds between two looks of what runs on the control queue."""


def build(settings: Settings) -> dict[str, dict[str, Any]]:
    """The schedule for a configuration: the same for the same configuration, wherever and whenever it is built."""
    every = settings.cycle.every.total_seconds()
    window = (settings.cycle.every if settings.cycle.window is None else settings.cycle.window).total_seconds()
    names = sorted(topology(settings).names(), key=_shuffled)
    entries: dict[str, dict[str, Any]] = {
        f"backup {name}": {
            "task": "tasks.backup",
            "schedule": CycleSchedule(every, offset=place * window / len(names)),
            "args": (name,),
            # A message that nobody could take within its cycle is void: the next cycle's is on its way.
            "options": {"queue": "backup", "priority": PRIORITY, "expires": every},
        }
        for place, name in enumerate(names)
    }
    for name in ("janitor", "notify") if settings.alert.webhook_url_file else ("janitor",):
        entries[name] = {
            "task": f"tasks.{name}",
            "schedule": CycleSchedule(CONTROL_EVERY),
            "options": {"queue": "control", "expires": CONTROL_EVERY},
        }
    return entries


def _shuffled(name: str) -> bytes:
    """A shard's place in the order: shards of one keyspace, which often share machines, do not stand side by side."""
    return hashlib.sha256(name.encode()).digest()
