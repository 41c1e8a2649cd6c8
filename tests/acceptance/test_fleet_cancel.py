"""``tidemark cancel`` against real workers: what runs ends, what waits goes, whoever asked for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from celery import states
from celery.exceptions import TaskRevokedError

from tests.support.fleet import Fleet
from tests.support.needs import need_program
from tidemark import fleet as fleet_room

pytestmark = pytest.mark.acceptance

A, B, C, D = "single/a", "single/b", "single/c", "single/d"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    need_program("redis-server")
    with Fleet(tmp_path_factory.mktemp("fleet")) as made:
        made.add_shards([A, B, C, D])
        made.environment_of["node1"] = {"RETRY_AFTER": "600"}
        made.start_nodes("node1")
        yield made


def test_what_runs_ends_and_what_waits_goes_whoever_enqueued_it(fleet: Fleet) -> None:
    fleet.order(A, "catchup", "hang")
    first = fleet.enqueue(A)
    run = fleet.wait_event(A, "catchup")["run"]
    scheduled, again, other = fleet.enqueue(A, priority=6), fleet.enqueue(A), fleet.enqueue(B)

    (plan,) = fleet.project.json("cancel", A, "--dry-run")
    assert first.state == states.STARTED
    done = fleet.project.tidemark("cancel", A, "--wait", "--reason", "the primary moves")

    assert done.returncode == 0, done.stderr
    assert [(found["run"], found["id"], found["node"], found["step"]) for found in plan["runs"]] == [
        (run, first.id, "node1@test", "catchup")
    ]
    assert plan["waiting"] == [again.id, scheduled.id]
    assert f"{A}: ended: run {run} on node node1@test, at step catchup" in done.stdout
    assert f"{A}: taken out of the queue: {again.id}" in done.stdout
    for result in (first, scheduled, again):
        fleet.wait_revoked(result)
        with pytest.raises(TaskRevokedError, match=r"the primary moves|the run was revoked"):
            result.get(timeout=10)
    assert fleet.clean(A)
    record = fleet_room.records.get(fleet.redis, run)
    assert record is not None
    assert (record.state, record.error) == ("revoked", "the primary moves")
    assert record.cleared is not None
    assert other.get(timeout=30)["number"] == 42
    assert [event["shard"] for event in fleet.events("begins") if event["step"] == "upload"] == [B]


def test_a_step_that_waits_for_the_store_is_ended_without_waiting_for_it(fleet: Fleet) -> None:
    order = fleet.order(C, "upload", "away")
    result = fleet.enqueue(C)
    fleet.wait_event(C, "upload", "raises StorageUnavailable")

    fleet.project.json("cancel", C, "--wait")

    fleet.wait_revoked(result)
    assert fleet.clean(C)
    order.unlink()
    assert fleet.enqueue(C).get(timeout=30)["number"] == 42


def test_nothing_to_cancel_is_no_error_and_says_so(fleet: Fleet) -> None:
    done = fleet.project.tidemark("cancel", B)

    assert (done.returncode, done.stdout) == (0, f"{B}: nothing is running and nothing is waiting\n")
    assert fleet.project.tidemark("cancel", "no/such").returncode == 1


def test_a_run_of_a_node_that_is_gone_is_cancelled_and_cleared_when_the_node_comes_back(fleet: Fleet) -> None:
    hang = fleet.order(D, "restore", "hang")
    result = fleet.enqueue(D)
    run = fleet.wait_event(D, "restore")["run"]
    fleet.kill("node1")
    fleet.redis.delete(fleet_room.keys.node("node1@test"))
    waiting = fleet.enqueue(D)

    (told,) = fleet.project.json("cancel", D, "--wait")

    assert told["runs"][0]["node_is_there"] is False
    assert told["waiting"] == [waiting.id]
    assert [str(result.state), str(waiting.state)] == [states.REVOKED] * 2
    assert fleet_room.leases.holder(fleet.redis, D) is None
    hang.unlink()
    fleet.start_nodes("node1")
    fleet.wait_clean(D)
    assert str(result.state) == states.REVOKED
    assert [event["run"] for event in fleet.events("begins") if event["shard"] == D] == [run]
    assert fleet.enqueue(D).get(timeout=30)["number"] == 42


def test_a_retry_enqueues_what_failed_and_nothing_else(fleet: Fleet) -> None:
    order = fleet.order(B, "stop", "fail")
    with pytest.raises(Exception, match="told to fail"):
        fleet.enqueue(B).get(timeout=30)
    fleet.wait_clean(B)
    order.unlink()

    before = [event for event in fleet.events("ends") if (event["shard"], event["step"]) == (B, "upload")]
    assert fleet.control("retry_failed()") == [B]
    fleet.wait_event(B, "upload", "ends", times=len(before) + 1)
    fleet.stop("node1", signal.SIGTERM)
    assert fleet.control("retry_failed()") == []
