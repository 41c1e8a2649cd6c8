"""Who does what when: real workers, real Redis, steps that only say that they were there."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Iterator

import pytest
from celery import states

from tests.support.fleet import Fleet
from tests.support.needs import need_program
from tests.support.waiting import wait_until
from tidemark import fleet as fleet_room
from tidemark.errors import ReplicationFailed, StorageUnavailable, UnknownShard

pytestmark = pytest.mark.acceptance

STEPS = ["restore", "catchup", "stop", "upload"]
SIX = [f"commerce/{letter}" for letter in "abcdef"]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    need_program("redis-server")
    with Fleet(tmp_path_factory.mktemp("fleet")) as made:
        made.add_shards(
            [
                *SIX,
                *(
                    f"single/{name}"
                    for name in ("ok", "twice", "skip", "fail", "bug", "lost", "revoke", "root", "away", "gone")
                ),
            ]
        )
        made.start_nodes("node1", "node2")
        yield made


def test_two_nodes_do_six_shards_twice_and_no_chain_is_split_or_interleaved(fleet: Fleet) -> None:
    for shard in SIX:
        for step in STEPS:
            fleet.order(shard, step, "0.02")
    before = len(fleet.events())

    first = [fleet.enqueue(shard, priority=6) for shard in SIX]
    values = [result.get(timeout=90) for result in first]
    second = [fleet.enqueue(shard) for shard in SIX]
    values += [result.get(timeout=90) for result in second]

    assert [value["shard"] for value in values] == SIX * 2
    by_node = defaultdict(list)
    for event in fleet.events()[before:]:
        by_node[event["node"]].append((event["run"], event["step"], event["event"]))
    whole = [(step, what) for step in STEPS for what in ("begins", "ends")]
    assert set(by_node) == {"node1@test", "node2@test"}
    for seen in by_node.values():
        chains = [seen[i : i + len(whole)] for i in range(0, len(seen), len(whole))]
        assert all([(step, what) for _, step, what in chain] == whole for chain in chains)
        assert all(len({run for run, _, _ in chain}) == 1 for chain in chains)
    assert sum(len(seen) for seen in by_node.values()) == 12 * len(whole)


def test_the_result_of_the_id_that_was_enqueued_is_the_runs(fleet: Fleet) -> None:
    result = fleet.enqueue("single/ok")

    value = result.get(timeout=60)

    assert (value["shard"], value["number"], value["position"]) == ("single/ok", 42, "0-1-42")
    assert (value["bytes"], value["stored_bytes"]) == (1000, 10)
    assert set(value["seconds"]) == set(STEPS)
    fleet.wait_clean("single/ok")
    record = fleet_room.records.history(fleet.redis, "single/ok")[0]
    assert (record.state, record.root, record.result) == ("succeeded", result.id, value)
    view = fleet_room.metrics.views(fleet.redis, ["single/ok"])[0]
    assert view.newest is not None
    assert view.newest.number == 42
    assert view.proven is not None
    assert view.proven.number == 41
    assert (view.transactions, view.failures, view.running, list(view.steps)) == (7, 0, None, STEPS)


def test_a_shard_that_is_enqueued_twice_runs_once_and_the_second_says_why_it_did_nothing(fleet: Fleet) -> None:
    hang = fleet.order("single/twice", "catchup", "hang")
    first = fleet.enqueue("single/twice")
    run = fleet.wait_event("single/twice", "catchup")["run"]

    second = fleet.enqueue("single/twice").get(timeout=30)
    assert first.state == states.STARTED
    hang.unlink()

    assert first.get(timeout=30)["run"] == run
    assert second["shard"] == "single/twice"
    assert second["skipped"].startswith(f"single/twice is being backed up by run {run} on node node")
    assert second["skipped"].endswith(", at step catchup")


def test_a_run_with_nothing_to_do_says_so(fleet: Fleet) -> None:
    fleet.order("single/skip", "restore", "skip")

    value = fleet.enqueue("single/skip").get(timeout=30)

    assert value["skipped"] == "told to skip"
    assert "number" not in value
    assert fleet_room.metrics.views(fleet.redis, ["single/skip"])[0].last_skip == "told to skip"
    fleet.wait_clean("single/skip")


def test_progress_is_seen_while_a_step_runs(fleet: Fleet) -> None:
    hang = fleet.order("single/ok", "upload", "hang")
    result = fleet.enqueue("single/ok")

    def seen() -> bool:
        view = fleet_room.metrics.views(fleet.redis, ["single/ok"])[0]
        return bool(view.running and view.running.step == "upload" and view.progress and view.progress.rate)

    wait_until(seen, 30, "the view shows the upload's speed")
    wait_until(lambda: (result.info or {}).get("step") == "upload", 30, "the id shows its progress")
    assert result.state == states.STARTED
    hang.unlink()
    assert result.get(timeout=30)["number"] == 42


def test_a_failing_step_is_the_failure_of_the_run_and_everything_is_cleaned(fleet: Fleet) -> None:
    fleet.order("single/fail", "catchup", "fail")
    result = fleet.enqueue("single/fail")

    with pytest.raises(ReplicationFailed) as caught:
        result.get(timeout=30)

    assert caught.value.message == "single/fail: told to fail"
    assert caught.value.hint == "tell it something else"
    fleet.wait_clean("single/fail")
    record = fleet_room.records.history(fleet.redis, "single/fail")[0]
    assert (record.state, record.step) == ("failed", "catchup")
    assert (record.error, record.hint) == (caught.value.message, caught.value.hint)
    view = fleet_room.metrics.views(fleet.redis, ["single/fail"])[0]
    assert (view.failures, view.last_error and view.last_error.step) == (1, "catchup")
    assert not [event for event in fleet.events() if (event["shard"], event["step"]) == ("single/fail", "stop")]


def test_a_step_is_tried_again_while_the_store_is_away_and_no_other_chain_slips_in_between(fleet: Fleet) -> None:
    order = fleet.order("single/away", "upload", "away")
    result = fleet.enqueue("single/away")
    node = fleet.wait_event("single/away", "upload", "raises StorageUnavailable")["node"]
    others = [fleet.enqueue(shard) for shard in SIX]
    fleet.wait_event("single/away", "upload", "raises StorageUnavailable", times=2)
    order.unlink()

    assert result.get(timeout=60)["number"] == 42
    for other in others:
        other.get(timeout=60)
    seen = [event["shard"] for event in fleet.events() if event["node"] == node]
    first, last = seen.index("single/away"), len(seen) - seen[::-1].index("single/away")
    assert set(seen[first:last]) == {"single/away"}
    counts, _ = fleet_room.counters.read(fleet.redis, ["single/away"])
    assert counts["single/away"].storage_retries["upload"] >= 2


def test_a_store_that_stays_away_fails_the_run(fleet: Fleet) -> None:
    fleet.order("single/gone", "restore", "away")

    with pytest.raises(StorageUnavailable, match="the store does not answer"):
        fleet.enqueue("single/gone").get(timeout=60)

    fleet.wait_clean("single/gone")
    attempts = [e for e in fleet.events("begins") if e["shard"] == "single/gone"]
    assert [attempt["step"] for attempt in attempts] == ["restore"] * 4


def test_a_mistake_of_ours_fails_the_run_as_well(fleet: Fleet) -> None:
    fleet.order("single/bug", "stop", "bug")

    with pytest.raises(ValueError, match="a mistake of ours"):
        fleet.enqueue("single/bug").get(timeout=30)

    fleet.wait_clean("single/bug")


def test_a_shard_that_is_not_configured_fails_before_anything_is_made(fleet: Fleet) -> None:
    with pytest.raises(UnknownShard, match="single/nothing"):
        fleet.enqueue("single/nothing").get(timeout=30)


def test_a_step_whose_process_is_killed_fails_the_run_and_the_next_one_succeeds(fleet: Fleet) -> None:
    hang = fleet.order("single/lost", "stop", "hang")
    result = fleet.enqueue("single/lost")
    pid = fleet.wait_event("single/lost", "stop")["pid"]

    os.kill(pid, signal.SIGKILL)

    with pytest.raises(Exception, match="exited prematurely"):
        result.get(timeout=60)
    fleet.wait_clean("single/lost")
    hang.unlink()
    assert fleet.enqueue("single/lost").get(timeout=30)["number"] == 42
    assert len([e for e in fleet.events("begins") if (e["shard"], e["step"]) == ("single/lost", "stop")]) == 2


def test_terminating_the_running_step_cleans_up_and_settles_the_whole_chain_as_revoked(fleet: Fleet) -> None:
    fleet.order("single/revoke", "catchup", "hang")
    result = fleet.enqueue("single/revoke")
    fleet.wait_event("single/revoke", "catchup")
    active = fleet.client.control.inspect(timeout=3).active() or {}
    running = next(t["id"] for tasks in active.values() for t in tasks if t["args"][0] == "single/revoke")

    fleet.client.control.revoke(running, terminate=True)

    fleet.wait_revoked(result)
    fleet.wait_clean("single/revoke")
    assert fleet_room.records.history(fleet.redis, "single/revoke")[0].state == "revoked"
    assert fleet_room.metrics.views(fleet.redis, ["single/revoke"])[0].running is None


def test_revoking_the_id_that_was_enqueued_ends_the_step_that_runs(fleet: Fleet) -> None:
    fleet.order("single/root", "restore", "hang")
    result = fleet.enqueue("single/root")
    fleet.wait_event("single/root", "restore")

    fleet.client.control.revoke(result.id, terminate=True)

    fleet.wait_revoked(result)
    fleet.wait_clean("single/root")
