"""The arithmetic of a fleet's cycle."""

from __future__ import annotations

import pytest

from tidemark.planning import Load, Rates, Work, cost, nodes_needed, shortest_cycle, simulate, typical, typical_of

pytestmark = pytest.mark.unit

HOUR = 3600.0


def works(count: int, seconds: float) -> list[Work]:
    return [Work(f"k/{number}", seconds / 2, 0.0, 0.0, seconds / 2) for number in range(count)]


def test_one_node_takes_the_sum_when_all_are_sent_at_once() -> None:
    found = simulate(works(10, 60.0), nodes=1, cycle=HOUR, window=0.0)
    assert found.longest == 600.0
    assert found.waited == 540.0
    assert found.busy == pytest.approx(600 / HOUR)
    assert found.fits


def test_a_node_per_shard_takes_as_long_as_the_longest() -> None:
    found = simulate([*works(9, 60.0), Work("k/large", 500.0, 0, 0, 0)], nodes=10, cycle=HOUR, window=0.0)
    assert (found.longest, found.waited) == (500.0, 0.0)


def test_a_fleet_that_is_too_small_falls_behind() -> None:
    assert not simulate(works(100, 600.0), nodes=10, cycle=HOUR).fits


def test_needed_nodes_are_the_fewest_with_room() -> None:
    for count, seconds in ((100, 600.0), (32, 2500.0), (1, 10.0), (7, 2800.0)):
        needed = nodes_needed(works(count, seconds), cycle=HOUR)
        assert needed is not None
        slow = [work.slower(1.25) for work in works(count, seconds)]
        assert simulate(slow, nodes=needed, cycle=HOUR).fits
        assert needed == 1 or not simulate(slow, nodes=needed - 1, cycle=HOUR).fits


def test_a_run_longer_than_the_cycle_cannot_be_helped() -> None:
    assert nodes_needed(works(3, 1.01 * HOUR), cycle=HOUR) is None
    assert nodes_needed(works(3, 0.9 * HOUR), cycle=HOUR) is None, "a quarter longer than usual it would not fit"


def test_shortest_cycle_is_one_that_fits() -> None:
    shortest = shortest_cycle(works(100, 600.0), nodes=10)
    assert 6000.0 <= shortest < 6700.0
    assert simulate(works(100, 600.0), nodes=10, cycle=shortest).fits


def test_the_slower_of_link_and_processor_counts() -> None:
    load = Load("k/0", bytes=100e9, changed=0.1, ratio=0.5)
    slow_link = cost(load, Rates(download=100e6, upload=100e6, open=1e9, hash=5e9, seal=0.5e9, fixed=0))
    assert slow_link.restore == 500.0
    assert slow_link.upload == 50.0
    fast_link = cost(load, Rates(download=10e9, upload=10e9, open=1e9, hash=5e9, seal=0.5e9, fixed=0))
    assert fast_link.restore == 100.0
    assert fast_link.upload == pytest.approx(90e9 / 5e9 + 10e9 / 0.5e9)


def test_a_kept_folder_spares_the_unchanged_part() -> None:
    rates = Rates(download=100e6, upload=100e6, open=1e9, hash=5e9, seal=0.5e9)
    fresh, kept = (cost(Load("k/0", 100e9, changed=0.01, kept=part), rates).restore for part in (0.0, 1.0))
    assert kept < fresh / 4


def test_typical_runs() -> None:
    runs = [{"restore": s, "catchup": 1.0, "stop": 1.0, "upload": 2.0} for s in (10.0, 11.0, 900.0)]
    work = typical("k/0", [*runs, {"restore": 1.0}])
    assert work == Work("k/0", 11.0, 1.0, 1.0, 2.0)
    assert typical("k/0", [{"restore": 1.0}]) is None
    assert typical_of("k/1", [work, work.slower(3)]) == Work("k/1", 22.0, 2.0, 2.0, 4.0)
    assert work.scaled(size=2, writes=3) == Work("k/0", 22.0, 3.0, 1.0, 4.0)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="nodes and shards"):
        simulate([], nodes=1, cycle=HOUR)
