"""Where ``tidemark show`` and ``tidemark shards`` say that a shard is, over a real Redis."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner

from sandbox.redis import RedisServer
from tests.support.project import Project
from tidemark.cli.main import cli
from tidemark.fleet import keys
from tidemark.fleet.metrics import CatchupState

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"


@pytest.fixture
def project(server: RedisServer, client: redis.Redis, tmp_path: Path) -> Project:
    """A configuration with one shard, which has no ``host`` yet, and a fleet that knows nothing of it."""
    project = Project(tmp_path, redis={"url": server.url})
    project.add(SHARD, port=3306, user="u", password="p")
    del project.shards[SHARD]["host"]
    return project


def call(project: Project, *words: str) -> str:
    done = CliRunner().invoke(cli, ["--config", str(project.path), *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def show(project: Project) -> tuple[dict[str, Any], dict[str, str]]:
    """The facts for programs, and the head's lines for people, each by its first word."""
    words = ("show", SHARD, "--no-backups")
    lines = [line.partition("  ") for line in call(project, *words).splitlines()]
    return json.loads(call(project, *words, "--json")), {name: text.strip() for name, _, text in lines}


@pytest.mark.parametrize(
    ("shard", "shown"),
    [
        ({"hosts": ["db1:3307"]}, ["db1:3307"]),
        ({"host": "db1", "port": 3308}, ["db1:3308"]),
        ({"hosts": ["db1:3307", "db2", "[fd00::7]", "[fd00::8]:3308"], "port": 3310},
         ["db1:3307", "db2:3310", "[fd00::7]:3310", "[fd00::8]:3308"]),
    ],
)  # fmt: skip
def test_every_server_that_can_be_the_primary_is_shown_with_its_port(
    project: Project, shard: dict[str, object], shown: list[str]
) -> None:
    project.set_shard(SHARD, **shard)

    facts, lines = show(project)

    assert facts["servers"] == shown
    assert lines["primary"] == f"{' or '.join(shown)} (auto)"
    assert (facts["replicas"], facts["last_source"]) == ([], None)
    (listed,) = json.loads(call(project, "shards", "--json"))
    assert (listed["servers"], listed["source"]) == (shown, None)
    assert ", ".join(shown) in call(project, "shards")


def test_a_replica_as_the_source_and_what_the_last_catchup_used_are_shown(
    project: Project, client: redis.Redis
) -> None:
    project.set_shard(SHARD, hosts=["db1:3307"], source="replica", replica_hosts=["db8", "db9:3309"])
    caught = CatchupState(source="db9:3309", replica=True, at=datetime(2026, 11, 28, 6, tzinfo=UTC))
    client.hset(keys.shard(SHARD), "caught", caught.model_dump_json())

    facts, lines = show(project)

    assert lines["primary"] == "db1:3307 (auto)"
    assert lines["source"] == "a replica: db8:3306 or db9:3309"
    assert lines["last source"] == "db9:3309"
    assert (facts["replicas"], facts["last_source"]) == (["db8:3306", "db9:3309"], "db9:3309")


def test_without_replicas_of_its_own_any_server_of_the_shard_may_be_the_source(project: Project) -> None:
    project.set_shard(SHARD, hosts=["db1", "db2"], source="replica")

    facts, _ = show(project)

    assert facts["replicas"] == facts["servers"] == ["db1:3306", "db2:3306"]
