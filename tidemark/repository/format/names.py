"""The names of a shard's objects, and what can be read from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

ATTEMPT = 10**6
"""Pack numbers are ``attempt * ATTEMPT + counter``, so that a resumed upload never takes a number twice."""

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TWELVE_DIGITS = re.compile(r"[0-9]{12}")
_RUN_TIME = re.compile(r"(\d{8}T\d{6}Z)(?:-.*)?")


@dataclass(frozen=True, slots=True, order=True)
class PackName:
    """Which pack: the run that stored it and its number in it."""

    run_id: str
    number: int


@dataclass(frozen=True, slots=True)
class ShardNames:
    """Where the objects of one shard are."""

    shard: str
    """``keyspace/shard``."""

    @property
    def backups(self) -> str:
        """The prefix of the manifests."""
        return f"{self.shard}/backups/"

    @property
    def packs(self) -> str:
        """The prefix of all packs."""
        return f"{self.shard}/packs/"

    @property
    def logs(self) -> str:
        """The prefix that is kept free for binary logs: objects of a kind of their own, which no backup refers to."""
        return f"{self.shard}/logs/"

    def run(self, run_id: str) -> str:
        """The prefix of one run's packs."""
        return f"{self.packs}{run_id}/"

    def manifest(self, number: int) -> str:
        """The name of a backup's manifest."""
        return f"{self.backups}{number:012d}"

    def pack(self, pack: PackName) -> str:
        """The name of a pack."""
        return f"{self.run(pack.run_id)}{pack.number:012d}"

    def parse_manifest(self, name: str) -> int | None:
        """The number of the backup whose manifest has this name; None when it is no manifest's name."""
        rest = name.removeprefix(self.backups)
        return int(rest) if _TWELVE_DIGITS.fullmatch(rest) and int(rest) else None

    def parse_pack(self, name: str) -> PackName | None:
        """Which pack has this name; None when it is no pack's name."""
        run_id, _, rest = name.removeprefix(self.packs).rpartition("/")
        return PackName(run_id, int(rest)) if is_run_id(run_id) and _TWELVE_DIGITS.fullmatch(rest) else None


def is_run_id(text: str) -> bool:
    """Whether this can be the id of a run: letters, digits, ``.``, ``_``, ``-``; at most 100."""
    return bool(_RUN_ID.fullmatch(text))


def run_time(run_id: str) -> datetime | None:
    """When a run began, by its id (``20261123T210713Z-1a2b3c4d``); None when the id does not say so."""
    match = _RUN_TIME.fullmatch(run_id)
    if not match:
        return None
    try:
        return datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
