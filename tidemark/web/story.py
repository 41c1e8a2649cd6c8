"""What a shard's own page shows: how it is, and what its runs were like. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tidemark.fleet import RunFigures, ShardView
from tidemark.fleet.health import Thresholds
from tidemark.web import board
from tidemark.web.board import Row, Value


class Story(Value):
    """All about one shard."""

    at: datetime
    """When this was so, UTC."""
    row: Row
    limits: Thresholds
    position: str
    """The GTID position of the newest backup."""
    runs: tuple[RunFigures, ...]
    """The runs that have ended, oldest first."""


def tell(
    view: ShardView,
    runs: Sequence[RunFigures],
    limits: Thresholds,
    now: datetime,
    *,
    waiting: str | None = None,
) -> Story:
    """``runs`` as the fleet has them, newest first. ``now`` is in UTC."""
    return Story(
        at=now,
        row=board.row(view, limits, now, waiting=waiting),
        limits=limits,
        position=view.newest.position if view.newest else "",
        runs=tuple(reversed(runs)),
    )
