"""Positions in a replication stream as pure values: MySQL's GTID sets and MariaDB's GTID positions.

A MySQL set names every transaction (``uuid:1-77:80``); a MariaDB position names the last one of each domain
(``0-1-100,5-2-7``). Both answer the same three questions: is it the same, has it got there, how much is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TAG = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_INTERVAL = re.compile(r"(\d+)(?:-(\d+))?")
_MARIADB_GTID = re.compile(r"(\d+)-(\d+)-(\d+)")

Origin = tuple[str, str]
"""Who numbered a transaction in MySQL: the server's uuid and a tag (empty for the most)."""
Interval = tuple[int, int]
"""The first and the last number, both included."""


def _merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    merged: list[Interval] = []
    for first, last in sorted(intervals):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


def _subtract(mine: tuple[Interval, ...], theirs: tuple[Interval, ...]) -> tuple[Interval, ...]:
    left: list[Interval] = []
    for first, last in mine:
        start = first
        for other_first, other_last in theirs:
            if other_last < start or other_first > last:
                continue
            if other_first > start:
                left.append((start, other_first - 1))
            start = other_last + 1
        if start <= last:
            left.append((start, last))
    return tuple(left)


@dataclass(frozen=True, slots=True)
class GtidSet:
    """A MySQL GTID set, tags included."""

    intervals: Mapping[Origin, tuple[Interval, ...]]
    """Sorted intervals without overlaps and neighbours; no origin without an interval."""

    @classmethod
    def parse(cls, text: str) -> GtidSet:
        """Reads what MySQL prints, whatever its case, order and white space. ``ValueError`` for anything else."""
        found: dict[Origin, list[Interval]] = {}
        for part in "".join(text.lower().split()).split(","):
            if part:
                cls._parse_uuid(part, found)
        return cls._of(found)

    @staticmethod
    def _parse_uuid(part: str, found: dict[Origin, list[Interval]]) -> None:
        uuid, *items = part.split(":")
        if not _UUID.fullmatch(uuid) or not items:
            raise ValueError(f'"{part}" is not a MySQL GTID set')
        tag = ""
        for item in items:
            if match := _INTERVAL.fullmatch(item):
                first = int(match[1])
                last = int(match[2] or first)
                if first < 1:
                    raise ValueError(f'"{part}" is not a MySQL GTID set')
                if first <= last:  # MySQL itself reads 7-3 as nothing
                    found.setdefault((uuid, tag), []).append((first, last))
            elif _TAG.fullmatch(item):
                tag = item
            else:
                raise ValueError(f'"{part}" is not a MySQL GTID set')

    @classmethod
    def _of(cls, found: Mapping[Origin, Iterable[Interval]]) -> GtidSet:
        return cls({origin: merged for origin in sorted(found) if (merged := _merge(found[origin]))})

    def __str__(self) -> str:
        parts: list[str] = []
        previous = ""
        for (uuid, tag), intervals in self.intervals.items():
            text = ":".join(f"{first}-{last}" if last > first else f"{first}" for first, last in intervals)
            if uuid == previous:
                parts[-1] += f":{tag}:{text}"
            else:
                parts.append(f"{uuid}:{tag}:{text}" if tag else f"{uuid}:{text}")
            previous = uuid
        return ",".join(parts)

    def __len__(self) -> int:
        return sum(last - first + 1 for intervals in self.intervals.values() for first, last in intervals)

    def __or__(self, other: GtidSet) -> GtidSet:
        both: dict[Origin, list[Interval]] = {origin: list(found) for origin, found in self.intervals.items()}
        for origin, found in other.intervals.items():
            both.setdefault(origin, []).extend(found)
        return self._of(both)

    def __sub__(self, other: GtidSet) -> GtidSet:
        return self._of(
            {origin: _subtract(mine, other.intervals.get(origin, ())) for origin, mine in self.intervals.items()}
        )

    def contains(self, other: GtidSet) -> bool:
        """Whether every transaction of the other set is in this one."""
        return not len(other - self)


@dataclass(frozen=True, slots=True)
class Gtid:
    """A MariaDB GTID without its domain."""

    server_id: int
    sequence: int


@dataclass(frozen=True, slots=True)
class GtidPosition:
    """A MariaDB position: the last transaction of each replication domain."""

    domains: Mapping[int, Gtid]

    @classmethod
    def parse(cls, text: str) -> GtidPosition:
        """Reads ``domain-server-sequence,...``; of several of one domain (a binlog state) the highest counts."""
        domains: dict[int, Gtid] = {}
        for domain, gtid in parse_gtids(text):
            if domain not in domains or domains[domain].sequence < gtid.sequence:
                domains[domain] = gtid
        return cls(dict(sorted(domains.items())))

    def __str__(self) -> str:
        return ",".join(f"{domain}-{gtid.server_id}-{gtid.sequence}" for domain, gtid in self.domains.items())

    def reached(self, other: GtidPosition) -> bool:
        """Whether each domain of the other position is at least as far here."""
        return not self.count_missing(other)

    def count_missing(self, other: GtidPosition) -> int:
        """How many transactions there are from here to the other position; numbers that were left out count."""
        missing = 0
        for domain, gtid in other.domains.items():
            mine = self.domains.get(domain)
            missing += max(0, gtid.sequence - (mine.sequence if mine else 0))
        return missing

    def ahead_of(self, state: Iterable[tuple[int, Gtid]]) -> GtidPosition:
        """The part of this position that a server in this state has never had.

        ``state`` is what that server knows as the last transaction per domain *and* origin (``gtid_binlog_state``).
        An origin that it has forgotten is judged by the domain's highest number.
        """
        by_origin: dict[tuple[int, int], int] = {}
        highest: dict[int, int] = {}
        for domain, gtid in state:
            key = (domain, gtid.server_id)
            by_origin[key] = max(by_origin.get(key, 0), gtid.sequence)
            highest[domain] = max(highest.get(domain, 0), gtid.sequence)
        return GtidPosition(
            {
                domain: gtid
                for domain, gtid in self.domains.items()
                if gtid.sequence > by_origin.get((domain, gtid.server_id), highest.get(domain, 0))
            }
        )


def parse_gtids(text: str) -> list[tuple[int, Gtid]]:
    """Each GTID of a MariaDB list with its domain, in the order given. ``ValueError`` for anything else."""
    gtids: list[tuple[int, Gtid]] = []
    for part in "".join(text.split()).split(","):
        if not part:
            continue
        match = _MARIADB_GTID.fullmatch(part)
        if match is None:
            raise ValueError(f'"{part}" is not a MariaDB GTID')
        gtids.append((int(match[1]), Gtid(int(match[2]), int(match[3]))))
    return gtids
