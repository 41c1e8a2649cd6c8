"""How long a bridge is, from what a source has said of its binary logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from tidemark.mysql import Bridge, Source
from tidemark.mysql.replication.binlogs import first_needed
from tidemark.steps import bridges

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
DAY = 86400
BACKUP = NOW - timedelta(hours=12)


def bridge(*, oldest: timedelta | None, retention: int | None, purged: bool = True) -> Bridge:
    return Bridge("binlog.000007", None if oldest is None else NOW - oldest, 9, 3, retention, purged)


@pytest.mark.parametrize(
    ("oldest", "retention", "purged", "seconds"),
    [
        (timedelta(days=3), 0, True, 2.5 * DAY),  # what is there
        (timedelta(days=3), DAY, True, 0.5 * DAY),  # what will be left of it
        (timedelta(hours=13), 3 * DAY, True, 3600),  # something else removes more
        (timedelta(hours=13), 3 * DAY, False, 2.5 * DAY),  # a young source: nothing was removed yet
        (timedelta(hours=13), 0, False, None),  # nothing ever is
        (None, None, True, None),  # nothing was said
        (timedelta(hours=13), 3600, False, 3600.0 - 43200),  # only luck has kept them
    ],
)
def test_a_bridge_ends_where_the_first_reason_ends_it(
    oldest: timedelta | None, retention: int | None, purged: bool, seconds: float | None
) -> None:
    assert bridge(oldest=oldest, retention=retention, purged=purged).seconds(BACKUP, NOW) == seconds


class Asked:
    """A source that is asked what stands before which of its logs; a position is the number of the log it needs."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def begins_within(self, log: str, position: str) -> bool:
        self.asked.append(log)
        return int(log[-6:]) <= int(position)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9])
def test_the_first_log_that_is_needed_is_found_with_few_questions(count: int) -> None:
    names = [f"binlog.{number:06d}" for number in range(count)]
    for needed in range(count):
        source = Asked()

        assert first_needed(cast(Source, source), names, str(needed)) == needed
        assert len(source.asked) <= 4


def test_a_bridge_that_one_missed_cycle_would_break_is_told() -> None:
    seen = bridge(oldest=timedelta(hours=13), retention=13 * 3600)
    cycle = timedelta(hours=12)

    said = bridges.warn(seen, 3600.0, cycle, "10.0.0.7:3306")

    assert "been 1.0 h older, 10.0.0.7:3306 would no longer" in said
    assert "binlog.000007, begun 2026-11-25 23:00 UTC" in said
    assert "keeps them for 13.0 h" in said
    assert "Less than 12.0 h is too close (min_bridge): raise binlog_expire_logs_seconds" in said
    assert bridges.warn(seen, 43200.0, cycle, "10.0.0.7:3306") == ""
    assert bridges.warn(seen, None, cycle, "10.0.0.7:3306") == ""
    assert "removes none by age" in bridges.warn(bridge(oldest=None, retention=0), -5.0, cycle, "a:1")
