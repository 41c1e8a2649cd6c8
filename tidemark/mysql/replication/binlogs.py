"""The bridge: how far a source's binary logs reach back behind the position that a backup goes on from.

It is measured while all is well, so that somebody hears of it before the logs that the next backup needs are purged.
"""

from __future__ import annotations

import logging
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime

from tidemark import files
from tidemark.errors import SourceError, TidemarkError
from tidemark.mysql import process
from tidemark.mysql.flavours.base import Flavour
from tidemark.mysql.layout import Layout
from tidemark.mysql.source.base import Source
from tidemark.mysql.source.login import source_login

log = logging.getLogger(__name__)

_READ_SECONDS = 20
"""Seconds that reading the first event of the oldest binary log may take."""
_BEGUN = re.compile(r"^#(\d{6})\s+(\d{1,2}:\d{2}:\d{2}) server id .*Start: binlog", re.M)
"""The first event of a binary log, as both flavours' programs print it."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """What a source said of its binary logs, seen from one position. Any of it may be missing: to measure is no
    reason to fail."""

    oldest: str = ""
    """The name of its oldest binary log."""
    oldest_at: datetime | None = None
    """When that one was begun, UTC."""
    total_bytes: int | None = None
    """Bytes of all its binary logs."""
    bridge_bytes: int | None = None
    """Bytes of those that are older than the first one that the position needs."""
    retention: int | None = None
    """Seconds for which it keeps them; 0: none is removed by its age."""
    purged: bool = True
    """Whether any was ever removed."""

    def seconds(self, since: datetime, now: datetime) -> float | None:
        """How much older the position could be and still be followed; ``since`` is when the source was there. None
        when nothing is known to end that."""
        age = (now - since).total_seconds()
        ends = [self.retention - age] if self.retention else []
        if self.purged and self.oldest_at is not None:
            ends.append((since - self.oldest_at).total_seconds())
        return round(min(ends), 1) if ends else None


def measure_bridge(source: Source, position: str, flavour: Flavour, layout: Layout) -> Bridge:
    """Asks a few short questions, and reads one event of the oldest binary log; never fails."""
    retention, purged = None, True
    try:
        retention, purged = source.retention(), source.has_purged()
        logs = source.binary_logs()
    except SourceError as error:
        log.warning("%s: the binary logs cannot be looked at: %s", source.endpoint, error)
        logs = []
    if not logs:
        return Bridge(retention=retention, purged=purged)
    oldest, total = logs[0][0], sum(size for _, size in logs)
    begun = _begun_at(source, oldest, flavour, layout)
    try:
        needed = first_needed(source, [name for name, _ in logs], position)
    except SourceError as error:
        log.warning("%s: the binary log that follows %s is not found: %s", source.endpoint, position, error)
        return Bridge(oldest, begun, total, None, retention, purged)
    return Bridge(oldest, begun, total, sum(size for _, size in logs[:needed]), retention, purged)


def first_needed(source: Source, names: list[str], position: str) -> int:
    """The index of the last log before which there is nothing but what the position has; found by halving."""
    low, high = 0, len(names) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if source.begins_within(names[middle], position):
            low = middle
        else:
            high = middle - 1
    return low


def _begun_at(source: Source, name: str, flavour: Flavour, layout: Layout) -> datetime | None:
    """No statement tells a binary log's time; its first event does, and the flavour's own program reads it."""
    try:
        for folder in (layout.server, layout.tmp):  # it comes before the private server's first start
            files.make_private(folder)
        encryption = flavour.client_encryption(source.endpoint, encrypted=source.encrypted)
        with source_login(layout, source.endpoint, encryption) as login:
            done = subprocess.run(
                process.bound_to_us(flavour.read_binlog_command(login, name)),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_READ_SECONDS,
                check=False,
                env=process.environment(layout.tmp) | {"TZ": "UTC"},
                start_new_session=True,
            )
    except (TidemarkError, OSError, subprocess.TimeoutExpired) as error:
        log.warning("%s: the age of %s is not known: %s", source.endpoint, name, error)
        return None
    match = _BEGUN.search(done.stdout.decode("utf-8", "replace"))
    if match is None:
        said = done.stderr.decode("utf-8", "replace").strip()[-300:]
        log.warning("%s: the age of %s is not known: %s", source.endpoint, name, said or "its start is not shown")
        return None
    return datetime.strptime(f"{match[1]} {match[2]}", "%y%m%d %H:%M:%S").replace(tzinfo=UTC)
