"""Which runs are lost, and when their requests are made again: functions from what is known to a plan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tidemark.fleet import RunRecord, retries

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def _run(silent_for: timedelta, node: str = "node1@a") -> RunRecord:
    then = NOW - silent_for
    return RunRecord(run="r1", shard="a/0", node=node, root="id", fence=1, started=then, updated=then)


@pytest.mark.parametrize(
    ("silent_for", "nodes", "held", "lost"),
    [
        (timedelta(minutes=5), set(), set(), True),
        (timedelta(minutes=5), {"node1@a"}, set(), False),
        (timedelta(minutes=5), {"node2@a"}, set(), True),
        (timedelta(hours=5), set(), {"r1"}, False),
        (timedelta(seconds=5), set(), set(), False),
    ],
    ids=["silent", "its node is there", "another node is there", "its lease is renewed", "a moment ago it was there"],
)
def test_a_run_is_lost_when_its_node_is_gone_nobody_renews_its_lease_and_it_is_silent(
    silent_for: timedelta, nodes: set[str], held: set[str], lost: bool
) -> None:
    from tidemark.queue.leftovers import select_lost

    run = _run(silent_for)

    assert select_lost([run], frozenset(nodes), frozenset(held), NOW) == ([run] if lost else [])


@pytest.mark.parametrize(("lost_runs", "minutes"), [(1, 1), (2, 2), (3, 4)])
def test_a_request_waits_twice_as_long_after_each_further_lost_run(lost_runs: int, minutes: int) -> None:
    assert retries.wait_after(lost_runs, timedelta(minutes=1)) == timedelta(minutes=minutes)


def test_a_request_that_is_made_again_is_what_was_asked_for() -> None:
    lost = _run(timedelta(0)).model_copy(update={"attempt": 2, "first_backup": "clone", "force": True})

    assert retries.Request.after(lost) == retries.Request(
        shard="a/0", root="id", attempt=3, first_backup="clone", force=True
    )
