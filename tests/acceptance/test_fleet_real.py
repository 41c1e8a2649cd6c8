"""The fleet with everything real: primaries of both flavours, workers, Redis, private servers, a repository."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.checksums import checksums
from sandbox.primary import Account, Primary
from sandbox.workload import Workload
from tests.support.fleet import Fleet
from tests.support.needs import need_program
from tests.support.stock import stock_server
from tests.support.waiting import wait_until
from tidemark import fleet as fleet_room
from tidemark.errors import SourceUnreachable

pytestmark = pytest.mark.acceptance

SHARDS = {"maria": ["maria/a", "maria/b", "maria/c"], "mysql": ["mysql/a", "mysql/b", "mysql/c"]}


@pytest.fixture
def fleet(primaries: dict[str, Primary], accounts: dict[str, Account], tmp_path: Path) -> Iterator[Fleet]:
    need_program("redis-server")
    with Fleet(tmp_path / "fleet", app="tasks") as made:
        for keyspace, names in SHARDS.items():
            user, password = accounts[keyspace]
            for name in names:
                made.project.add(name, port=primaries[keyspace].port, user=user, password=password)
        yield made
        assert made.project.leftovers() == []


def test_two_nodes_back_up_six_shards_twice(fleet: Fleet, primaries: dict[str, Primary], tmp_path: Path) -> None:
    names = [name for keyspace in SHARDS.values() for name in keyspace]
    fleet.start_nodes("node1", "node2")

    with Workload(primaries["maria"], rate=50), Workload(primaries["mysql"], rate=50):
        first = [result.get(timeout=180) for result in [fleet.enqueue(name) for name in names]]
    second = [result.get(timeout=180) for result in [fleet.enqueue(name) for name in names]]

    assert [(value["shard"], value["number"]) for value in first] == [(name, 1) for name in names]
    assert [(value["shard"], value["number"]) for value in second] == [(name, 2) for name in names]
    assert {value["node"] for value in first} == {"node1@test", "node2@test"}
    for value in second:
        assert set(value["seconds"]) == {"restore", "catchup", "stop", "upload"}
        assert 0 < value["stored_bytes"] < value["bytes"]
    for view in fleet_room.metrics.views(fleet.redis, names):
        assert view.newest is not None
        assert view.proven is not None
        assert (view.newest.number, view.proven.number, view.failures, view.running) == (2, 1, 0, None)
    _check_metrics(fleet, [*first, *second])
    for keyspace, primary in primaries.items():
        target = tmp_path / f"restored-{keyspace}"
        fleet.project.json("restore", f"{keyspace}/c", "--to", str(target))
        with stock_server(primary.flavour, target, tmp_path / f"server-{keyspace}") as server:
            assert checksums(server) == checksums(primary)  # nothing was written since the workload ended


def _check_metrics(fleet: Fleet, runs: list[dict[str, Any]]) -> None:
    """What Prometheus is told is what the runs have said."""
    snapshot = fleet_room.snapshot.take(fleet.redis, {run["shard"] for run in runs})
    for shard, counts in snapshot.counts.items():
        own = [run for run in runs if run["shard"] == shard]
        assert counts.runs == {"succeeded": len(own)}
        assert counts.read_bytes == sum(run["bytes"] for run in own)
        assert counts.stored_bytes == sum(run["stored_bytes"] for run in own)
        assert counts.fetched_bytes > 0
    for view in snapshot.shards:
        assert view.caught is not None
        assert view.caught.source.startswith("127.0.0.1:")
    for keyspace, steps in snapshot.histograms.items():
        ended = [run for run in runs if run["shard"].startswith(f"{keyspace}/")]
        assert {step: histogram.count for step, histogram in steps.items()} == dict.fromkeys(
            ("restore", "catchup", "stop", "upload"), len(ended)
        )
    assert len(snapshot.nodes) == 2
    assert snapshot.queues["backup"] == snapshot.open_runs == 0


@pytest.mark.parametrize("keyspace", ["maria", "mysql"])
def test_a_node_that_is_killed_while_its_server_runs_goes_on_and_finishes_the_run(
    fleet: Fleet, primaries: dict[str, Primary], keyspace: str
) -> None:
    shard = f"{keyspace}/a"
    fleet.start_nodes("node1")
    result = fleet.enqueue(shard)
    _wait_for_server(fleet)

    fleet.kill("node1")
    fleet.start("node1", "-n", "node1@test")

    assert result.get(timeout=120)["number"] == 1
    wait_until(lambda: fleet.project.leftovers() == [], 30, "nothing is left")


def test_a_step_that_is_killed_leaves_no_server_no_folder_and_no_lease(fleet: Fleet) -> None:
    fleet.start_nodes("node1")
    result = fleet.enqueue("maria/a")
    _wait_for_server(fleet)
    active = wait_until(lambda: _children(fleet, "node1"), 10, "the pool's process")

    os.kill(active, signal.SIGKILL)

    with pytest.raises(Exception, match="exited prematurely"):
        result.get(timeout=60)
    fleet.wait_clean("maria/a")
    assert fleet.project.leftovers() == []
    assert fleet.enqueue("maria/a").get(timeout=120)["number"] == 1


def test_a_primary_that_does_not_answer_is_the_error_of_the_run(fleet: Fleet) -> None:
    fleet.project.add("maria/gone", port=1, user="nobody", password="none", flavour="mariadb")
    fleet.start_nodes("node1")

    with pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1:1"):
        fleet.enqueue("maria/gone").get(timeout=60)

    fleet.wait_clean("maria/gone")


def _wait_for_server(fleet: Fleet) -> None:
    wait_until(
        lambda: [line for line in fleet.project.leftovers() if "mysqld" in line or "mariadbd" in line], 60, "a server"
    )


def _children(fleet: Fleet, name: str) -> int:
    """The pool's process of a node."""
    return int(psutil.Process(fleet.processes[name].pid).children()[0].pid)
