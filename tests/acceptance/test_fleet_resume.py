"""A run goes on where it was: its node is killed in its restore, its catch-up, its stop and its upload; all is real."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.primary import Primary
from sandbox.workload import fill
from tests.support.fleet import Fleet
from tests.support.needs import need_flavour, need_program
from tests.support.waiting import wait_until

pytestmark = pytest.mark.acceptance

SHARD = "maria/a"


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Primary]:
    need_flavour("mariadb")
    with Primary(tmp_path / "primary", "mariadb") as made:
        fill(made, 6)
        yield made


@pytest.fixture
def fleet(primary: Primary, tmp_path: Path) -> Iterator[Fleet]:
    need_program("redis-server")
    with Fleet(tmp_path / "fleet", app="tests.support.points") as made:
        user, password = primary.create_backup_account()
        made.project.set("repository", pack_size="1M")
        made.project.set("node", threads=1)
        made.project.add(SHARD, port=primary.port, user=user, password=password)
        made.start_nodes("node1")
        yield made
        assert made.project.leftovers() == []


def test_a_run_whose_node_is_killed_in_each_step_does_no_work_twice(fleet: Fleet, primary: Primary) -> None:
    fleet.enqueue(SHARD).get(timeout=180)
    seen = fleet.orders / "points"
    seen.touch()
    fill(primary, 8)
    fleet.enqueue(SHARD).get(timeout=180)
    points = [json.loads(line) for line in seen.read_text().splitlines()]
    seen.unlink()
    fill(primary, 8)

    # In the middle of the restore: what is there is checked, and not fetched again.
    _hold(fleet, "restore", max(_places(points, "restore", "store: get pack")))
    result = fleet.enqueue(SHARD)
    run = _wait_held(fleet)["run"]
    folder = fleet.project.scratch / "runs" / run
    _kill_and_hold(fleet, "catchup", max(_places(points, "catchup", "progress: ")))
    assert _wait_held(fleet)["run"] == run
    restored = json.loads((folder / "restore.json").read_text())
    assert restored["fetched_bytes"] < restored["bytes"]

    # In the catch-up, with a server: the server outlives its node's process and is taken over.
    (server,) = _servers(fleet)
    _kill_and_hold(fleet, "stop", 1)
    assert _wait_held(fleet)["run"] == run
    assert [other.pid for other in _servers(fleet)] == [server.pid]

    # In the upload, when all data is stored and nothing is committed: no pack of data is stored again.
    _kill_and_hold(fleet, "upload", min(_places(points, "upload", "store: put_if_absent manifest")))
    packs = fleet.project.folder / "repository" / SHARD / "packs" / run
    assert _wait_held(fleet)["run"] == run
    stored = {path.name: path.stat() for path in packs.iterdir()}
    fleet.kill("node1")
    (fleet.orders / "hold").unlink()
    fleet.start("node1", "-n", "node1@test")

    value = result.get(timeout=180)
    assert (value["run"], value["number"]) == (run, 3)
    kept = {path.name: path.stat() for path in packs.iterdir()}
    data = {name for name, was in stored.items() if name in kept and kept[name].st_mtime_ns == was.st_mtime_ns}
    before = sum(was.st_size for was in stored.values())
    again = sum(now.st_size for name, now in kept.items() if name not in data)
    assert before > 2_000_000
    assert again < before / 4  # the block maps
    assert fleet.text("node1").count("goes on") >= 4
    assert fleet.project.json("verify", SHARD)


def _places(points: list[dict[str, Any]], step: str, name: str) -> list[int]:
    """Where in a step the points of this name are."""
    return [point["index"] for point in points if point["step"] == step and re.match(re.escape(name), point["name"])]


def _hold(fleet: Fleet, step: str, at: int) -> None:
    (fleet.orders / "held").unlink(missing_ok=True)
    order = fleet.orders / "hold.new"
    order.write_text(json.dumps({"shard": SHARD, "step": step, "at": at}))
    order.rename(fleet.orders / "hold")


def _wait_held(fleet: Fleet) -> dict[str, Any]:
    path = fleet.orders / "held"
    found: dict[str, Any] = wait_until(lambda: json.loads(path.read_text()) if path.exists() else None, 120, "held")
    return found


def _kill_and_hold(fleet: Fleet, step: str, at: int) -> None:
    """``kill -9`` of the node; the next point is ordered before it comes back."""
    fleet.kill("node1")
    _hold(fleet, step, at)
    fleet.start("node1", "-n", "node1@test")


def _servers(fleet: Fleet) -> list[psutil.Process]:
    lines = [line for line in fleet.project.leftovers() if "mariadbd" in line]
    return [psutil.Process(int(line.split()[0])) for line in lines]
