"""The newest log lines of every run, as a bounded Redis stream: what ``tidemark logs`` shows of a fleet of machines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import redis
from pydantic import BaseModel, ConfigDict

from tidemark.fleet import keys
from tidemark.fleet.connection import translated

_KEPT = 14 * 86400
"""Seconds that the lines stay after the last one."""


class LogLine(BaseModel):
    """One line of a worker's log. Never a secret."""

    model_config = ConfigDict(frozen=True)

    time: datetime
    """UTC."""
    level: str
    """``INFO``, ``WARNING``, ``ERROR`` and so on."""
    node: str = ""
    """The worker that wrote it."""
    shard: str = ""
    run: str = ""
    step: str = ""
    """``restore``, ``catchup``, ``stop``, ``upload``, ``cleanup`` or ``janitor``."""
    logger: str = ""
    """The module that says it."""
    message: str = ""
    exception: str = ""
    """The traceback, if there is one."""


def append(client: redis.Redis, run: str, lines: Sequence[LogLine], *, keep: int) -> None:
    """Adds lines to a run's log, of which about the newest ``keep`` stay."""
    with translated(client), client.pipeline(transaction=False) as pipe:
        for line in lines:
            pipe.xadd(keys.log(run), {"line": line.model_dump_json(exclude_defaults=True)}, maxlen=keep)
        pipe.expire(keys.log(run), _KEPT)
        pipe.execute()


def read(client: redis.Redis, run: str, after: str = "0") -> tuple[list[LogLine], str]:
    """A run's lines after a mark, oldest first, and the mark of the last one. The first mark is ``0``."""
    start = "-" if after == "0" else f"({after}"
    with translated(client):
        entries: Any = client.xrange(keys.log(run), min=start)
    lines = [LogLine.model_validate_json(fields["line"]) for _, fields in entries]
    return lines, str(entries[-1][0]) if entries else after
