"""``tidemark plan`` on what a real Redis remembers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from sandbox.redis import RedisServer
from tests.support.project import Project
from tidemark import fleet
from tidemark.cli.main import cli
from tidemark.config import RedisSettings
from tidemark.fleet import history, nodes
from tidemark.fleet.history import RunFigures

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 23, 21, 7, 13, tzinfo=UTC)


def figures(restored: int | None, restore: float, state: history.EndState = "succeeded") -> RunFigures:
    return RunFigures(
        run="r",
        node="n",
        root="id",
        started=NOW,
        finished=NOW + timedelta(hours=1),
        state=state,
        restored=restored,
        seconds={"restore": restore, "catchup": 600.0, "stop": 30.0, "upload": 570.0},
    )


def test_a_plan_comes_from_the_runs_that_were(server: RedisServer, tmp_path: Path) -> None:
    project = Project(tmp_path, redis={"url": server.url}, cycle={"every": "1h"})
    for name in ("k/a", "k/b", "k/new"):
        project.add(name, port=3306, user="u", password="p")
    runner = CliRunner()
    words = ["--config", str(project.path), "plan"]

    empty = runner.invoke(cli, words)
    assert empty.exit_code == 1

    with fleet.connect(RedisSettings(url=server.url)) as client:
        for run in (figures(None, 9000.0), figures(1, 1200.0), figures(2, 1300.0), figures(3, 1.0, "failed")):
            history.add(client, "k/a", run)
        history.add(client, "k/b", figures(None, 550.0))
        for node in ("node1@m", "node2@m"):
            nodes.beat(client, nodes.Node(name=node, since=NOW))
    made = runner.invoke(cli, [*words, "--json"])
    assert made.exit_code == 0, made.output
    plan = json.loads(made.stdout)

    assert {shard["shard"]: shard["restore"] for shard in plan["shards"]} == {
        "k/a": 1250.0,
        "k/b": 550.0,
        "k/new": 900.0,
    }
    assert (plan["unmeasured"], plan["first_backup_only"]) == (["k/new"], ["k/b"])
    # 2450 + 1750 + 2100 seconds an hour: two nodes are just enough, but not when all takes a quarter longer.
    assert (plan["nodes"], plan["nodes_alive"], plan["nodes_needed"]) == (2, 2, 3)
    assert plan["busy"] == pytest.approx(6300 / 7200, abs=1e-4)

    what_if = json.loads(runner.invoke(cli, [*words, "--json", "--nodes", "1", "--cycle", "4h"]).stdout)
    assert (what_if["nodes"], what_if["fits"]) == (1, True)
    assert what_if["shards"][0]["catchup"] == 2400.0, (
        "four times as long a cycle has four times as much to catch up with"
    )
    grown = json.loads(runner.invoke(cli, [*words, "--json", "--growth", "10"]).stdout)
    assert grown["nodes_needed"] is None

    table = runner.invoke(cli, words)
    assert "needed, with room for runs that take a quarter longer: 3 nodes" in table.stdout
