"""Whose turn it is when nodes are scarce: real workers, real Redis, steps that only say that they were there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from celery import states

from tests.support.fleet import Fleet
from tests.support.needs import need_program
from tests.support.waiting import wait_until
from tidemark.fleet import keys, metrics

pytestmark = pytest.mark.acceptance

STALENESS = ["tide/c", "tide/f", "tide/a", "tide/e", "tide/b", "tide/d"]
"""The stalest first."""


@pytest.fixture
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    need_program("redis-server")
    with Fleet(tmp_path_factory.mktemp("fleet")) as made:
        made.add_shards([*sorted(STALENESS), "other/x"])
        yield made


def _age(fleet: Fleet, shard: str, hours: float) -> None:
    finished = datetime.now(UTC) - timedelta(hours=hours)
    newest = metrics.NewestBackup(number=7, position="0-1-7", finished_at=finished, bytes=1, stored_bytes=1)
    metrics.set_newest(fleet.redis, shard, newest)


def _begun(fleet: Fleet) -> list[str]:
    return [event["shard"] for event in fleet.events("begins") if event["step"] == "restore"]


def test_the_stalest_shard_goes_first_and_what_people_ask_for_before_it(fleet: Fleet) -> None:
    for hours, shard in enumerate(reversed(STALENESS[1:]), 1):
        _age(fleet, shard, hours)  # the first of all has no backup yet
    scheduled = [fleet.enqueue(shard, priority=6) for shard in sorted(STALENESS)]
    by_hand = fleet.enqueue("other/x")
    waits = fleet.project.json("queue")
    assert [one["shard"] for one in waits] == ["other/x", *STALENESS]
    assert [one["id"] for one in waits if not one["scheduled"]] == [by_hand.id]

    fleet.start_nodes("node1", "node2")

    values = {result.id: result.get(timeout=60) for result in [*scheduled, by_hand]}
    begun = _begun(fleet)
    # Two nodes begin at the same time: neighbours may have changed places in the list of events.
    assert all(abs(begun.index(shard) - place) <= 1 for place, shard in enumerate(["other/x", *STALENESS]))
    assert len(begun) == 7
    assert [values[result.id]["shard"] for result in scheduled] == sorted(STALENESS)
    for shard in STALENESS:
        fleet.wait_clean(shard)
    assert not fleet.redis.exists(keys.TURN, keys.PARKED, "unacked")


def test_a_node_begins_with_what_it_has_kept_while_nobody_waits_for_long(fleet: Fleet) -> None:
    fleet.project.set("node", keep=True)
    fleet.project.set("cycle", every="12h")
    for hours, shard in enumerate(reversed(STALENESS[1:]), 1):
        _age(fleet, shard, hours)
    for shard in ("tide/b", "tide/d"):
        (fleet.project.scratch / "kept" / shard).mkdir(parents=True)
    scheduled = [fleet.enqueue(shard, priority=6) for shard in sorted(STALENESS)]

    fleet.start_nodes("node1")

    for result in scheduled:
        result.get(timeout=60)
    # Without any backup; kept, 2 h old; 5 h; kept, 1 h, when the stalest is 4 h; the others.
    assert _begun(fleet) == ["tide/c", "tide/b", "tide/f", "tide/d", "tide/a", "tide/e"]


def test_a_shard_over_the_bound_of_its_host_waits_without_holding_a_node(fleet: Fleet) -> None:
    fleet.project.set("fleet", max_per_host=1, max_per_keyspace=5)
    fleet.project.set_shard("other/x", host="localhost")
    fleet.start_nodes("node1", "node2")
    hang = fleet.order("tide/a", "catchup", "hang")
    first = fleet.enqueue("tide/a")
    fleet.wait_event("tide/a", "catchup")

    others = [fleet.enqueue(shard, priority=priority) for shard, priority in (("tide/b", 0), ("tide/c", 6))]
    elsewhere = fleet.enqueue("other/x", priority=6)
    assert elsewhere.get(timeout=30)["number"] == 42
    wait_until(lambda: fleet.redis.hlen(keys.PARKED) == 2, 30, "both wait for room")
    assert [str(other.state) for other in others] == [states.PENDING] * 2
    assert others[0].info == {
        "shard": "tide/b",
        "waiting": "the bound for 127.0.0.1 is reached: 1 running ([fleet] max_per_host = 1)",
    }
    assert {one["id"]: one["reason"] for one in fleet.project.json("queue")} == {
        other.id: "the bound for 127.0.0.1 is reached: 1 running ([fleet] max_per_host = 1)" for other in others
    }
    (dropped,) = fleet.project.json("cancel", "tide/c")
    assert dropped["waiting"] == [others[1].id]
    hang.unlink()

    assert [result.get(timeout=60)["number"] for result in (first, others[0])] == [42, 42]
    fleet.wait_revoked(others[1])
    more = [fleet.enqueue(shard, priority=6) for shard in ("tide/d", "tide/e", "tide/f", "tide/b")]
    assert [result.get(timeout=60)["number"] for result in more] == [42] * 4
    at_once = most = 0
    for event in fleet.events():
        if event["shard"].startswith("tide/") and (event["step"], event["event"]) in {
            ("restore", "begins"),
            ("upload", "ends"),
        }:
            at_once += 1 if event["event"] == "begins" else -1
            most = max(most, at_once)
    assert (at_once, most) == (0, 1)
    wait_until(lambda: not fleet.redis.exists(keys.TURN, keys.PARKED, "unacked"), 30, "nothing is left in Redis")
