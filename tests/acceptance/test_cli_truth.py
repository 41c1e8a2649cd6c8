"""The next status tells the truth: what waits, what runs, what was ended. Steps that only say what they do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.fleet import Fleet
from tests.support.needs import need_program
from tests.support.waiting import wait_until
from tidemark.cli.status import NAMED

pytestmark = pytest.mark.acceptance

SHARD, OTHER = "commerce/-80", "commerce/80-"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    need_program("redis-server")
    with Fleet(tmp_path_factory.mktemp("fleet")) as fleet:
        fleet.add_shards([SHARD, OTHER])
        fleet.project.set("logs", format="json", file=str(fleet.folder / "tidemark.log"))
        yield fleet


def status(fleet: Fleet) -> dict[str, Any]:
    """What status says of the shard; that it has no backup is said by the exit status."""
    done = fleet.project.tidemark("status", SHARD, "--json")
    assert done.returncode == 1
    (view,) = json.loads(done.stdout)
    return dict(view)


def test_status_follows_a_run_from_the_queue_to_its_end(fleet: Fleet) -> None:
    fleet.order(SHARD, "catchup", "hang")
    done = fleet.project.tidemark("run", SHARD)
    assert "No node is there" in done.stderr
    assert (status(fleet)["waiting"], status(fleet)["running"]) == ("", None)
    (entry,) = fleet.project.json("run", SHARD, "--dry-run")
    assert (entry["waiting"], entry["running"]) == (True, False)

    fleet.start_nodes("node1")
    fleet.wait_event(SHARD, "catchup")
    view = status(fleet)
    assert (view["state"], view["running"]["step"], view["waiting"]) == ("running", "catchup", None)
    (node,) = fleet.project.json("nodes")
    assert (node["name"], node["shard"], node["step"]) == ("node1@test", SHARD, "catchup")
    wait_until(lambda: status(fleet)["progress"], 30, "the progress is shown")
    follower = subprocess.Popen(
        fleet.project.command("logs", SHARD, "--follow", "--json"),
        env=fleet.project.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )

    assert fleet.project.tidemark("cancel", SHARD).returncode == 0
    view = status(fleet)
    assert (view["running"], view["waiting"], view["failures"]) == (None, None, 0)
    lines = [json.loads(line) for line in follower.communicate(timeout=60)[0].splitlines()]
    assert follower.returncode == 0
    assert next(line["message"] for line in lines if line["step"] == "catchup") == "begins"
    fleet.wait_clean(SHARD)
    assert fleet.project.json("show", SHARD, "--no-backups")["history"][0]["state"] == "revoked"


def test_the_log_file_holds_an_object_per_line(fleet: Fleet) -> None:
    fleet.order(OTHER, "stop", "bug")
    assert fleet.project.tidemark("run", OTHER, "--wait").returncode == 1

    lines = [json.loads(line) for line in (fleet.folder / "tidemark.log").read_text().splitlines()]
    (error,) = [line for line in lines if line["level"] == "ERROR" and line.get("step") == "stop"]
    assert (error["shard"], error["node"]) == (OTHER, "node1@test")
    assert error["run"]
    assert "ValueError: a mistake of ours" in error["exception"]
    shown = fleet.project.json("show", OTHER, "--no-backups")
    assert shown["history"][0]["place"].startswith("tasks/stop.py:")
    text = fleet.project.tidemark("show", OTHER, "--no-backups").stdout
    assert "stop failed" in text
    assert f"tidemark logs {OTHER} --run {error['run']}" in text


def test_the_line_for_monitoring_stays_a_line_however_many_are_late(fleet: Fleet) -> None:
    fleet.add_shards([f"many/{number}" for number in range(12)])
    done = fleet.project.tidemark("status", "many/*", "--brief")

    (line,) = done.stdout.splitlines()
    assert line.startswith("LATE: 12 of 12 shards over the limit: many/0 (no backup), ")
    assert line.endswith(f", and {12 - NAMED} more")
