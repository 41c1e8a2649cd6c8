"""What the fleet does when a part of it dies: real workers that are killed, a real Redis that goes away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from celery import states

from tests.support.fleet import Fleet
from tests.support.needs import need_program
from tests.support.waiting import wait_until
from tidemark import fleet as fleet_room
from tidemark.errors import ConfigError, RunError
from tidemark.fleet import keys
from tidemark.results import Failure

pytestmark = pytest.mark.acceptance

A, B = "commerce/a", "commerce/b"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    need_program("redis-server")
    with Fleet(tmp_path / "fleet") as made:
        made.add_shards([A, B])
        yield made


def _steps(fleet: Fleet, shard: str, event: str = "begins") -> list[str]:
    return [seen["step"] for seen in fleet.events(event) if seen["shard"] == shard]


def test_a_node_that_was_killed_goes_on_with_its_chain_when_it_starts_before_any_other(fleet: Fleet) -> None:
    fleet.start_nodes("node1")
    hang = fleet.order(A, "catchup", "hang")
    first, second = fleet.enqueue(A), fleet.enqueue(B)
    fleet.wait_event(A, "catchup")

    fleet.kill("node1")
    hang.unlink()
    fleet.start("node1", "-n", "node1@test")

    value = first.get(timeout=60)
    assert second.get(timeout=30)["number"] == 42
    assert _steps(fleet, A) == ["restore", "catchup", "catchup", "stop", "upload"]
    assert {event["run"] for event in fleet.events() if event["shard"] == A} == {value["run"]}
    ended = [(event["shard"], event["step"]) for event in fleet.events("ends")]
    assert ended.index((A, "upload")) < ended.index((B, "restore"))
    fleet.wait_clean(A)


def test_a_run_that_nobody_continues_is_cleaned_up_when_its_node_starts(fleet: Fleet) -> None:
    fleet.start_nodes("node1")
    hang = fleet.order(A, "catchup", "hang")
    result = fleet.enqueue(A)
    fleet.wait_event(A, "catchup")
    fleet.kill("node1")
    fleet.redis.delete("unacked", "unacked_index")
    hang.unlink()

    fleet.start("node1", "-n", "node1@test")

    with pytest.raises(RunError, match="the node was stopped in the middle of the run"):
        result.get(timeout=60)
    fleet.wait_clean(A)
    assert fleet_room.records.history(fleet.redis, A)[0].state == "failed"
    assert fleet.enqueue(A).get(timeout=30)["number"] == 42


def test_a_warm_shutdown_ends_after_the_step_and_the_chain_goes_on_at_the_next_start(fleet: Fleet) -> None:
    fleet.start_nodes("node1")
    fleet.order(A, "catchup", "1")
    result = fleet.enqueue(A)
    fleet.wait_event(A, "catchup")

    fleet.stop("node1")

    assert _steps(fleet, A, "ends") == ["restore", "catchup"]
    assert result.state == states.STARTED
    assert "node1@test" not in fleet_room.nodes.alive(fleet.redis)
    fleet.start("node1", "-n", "node1@test")
    assert result.get(timeout=60)["number"] == 42
    assert _steps(fleet, A) == ["restore", "catchup", "stop", "upload"]


@pytest.mark.parametrize("message", ["kept", "gone"])
def test_a_node_that_is_gone_loses_its_run_to_another_and_is_refused_when_it_comes_back(
    fleet: Fleet, message: str
) -> None:
    fleet.project.set("fleet", retry_after="0s")
    fleet.start_nodes("node1")
    fleet.start("control", "-n", "control@test", "-Q", "control", "-c", "2")
    hang = fleet.order(A, "catchup", "hang")
    result = fleet.enqueue(A)
    lost = fleet.wait_event(A, "catchup")["run"]
    fleet.kill("node1")
    hang.unlink()
    _let_time_pass(fleet, lost, "node1@test")
    if message == "gone":
        fleet.redis.delete("unacked", "unacked_index")
    hang = fleet.order(A, "upload", "hang")
    fleet.start_nodes("node2")
    fleet.wait_ready("control")

    told = fleet.client.send_task("tasks.janitor", queue="control").get(timeout=30)

    assert told["lost"] == [lost]
    fleet.wait_event(A, "upload")
    fleet.start("node1", "-n", "node1@test")
    folder = fleet.project.scratch / "runs" / lost
    wait_until(lambda: not folder.exists(), 60, "what the lost run has left is removed")
    assert result.state == states.STARTED
    hang.unlink()
    value = result.get(timeout=60)
    assert value["node"] == "node2@test"
    assert value["run"] != lost
    record = fleet_room.records.get(fleet.redis, lost)
    assert record is not None
    assert (record.state, record.error) == ("lost", f"node node1@test is gone; it was at step catchup of run {lost}")
    fleet.wait_clean(A)
    assert _steps(fleet, A) == ["restore", "catchup", "restore", "catchup", "stop", "upload"]


def test_a_lost_run_is_tried_again_later_and_later_and_then_no_more(fleet: Fleet) -> None:
    fleet.project.set("fleet", retry_after="1h", attempts=2)
    fleet.start("control", "-n", "control@test", "-Q", "control")
    fleet.order(A, "catchup", "hang")
    result = fleet.client.send_task("tasks.backup", [A], {"force": True}, queue="backup", priority=0)

    def lose(node: str, times: int) -> str:
        fleet.start_nodes(node)
        run: str = fleet.wait_event(A, "catchup", times=times)["run"]
        fleet.kill(node)
        _let_time_pass(fleet, run, f"{node}@test")
        return run

    lost = lose("node1", 1)
    (found,) = fleet.project.json("janitor", "--dry-run")
    assert (found["what"], found["subject"], found["about"]) == ("run", lost, A)
    fleet.wait_ready("control")
    told = fleet.client.send_task("tasks.janitor", queue="control").get(timeout=30)
    assert told["lost"] == [lost]
    assert [one["what"] for one in told["done"]] == ["run", "message", "queue"]
    assert (str(result.state), result.info["shard"]) == (states.PENDING, A)
    assert fleet.project.json("janitor") == []
    ((request, due),) = fleet_room.retries.waiting(fleet.redis)
    assert (request.root, request.attempt, request.force) == (result.id, 2, True)
    assert timedelta(minutes=50) < due - datetime.now(UTC) <= timedelta(hours=1)

    fleet.redis.zadd(keys.AGAIN, {request.model_dump_json(): 1.0})
    assert [found["what"] for found in fleet.project.json("janitor")] == ["request"]
    again = lose("node2", 2)
    assert fleet_room.records.get(fleet.redis, again).attempt == 2  # type: ignore[union-attr]
    assert [found["what"] for found in fleet.project.json("janitor")] == ["run", "message", "queue"]

    with pytest.raises(RunError, match=r"2 runs were lost with their nodes \(\[fleet\] attempts\)"):
        result.get(timeout=10)
    assert not fleet.redis.exists("unacked", "unacked_index", keys.AGAIN, keys.OPEN)
    assert not [key for key in fleet.redis.scan_iter("*") if "node.node" in key]


def test_what_is_left_on_a_nodes_disk_and_in_redis_is_found_while_the_fleet_works(fleet: Fleet) -> None:
    fleet.project.set("fleet", forget_after="1d")
    fleet.start_nodes("node1")
    hang = fleet.order(A, "catchup", "hang")
    result = fleet.enqueue(A)
    run = fleet.wait_event(A, "catchup")["run"]
    runs = fleet.project.scratch / "runs"
    unknown, silent = runs / run.replace(run[-8:], "00000000"), runs / "nobody-knows"
    for folder in (unknown, silent):
        folder.mkdir()
    (unknown / "run.json").write_text((runs / run / "run.json").read_text().replace(run, unknown.name))
    os.utime(silent, (0, 0))
    stray = subprocess.Popen([*_mute(), f"--defaults-file={runs}/gone/server/my.cnf"])
    fleet.redis.sadd(keys.OPEN, "20200101T000000Z-00000000")
    fleet_room.metrics.fail(fleet.redis, "left/0", Failure(message="long ago"), run="r", step="stop")
    old = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    error = json.loads(str(fleet.redis.hget(keys.shard("left/0"), "last_error"))) | {"at": old}
    fleet.redis.hset(keys.shard("left/0"), "last_error", json.dumps(error))

    assert [found["subject"] for found in fleet.project.json("janitor")] == ["20200101T000000Z-00000000", "left/0"]
    fleet.client.send_task("tasks.sweep", queue="node.node1@test", priority=0)
    hang.unlink()

    assert result.get(timeout=60)["number"] == 42
    assert stray.wait(30) == -signal.SIGKILL
    wait_until(lambda: not list(runs.iterdir()), 30, "the folders are removed")
    assert _steps(fleet, A) == ["restore", "catchup", "stop", "upload"]
    assert "nobody continues run" in fleet.text("node1")
    assert not fleet.redis.exists(keys.shard("left/0"), keys.OPEN)


def _mute() -> list[str]:
    """A program that takes any argument and waits."""
    return [sys.executable, "-c", "import signal; signal.pause()"]


def test_a_run_whose_node_restarts_in_time_is_not_given_up(fleet: Fleet) -> None:
    fleet.start("control", "-n", "control@test", "-Q", "control")
    fleet.start_nodes("node1")
    fleet.wait_ready("control")
    hang = fleet.order(A, "catchup", "hang")
    result = fleet.enqueue(A)
    fleet.wait_event(A, "catchup")
    fleet.kill("node1")

    told = fleet.client.send_task("tasks.janitor", queue="control").get(timeout=30)

    assert (told["open"], told["lost"]) == (1, [])
    hang.unlink()
    fleet.start("node1", "-n", "node1@test")
    assert result.get(timeout=60)["number"] == 42


def _let_time_pass(fleet: Fleet, run: str, node: str) -> None:
    """What minutes of silence leave in Redis."""
    fleet.redis.delete(keys.node(node), keys.lease(A))
    fleet.redis.hset(keys.run(run), "updated", (datetime.now(UTC) - timedelta(minutes=5)).isoformat())


def test_redis_may_go_away_and_come_back_in_the_middle_of_a_step(fleet: Fleet) -> None:
    fleet.start_nodes("node1")
    hang = fleet.order(A, "catchup", "hang")
    result = fleet.enqueue(A)
    fleet.wait_event(A, "catchup")

    fleet.redis_server.kill()
    wait_until(lambda: "Connection to broker lost" in fleet.text("node1"), 30, "the node notices")
    hang.unlink()
    fleet.wait_event(A, "catchup", "ends")
    fleet.redis_server.start()

    assert result.get(timeout=90)["number"] == 42
    assert _steps(fleet, A) == ["restore", "catchup", "stop", "upload"]
    fleet.wait_clean(A)


def test_a_shard_that_has_had_backups_is_never_silently_started_anew(fleet: Fleet) -> None:
    fleet.start_nodes("node1")
    fleet.project.set_shard(A, first_backup="clone")
    fleet.enqueue(A).get(timeout=30)
    hang = fleet.order(A, "restore", "hang")

    def said(first_backup: str | None = None) -> str | None:
        result = fleet.enqueue(A, first_backup=first_backup)
        folder = wait_until(lambda: next((fleet.project.scratch / "runs").glob("*/run.json"), None), 30, "a run")
        wait_until(lambda: fleet.events("begins")[-1]["run"] == folder.parent.name, 30, "its restore")
        policy: str | None = json.loads(folder.read_text())["first_backup"]
        hang.unlink()
        result.get(timeout=30)
        hang.write_text("hang")
        return policy

    assert said() == "refuse"
    assert said(first_backup="clone") == "clone"


def test_the_password_of_redis_is_in_no_log_and_no_command_line(tmp_path: Path) -> None:
    need_program("redis-server")
    secret = "p:a/s@s-word%41"
    with Fleet(tmp_path / "fleet", password=secret) as fleet:
        fleet.add_shards([A])
        fleet.project.set("cycle", every="2s")
        fleet.start_nodes("node1")
        fleet.start("beat", program="beat")

        wait_until(lambda: len(_steps(fleet, A, "ends")) >= 8, 60, "beat has had the shard backed up twice")
        shown = json.dumps(fleet.client.control.inspect(timeout=3).conf())
        lines = [
            " ".join(process.cmdline())
            for started in fleet.processes.values()
            for process in [psutil.Process(started.pid), *psutil.Process(started.pid).children(recursive=True)]
        ]

        for place in (fleet.text("node1"), fleet.text("beat"), shown, *lines):
            assert secret not in place
            assert "s-word" not in place


def test_a_broken_configuration_is_one_clear_error(fleet: Fleet) -> None:
    fleet.project.set("cycle", every="sometimes")

    process = fleet.start("node1", "-n", "node1@test")

    assert process.wait(30) == 1
    assert "[cycle] every: a duration is a number and a unit" in fleet.text("node1")
    assert "Traceback" not in fleet.text("node1")


def test_an_unknown_first_backup_is_refused(fleet: Fleet) -> None:
    fleet.start_nodes("node1")

    with pytest.raises(ConfigError, match=r"first_backup is 'guess': .*'clone', 'replay', 'empty' or 'refuse'"):
        fleet.enqueue(A, first_backup="guess").get(timeout=30)
