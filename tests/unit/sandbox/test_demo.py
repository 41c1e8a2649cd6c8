"""The parts of the demo that need no server."""

from __future__ import annotations

import pytest

from sandbox.demo.proof import differences
from sandbox.demo.show import START_SECONDS, next_cycle

pytestmark = pytest.mark.unit


def test_equal_tables_have_no_differences() -> None:
    assert differences({"a.b": 1, "a.c": 0}, {"a.c": 0, "a.b": 1}) == []


@pytest.mark.parametrize(
    ("held", "line"),
    [
        ({"a.b": 2, "a.c": 0}, "a.b differs"),
        ({"a.b": 1}, "a.c is missing"),
        ({"a.b": 1, "a.c": 0, "x.y": 3}, "x.y should not be there"),
    ],
)
def test_a_table_that_is_not_as_it_was_is_named(held: dict[str, int], line: str) -> None:
    assert differences(held, {"a.b": 1, "a.c": 0}) == [line]


@pytest.mark.parametrize("now", [1_795_471_200.0 + 97 * n for n in range(50)])
def test_the_first_cycle_begins_soon_after_the_fleet_is_there(now: float) -> None:
    every = next_cycle(40, now)
    assert 40 <= every < 55
    ready = now + START_SECONDS
    assert -ready % every < 15
