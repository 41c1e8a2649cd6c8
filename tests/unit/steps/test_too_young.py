"""When a run has nothing to do because the newest backup is young enough, whatever the clocks say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from tidemark.repository import Backup
from tidemark.steps.restore import _too_young

pytestmark = pytest.mark.unit

HOUR = timedelta(hours=1)


class Newest:
    """All that is asked of a backup here."""

    number = 7

    def __init__(self, age: timedelta) -> None:
        self.finished_at = datetime.now(UTC) - age


@pytest.mark.parametrize(
    ("age", "min_interval", "young"),
    [
        (HOUR / 2, HOUR, True),
        (2 * HOUR, HOUR, False),
        (timedelta(seconds=-30), HOUR, True),  # two nodes' clocks are never the same
        (-3 * HOUR, HOUR, False),  # a clock was wrong; waiting until that time has come would be no backups for hours
        (timedelta(seconds=-30), timedelta(0), False),
        (-3 * HOUR, timedelta(0), False),
    ],
)
def test_a_backup_is_too_young_by_its_age_and_never_by_a_wrong_clock(
    age: timedelta, min_interval: timedelta, young: bool
) -> None:
    assert bool(_too_young(cast(Backup, Newest(age)), min_interval)) is young
