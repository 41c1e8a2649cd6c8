"""The speed that is shown while a step runs."""

from __future__ import annotations

import pytest

from tasks.worker.progress import WINDOW, Rate
from tidemark.progress import Progress

pytestmark = pytest.mark.unit


def test_there_is_no_telling_after_one_sample() -> None:
    assert Rate().add(Progress("reading", 5, 10, "B"), 0.0) is None


def test_the_rate_is_units_per_second() -> None:
    rate = Rate()
    rate.add(Progress("reading", 0, 100, "B"), 0.0)

    assert rate.add(Progress("reading", 30, 100, "B"), 3.0) == 10.0


def test_a_new_phase_starts_over() -> None:
    rate = Rate()
    rate.add(Progress("reading", 0, 100, "B"), 0.0)

    assert rate.add(Progress("writing", 30, 100, "B"), 3.0) is None


def test_what_was_long_ago_does_not_count() -> None:
    rate = Rate()
    for second in range(100):
        rate.add(Progress("reading", second * 1000, None, "B"), float(second))
    for second in range(100, 100 + int(WINDOW) + 2):
        shown = rate.add(Progress("reading", 99_000 + (second - 99), None, "B"), float(second))

    assert shown is not None
    assert shown == pytest.approx(1.0)


def test_standing_still_has_no_rate() -> None:
    rate = Rate()
    rate.add(Progress("waiting", 7, None, "seconds"), 0.0)

    assert rate.add(Progress("waiting", 7, None, "seconds"), 9.0) is None
