"""Whose turn it is: functions from what waits and what runs to a plan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tidemark.config import FleetSettings
from tidemark.fleet import turns
from tidemark.fleet.turns import Load, Waiting

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)


def _load(name: str, *hosts: str) -> Load:
    return Load(frozenset(hosts or ("db1",)), name.split("/")[0])


def _waiting(name: str, hours: float | None, *hosts: str) -> Waiting:
    newest = None if hours is None else NOW - timedelta(hours=hours)
    return Waiting(f"id of {name}", name, _load(name, *hosts), newest)


def test_the_shard_with_the_oldest_newest_backup_goes_first_and_one_without_any_before_it() -> None:
    fresh, stale, never = _waiting("a/1", 1), _waiting("a/2", 30), _waiting("a/3", None)

    assert turns.plan([fresh, stale], [], FleetSettings()).next == stale
    assert turns.plan([fresh, stale, never], [], FleetSettings()).next == never


def test_of_equals_the_first_in_the_queue_goes_first() -> None:
    first, second = _waiting("a/1", None), _waiting("a/2", None)

    assert turns.plan([first, second], [], FleetSettings()).next == first


def test_without_anything_waiting_it_is_nobodys_turn() -> None:
    assert turns.plan([], [], FleetSettings(max_per_host=1)) == turns.Turn(None)


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        ({"max_per_host": 2}, "the bound for db1 is reached: 2 running ([fleet] max_per_host = 2)"),
        ({"max_per_keyspace": 1}, "the bound for a is reached: 1 running ([fleet] max_per_keyspace = 1)"),
    ],
)
def test_a_request_over_a_bound_lets_the_next_one_go_first(bounds: dict[str, int], reason: str) -> None:
    running = [_load("a/8", "db1"), _load("b/9", "db1")]
    stale, fresh = _waiting("a/1", 30, "db1"), _waiting("c/1", 1, "db2")

    assert turns.plan([stale, fresh], running, FleetSettings(**bounds)) == turns.Turn(fresh, ((stale, reason),))
    assert turns.plan([stale], running, FleetSettings(**bounds)).next is None


def test_a_run_counts_at_every_host_that_it_could_read_from() -> None:
    first, second, elsewhere = (
        _waiting("a/1", 9, "db1", "db2"),
        _waiting("b/1", 8, "db3", "db2"),
        _waiting("c/1", 7, "db4", "db5"),
    )
    bounds = FleetSettings(max_per_host=1)

    assert turns.fitting([first, second, elsewhere], [], bounds) == [first, elsewhere]
    turn = turns.plan([second, elsewhere], [first.load], bounds)
    assert turn.next == elsewhere
    assert turn.over == ((second, "the bound for db2 is reached: 1 running ([fleet] max_per_host = 1)"),)


def test_no_host_ever_serves_more_than_its_bound_wherever_the_primaries_are() -> None:
    groups = [("db1", "db2"), ("db2", "db3"), ("db3", "db1"), ("db4",), ("db1", "db4")]
    waiting = [_waiting(f"k/{i}", i, *groups[i % len(groups)]) for i in range(40)]

    begun = turns.fitting(waiting, [], FleetSettings(max_per_host=3))

    for host in ("db1", "db2", "db3", "db4"):
        assert 1 <= sum(host in request.load.hosts for request in begun) <= 3, "even if it were the primary of all"


def test_as_many_go_on_as_there_is_room_for_together_the_stalest_first() -> None:
    waiting = [_waiting("a/1", 1), _waiting("a/2", 9), _waiting("a/3", 5), _waiting("b/1", 2, "db2")]
    running = [_load("a/8")]

    fitting = turns.fitting(waiting, running, FleetSettings(max_per_host=2, max_per_keyspace=3))

    assert [request.shard for request in fitting] == ["a/2", "b/1"]
    assert len(turns.fitting(waiting, running, FleetSettings())) == 4


def test_what_a_node_has_kept_goes_before_what_is_a_little_staler_and_never_before_what_is_much_staler() -> None:
    stale, older, kept = _waiting("a/1", 9), _waiting("a/2", 8), _waiting("a/3", 7)

    def first(*waiting: Waiting, hours: float) -> Waiting | None:
        patience = timedelta(hours=hours)
        return turns.plan(waiting, [], FleetSettings(), kept={"a/3", "x/1"}, patience=patience).next

    assert first(stale, older, kept, hours=2) == kept
    assert first(stale, older, kept, hours=1.9) == stale
    assert first(stale, older, hours=12) == stale
    assert first(_waiting("a/4", None), stale, kept, hours=12) == _waiting("a/4", None), "it has no backup at all"


def test_of_several_kept_ones_the_stalest_goes_first_and_one_over_a_bound_waits_as_others_do() -> None:
    waiting = [_waiting("b/1", 9, "db2"), _waiting("a/1", 5), _waiting("b/2", 7, "db2"), _waiting("a/2", 8)]
    kept, patience = {"a/1", "a/2", "b/2"}, timedelta(hours=6)

    assert turns.plan(waiting, [], FleetSettings(), kept=kept, patience=patience).next == waiting[3]
    bound = turns.plan(waiting, [_load("a/8")], FleetSettings(max_per_host=1), kept=kept, patience=patience)
    assert bound.next == waiting[2]
    assert [request.shard for request, _ in bound.over] == ["a/1", "a/2"]
