"""The exporter on a real Redis, over HTTP."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sandbox.redis import RedisServer
from tests.support.needs import need_program
from tests.support.project import Project
from tests.support.waiting import wait_until
from tidemark import config, fleet
from tidemark.errors import ConfigError
from tidemark.exporter import FAMILIES, Exporter, FleetCollector
from tidemark.fleet import RunRecord, metrics, nodes, records
from tidemark.results import Failure

pytestmark = pytest.mark.integration

SHARDS = [f"ks{number % 4}/{number:03x}" for number in range(512)]
NONE: frozenset[str] = frozenset()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    need_program("redis-server")
    with RedisServer(tmp_path_factory.mktemp("redis"), password="hush") as running:
        yield running


@pytest.fixture
def project(server: RedisServer, tmp_path: Path) -> Project:
    password = tmp_path / "redis.password"
    password.touch(0o600)
    password.write_text("hush")
    project = Project(tmp_path, redis={"url": server.url, "password_file": str(password)})
    for name in SHARDS:
        project.add(name, port=1, user="nobody", password="not asked for", flavour="mariadb")
    return project


def _get(exporter: Exporter, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://{exporter.address}{path}", timeout=30) as answer:
        return str(answer.read().decode())


def _scrape(exporter: Exporter) -> dict[str, dict[frozenset[str], float]]:
    """Values by the sample's name and the labels' values."""
    found: dict[str, dict[frozenset[str], float]] = {}
    for family in text_string_to_metric_families(_get(exporter)):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.values())] = sample.value
    return found


def test_a_fleet_of_512_shards_is_scraped_until_redis_goes_and_when_it_is_back(
    server: RedisServer, project: Project
) -> None:
    settings = config.load(project.path)
    now = datetime.now(UTC)
    with fleet.connect(settings.redis) as client:
        newest = metrics.NewestBackup(number=7, position="0-1-1", finished_at=now, bytes=10, stored_bytes=5)
        for name in SHARDS[1:]:
            metrics.set_newest(client, name, newest)
        nodes.beat(client, nodes.Node(name="node1@a", since=now))
        run = RunRecord(
            run="r1", shard=SHARDS[0], node="node1@a", root="id", fence=1, started=now, updated=now, step="restore"
        )
        records.start(client, run)
        records.leave(client, "r1", "restore", 3.5, {"fetched_bytes": 11})
        records.close(client, "r1", "failed", failure=Failure(message="no"))

    with Exporter(FleetCollector(lambda: config.load(project.path)), "127.0.0.1:0") as exporter:
        told = _scrape(exporter)

        assert told["tidemark_up"][NONE] == told["tidemark_config_valid"][NONE] == 1
        assert len(told["tidemark_backup_exists"]) == 512
        assert sum(told["tidemark_backup_exists"].values()) == 511
        assert told["tidemark_shards"] == {frozenset({f"ks{number}"}): 128 for number in range(4)}
        assert told["tidemark_runs_total"][frozenset({"ks0", "000", "failed"})] == 1
        assert told["tidemark_fetched_bytes_total"][frozenset({"ks0", "000"})] == 11
        assert told["tidemark_step_duration_seconds_count"][frozenset({"ks0", "restore"})] == 1
        assert told["tidemark_nodes"][NONE] == 1
        known = {*FAMILIES, *(f"{name}{end}" for name in FAMILIES for end in ("_bucket", "_count", "_sum"))}
        assert {name for name in told if name.startswith("tidemark_")} <= known

        server.stop()
        away = _scrape(exporter)
        assert away["tidemark_up"][NONE] == 0
        assert away["tidemark_scrape_failures_total"][NONE] == 1
        assert "tidemark_backup_exists" not in away
        assert _get(exporter, "/healthz") == "ok\n"

        server.start()
        project.set("cycle", every="no duration")
        back = _scrape(exporter)
        assert back["tidemark_up"][NONE] == 1
        assert back["tidemark_config_valid"][NONE] == 0
        assert len(back["tidemark_backup_exists"]) == 512

        with pytest.raises(urllib.error.HTTPError, match="404"):
            _get(exporter, "/metrix")
        with pytest.raises(ConfigError, match="cannot listen on"):
            Exporter(FleetCollector(lambda: settings), exporter.address)


def test_the_command_serves_until_it_is_stopped_and_promtool_likes_what_it_prints(project: Project) -> None:
    program = [str(Path(sys.executable).parent / "tidemark"), "exporter", "--config", str(project.path)]
    process = subprocess.Popen([*program, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        url = line.removeprefix("serving ").strip()
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310
            assert b"tidemark_up 1.0" in answer.read()
    finally:
        process.terminate()
    wait_until(lambda: process.poll() is not None, 30, "the exporter has ended")
    assert process.returncode == 143  # as everywhere: the shell's word for SIGTERM
    process.stderr.close()

    printed = subprocess.run([*program, "--once"], capture_output=True, text=True, check=True)
    assert 'tidemark_shards{keyspace="ks3"} 128.0' in printed.stdout
    promtool = need_program("promtool")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=printed.stdout, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
