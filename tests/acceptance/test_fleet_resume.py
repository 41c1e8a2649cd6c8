"""A run goes on where it was when its node is killed, and leaves nothing when it is cancelled, in each of its steps; it
is all real."""

from __future__ import annotations

import json
from collections.abc import Iterator
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


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primary]:
    need_flavour("mariadb")
    with Primary(tmp_path_factory.mktemp("primary"), "mariadb") as made:
        fill(made, 6)
        yield made


@pytest.fixture(scope="module")
def fleet(primary: Primary, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A node that has backed the shard up twice, so that the points of such a run are known."""
    need_program("redis-server")
    with Fleet(tmp_path_factory.mktemp("fleet"), app="tests.support.points") as made:
        user, password = primary.create_backup_account()
        made.project.set("repository", pack_size="1M")
        made.project.set("node", threads=1)
        made.project.add(SHARD, port=primary.port, user=user, password=password)
        made.start_nodes("node1")
        made.enqueue(SHARD).get(timeout=180)
        (made.orders / "points").touch()
        fill(primary, 8)
        made.enqueue(SHARD).get(timeout=180)
        (made.orders / "points").rename(made.orders / "known")
        yield made
        assert made.project.leftovers() == []


def test_a_run_whose_node_is_killed_in_each_step_does_no_work_twice(fleet: Fleet, primary: Primary) -> None:
    fill(primary, 8)

    # In the middle of the restore: what is there is checked, and not fetched again.
    _hold(fleet, "restore", max(_places(fleet, "restore", "store: get pack")))
    result = fleet.enqueue(SHARD)
    run = _wait_held(fleet)["run"]
    folder = fleet.project.scratch / "runs" / run
    _kill_and_hold(fleet, "catchup", max(_places(fleet, "catchup", "progress: ")))
    assert _wait_held(fleet)["run"] == run
    restored = json.loads((folder / "restore.json").read_text())
    assert restored["fetched_bytes"] < restored["bytes"]

    # In the catch-up, with a server: the server outlives its node's process and is taken over.
    (server,) = _servers(fleet)
    _kill_and_hold(fleet, "stop", 1)
    assert _wait_held(fleet)["run"] == run
    assert [other.pid for other in _servers(fleet)] == [server.pid]

    # In the upload, when all data is stored and nothing is committed: no pack of data is stored again.
    _kill_and_hold(fleet, "upload", min(_places(fleet, "upload", "store: put_if_absent manifest")))
    packs = fleet.project.repository / SHARD / "packs" / run
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


def test_a_run_that_is_cancelled_in_any_step_leaves_no_process_no_folder_no_pack_and_no_lease(fleet: Fleet) -> None:
    for step, name in (
        ("restore", "store: get pack"),
        ("catchup", "progress: "),
        ("stop", "SQL: "),
        ("upload", "journal of a pack"),
    ):
        _hold(fleet, step, _places(fleet, step, name)[0])
        result = fleet.enqueue(SHARD)
        run = _wait_held(fleet)["run"]

        fleet.project.json("cancel", SHARD, "--wait")

        assert fleet.clean(SHARD)
        assert fleet.project.leftovers() == []
        assert not list((fleet.project.repository / SHARD / "packs").glob(f"{run}/*"))
        fleet.wait_revoked(result)
        (fleet.orders / "hold").unlink()
    assert fleet.enqueue(SHARD).get(timeout=180)["number"] == fleet.project.json("backups", SHARD)[-1]["number"]


def _places(fleet: Fleet, step: str, name: str) -> list[int]:
    """Where in a step the points of this name are."""
    points = [json.loads(line) for line in (fleet.orders / "known").read_text().splitlines()]
    return [point["index"] for point in points if point["step"] == step and point["name"].startswith(name)]


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
