"""``tidemark run`` and ``status`` against a living fleet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.primary import Primary
from sandbox.workload import fill
from tests.support.fleet import Fleet
from tests.support.needs import need_flavour, need_program
from tests.support.waiting import wait_until

pytestmark = pytest.mark.acceptance

SHARD, OTHER = "maria/a", "maria/b"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    need_flavour("mariadb")
    need_program("redis-server")
    with (
        Primary(tmp_path_factory.mktemp("mariadb"), "mariadb") as primary,
        Fleet(tmp_path_factory.mktemp("fleet"), app="tasks") as fleet,
    ):
        fill(primary, 2)
        user, password = primary.create_backup_account()
        for name in (SHARD, OTHER):
            fleet.project.add(name, port=primary.port, user=user, password=password)
        fleet.start_nodes("node1")
        yield fleet


def test_a_run_is_waited_for(fleet: Fleet) -> None:
    outcomes = fleet.project.json("run", SHARD, OTHER, "--wait")

    assert [(outcome["shard"], outcome["state"]) for outcome in outcomes] == [(SHARD, "SUCCESS"), (OTHER, "SUCCESS")]
    assert all(outcome["result"]["number"] == 1 for outcome in outcomes)


def test_a_run_with_nothing_to_do_says_why(fleet: Fleet) -> None:
    fleet.project.json("run", SHARD, "--wait")
    fleet.project.set("cycle", min_interval="1h")
    try:
        (outcome,) = fleet.project.json("run", SHARD, "--wait")
        (forced,) = fleet.project.json("run", SHARD, "--wait", "--force")
    finally:
        fleet.project.set("cycle", min_interval="0s")

    assert outcome["state"] == "SUCCESS"
    assert "cycle.min_interval" in outcome["result"]["skipped"]
    assert forced["result"]["number"] > 1


def test_status_says_what_there_is_and_rescan_finds_it_again(fleet: Fleet) -> None:
    fleet.project.json("run", SHARD, "--wait")
    before = {view["shard"]: view for view in fleet.project.json("status")}
    assert before[SHARD]["newest"]["number"] == fleet.project.json("backups", SHARD)[-1]["number"]

    fleet.redis.flushall()
    empty = fleet.project.tidemark("status", "--json")
    assert empty.returncode == 1
    assert {view["newest"] for view in json.loads(empty.stdout)} == {None}
    assert f"LATE: 2 of 2 shards over the limit: {SHARD} (no backup), {OTHER} (no backup)" in empty.stderr
    after = {view["shard"]: view for view in fleet.project.json("status", "--rescan")}

    assert after[SHARD]["newest"] == before[SHARD]["newest"]
    assert after[SHARD]["proven"]["number"] == before[SHARD]["proven"]["number"]


def test_the_status_of_a_shard_is_a_line_of_a_table(fleet: Fleet) -> None:
    fleet.project.json("run", SHARD, "--wait")
    done = fleet.project.tidemark("status")

    (line,) = [line for line in done.stdout.splitlines() if line.strip().startswith(SHARD)]
    assert "idle" in line
    assert "2 of 2 shards have a backup" in done.stdout
    assert " node" in done.stdout
    assert done.returncode == 0


def test_a_shard_over_its_limit_is_named_on_one_line_and_by_the_exit_status(fleet: Fleet) -> None:
    fleet.project.json("run", SHARD, OTHER, "--wait")
    assert fleet.project.tidemark("status", "--brief").stdout.startswith("OK: 2 shards")

    fleet.project.set("alert", max_age="0.001s")
    try:
        done = fleet.project.tidemark("status", SHARD, "--brief")
        late = fleet.project.tidemark("status", "maria/*", "--state", "late", "--sort", "age", "--json")
    finally:
        fleet.project.set("alert", max_age="1d")

    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"LATE: 1 of 1 shards over the limit: {SHARD} (newest backup ")
    assert late.returncode == 1
    views = json.loads(late.stdout)
    assert [view["state"] for view in views] == ["late", "late"]
    assert views[0]["age_seconds"] >= views[1]["age_seconds"]
    assert views[0]["troubles"][0]["kind"] == "age"
    assert fleet.project.tidemark("status", "nothing/*").returncode == 1


def test_a_run_that_fails_is_told_with_its_error_and_its_hint(fleet: Fleet) -> None:
    # A primary that is away is waited for as long as a catch-up may stall.
    fleet.project.set_shard(OTHER, port=1, stall_timeout="2s")
    try:
        done = fleet.project.tidemark("run", OTHER, "--wait", "--json")
    finally:
        fleet.project.set_shard(OTHER, port=fleet.project.shards[SHARD]["port"], stall_timeout="5m")

    assert done.returncode == 1
    (outcome,) = json.loads(done.stdout)
    assert outcome["state"] == "FAILURE"
    assert "127.0.0.1:1" in outcome["error"]
    assert outcome["hint"]
    assert "1 of 1 runs failed: maria/b" in done.stderr


def test_a_shard_is_shown_with_its_runs_and_backups(fleet: Fleet) -> None:
    fleet.project.json("run", SHARD, "--wait")
    shown = fleet.project.json("show", SHARD)
    newest = shown["history"][0]
    assert newest["number"] == shown["view"]["newest"]["number"] == shown["backups"][-1]["number"]
    assert newest["restored"] == shown["view"]["proven"]["number"] == newest["number"] - 1
    assert set(newest["seconds"]) == {"restore", "catchup", "stop", "upload"}
    assert newest["bytes"] == shown["backups"][-1]["bytes"]
    assert newest["lag_seconds"] > 0

    text = fleet.project.tidemark("show", SHARD).stdout
    for word in (SHARD, "safe", "position", "proven", "duration", "▁", "succeeded", "restore", "backups;"):
        assert word in text


def test_a_run_is_watched_from_its_first_line_to_its_last(fleet: Fleet) -> None:
    """Started for all, by nobody else; seen by status within two seconds; its log followed to the end."""
    assert fleet.project.tidemark("run").returncode == 2
    plan = fleet.project.json("run", "--all", "--dry-run")
    assert [(entry["shard"], entry["running"]) for entry in plan] == [(SHARD, False), (OTHER, False)]
    number = {view["shard"]: view["newest"]["number"] for view in fleet.project.json("status")}

    done = fleet.project.tidemark("run", "--all", "--wait")
    after = {view["shard"]: view for view in fleet.project.json("status")}

    assert done.returncode == 0, done.stderr
    assert f"{SHARD}: SUCCESS" in done.stderr
    assert "(2 of 2)" in done.stderr
    for shard in (SHARD, OTHER):
        assert after[shard]["newest"]["number"] == number[shard] + 1
        assert (after[shard]["state"], after[shard]["running"]) == ("idle", None)
    lines = fleet.project.tidemark("logs", SHARD, "--follow").stdout
    for step in ("restore", "catchup", "stop", "upload"):
        assert f" {step:<8} node1@test   begins" in lines
    assert fleet.project.tidemark("logs", SHARD, "--run", "20200101T000000Z-00000000").returncode == 1


def test_the_nodes_say_what_they_are(fleet: Fleet) -> None:
    # A test before this one may have emptied Redis; the node says again that it is there.
    wait_until(lambda: fleet.project.json("nodes"), 60, "the node gives a sign of life")
    (node,) = fleet.project.json("nodes")

    assert (node["name"], node["there"], node["run"]) == ("node1@test", True, None)
    assert node["version"]
    assert 0 < node["scratch_free"] < node["scratch_total"]
    assert node["scratch"] == str(fleet.project.scratch)
    assert "1 node, 0 busy" in fleet.project.tidemark("nodes").stdout


def test_without_redis_the_error_is_clear(fleet: Fleet, tmp_path: Path) -> None:
    url = fleet.project.sections["redis"]["url"]
    fleet.project.set("redis", url="redis://127.0.0.1:1/0")
    try:
        for words in (["run", SHARD], ["status"], ["cancel", SHARD], ["janitor", "--dry-run"]):
            done = fleet.project.tidemark(*words)
            assert done.returncode == 1
            assert "127.0.0.1:1" in done.stderr
            assert "HINT: is it running" in done.stderr
            assert "Traceback" not in done.stderr
    finally:
        fleet.project.set("redis", url=url)
