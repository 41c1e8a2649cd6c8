"""The time zone that a statement in a source's log means by ``SYSTEM``: a private server must have the same one.

A server tells the name of its system's zone only as an abbreviation (``CET``), which says little. So it is asked what
the local time is at moments of every season and of some decades, and a zone is looked for that gives the same.
"""

from __future__ import annotations

import time
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tidemark.errors import SourceUnfit
from tidemark.mysql.session import Session

OLD_MOMENTS = tuple(
    int(datetime(year, month, 15, 12, tzinfo=UTC).timestamp())
    for year in (1971, 1985, 1995, 2005, 2012, 2020)
    for month in (1, 4, 7, 10)
)
"""Moments of earlier decades, in seconds since the epoch."""


def recent_moments(now: datetime) -> tuple[int, ...]:
    """The first and the fifteenth of each month, at noon UTC, from two years ago until half a year from now."""
    months = [now.year * 12 + now.month - 1 + step for step in range(-24, 7)]
    days = [datetime(month // 12, month % 12 + 1, day, 12, tzinfo=UTC) for month in months for day in (1, 15)]
    return tuple(int(day.timestamp()) for day in days)


_FOLDER = Path("/usr/share/zoneinfo")
"""Where the C library, and so a server, finds zones by their names."""

Offsets = Mapping[int, int]
"""Seconds that local time is ahead of UTC, by moment (seconds since the epoch)."""


@dataclass(frozen=True, slots=True)
class LocalTime:
    """The local time of a server's system."""

    recent: Offsets
    """In the time that replicated statements come from: this has to be the same."""
    old: Offsets
    """In earlier decades, about which two machines may know different things."""


def local_time_of(session: Session, now: datetime) -> LocalTime:
    """Asks a server for it."""
    return LocalTime(offsets_of(session, recent_moments(now)), offsets_of(session, OLD_MOMENTS))


def offsets_of(session: Session, moments: Iterable[int]) -> Offsets:
    """What a server's system zone gives at each of the moments."""
    before = session.value("SELECT @@SESSION.time_zone")
    session.run("SET SESSION time_zone = 'SYSTEM'")
    columns = ", ".join(
        f"TIMESTAMPDIFF(SECOND, '1970-01-01 00:00:00', FROM_UNIXTIME({moment})) AS m{moment}" for moment in moments
    )
    (row,) = session.rows(f"SELECT {columns}")
    session.run("SET SESSION time_zone = %s", before)
    return {int(name[1:]): int(value) - int(name[1:]) for name, value in row.items()}


def zone_of(session: Session, wanted: str, where: str) -> str:
    """Asks a server for its local time and finds its zone here, as ``find_zone`` does."""
    return find_zone(local_time_of(session, datetime.now(UTC)), wanted, where)


def find_zone(local: LocalTime, wanted: str, where: str) -> str:
    """The ``TZ`` of a process whose local time is that; empty when it is this process's own.

    ``wanted`` is the zone that the operator has named, if any, and ``where`` is the source. A zone that is right in
    earlier decades too is preferred. Raises ``SourceUnfit`` when no zone of this node is right.
    """
    if wanted:
        return _named(local.recent, wanted, where)
    for offsets in ({**local.recent, **local.old}, local.recent):
        if all(time.localtime(moment).tm_gmtoff == offset for moment, offset in offsets.items()):
            return ""
        if (name := next((name for name in _candidates() if _gives(name, offsets)), None)) is not None:
            return name
    if len(set(local.recent.values())) == 1:
        return _fixed(next(iter(local.recent.values())))
    shown = ", ".join(f"{offset / 3600:+g} h" for offset in sorted(set(local.recent.values())))
    raise SourceUnfit(
        f"{where}: no time zone of this node gives the local time of that server (over the year {shown} from UTC); "
        "statements in its log would mean something else here",
        "install the time zones (package tzdata) on the node, or name the zone: time_zone of the shard",
    )


def _named(offsets: Offsets, wanted: str, where: str) -> str:
    if not (_FOLDER / wanted).is_file():
        raise SourceUnfit(
            f'{where}: the time zone "{wanted}" is not known on this node',
            "correct time_zone of the shard, or install the time zones (package tzdata)",
        )
    zone = zoneinfo.ZoneInfo(wanted)
    for moment, offset in offsets.items():
        if (here := _offset_in(zone, moment)) != offset:
            raise SourceUnfit(
                f"{where}: on {datetime.fromtimestamp(moment, UTC):%Y-%m-%d} its local time is {offset / 3600:+g} h "
                f'from UTC, and in time_zone = "{wanted}" it is {here / 3600:+g} h',
                "correct time_zone of the shard, or leave it out",
            )
    return wanted


def _candidates() -> Iterator[str]:
    """``UTC`` first, then the zones of places, then the others."""
    yield "UTC"
    names = sorted(zoneinfo.available_timezones())
    yield from (name for name in names if "/" in name and not name.startswith("Etc/"))
    yield from (name for name in names if "/" not in name or name.startswith("Etc/"))


def _gives(name: str, offsets: Offsets) -> bool:
    if not (_FOLDER / name).is_file():
        return False
    zone = zoneinfo.ZoneInfo(name)
    return all(_offset_in(zone, moment) == offset for moment, offset in offsets.items())


def _offset_in(zone: zoneinfo.ZoneInfo, moment: int) -> float:
    """Seconds that the zone is ahead of UTC at that moment."""
    ahead = datetime.fromtimestamp(moment, UTC).astimezone(zone).utcoffset()
    return 0.0 if ahead is None else ahead.total_seconds()


def _fixed(offset: int) -> str:
    """A zone without a name, as POSIX writes it: with the sign turned round."""
    hours, rest = divmod(abs(offset), 3600)
    minutes, seconds = divmod(rest, 60)
    shown = f"{hours:02d}:{minutes:02d}" + (f":{seconds:02d}" if seconds else "")
    name = f"{hours:02d}{minutes:02d}"
    return f"<+{name}>-{shown}" if offset >= 0 else f"<-{name}>{shown}"
