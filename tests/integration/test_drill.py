"""A drill on real servers: how long recovery takes, and what it finds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.primary import Primary
from sandbox.programs import Flavour
from sandbox.schema import create_rich_schema
from tests.support.needs import need_flavour
from tests.support.project import Project
from tidemark import steps, wiring
from tidemark.steps import Run

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    flavour: Flavour = request.param
    need_flavour(flavour)
    with Primary(tmp_path_factory.mktemp(flavour), flavour) as primary:
        create_rich_schema(primary)
        project = Project(tmp_path_factory.mktemp("project"))
        project.add_shard(SHARD, primary)
        project.json("backup", SHARD)
        yield project


def nothing_left(project: Project) -> bool:
    return project.leftovers() == [] and not list((project.scratch / "drills").glob("*/*"))


def test_a_good_backup_comes_back_and_tells_how_long_that_took(project: Project) -> None:
    told = project.json("drill", SHARD)

    assert told["good"]
    assert told["problems"] == []
    assert told["tables"] > 20
    assert told["recovery_seconds"] == pytest.approx(told["restore_seconds"] + told["start_seconds"], abs=0.002)
    assert told["bytes"] == project.json("backups", SHARD)[-1]["bytes"]
    assert nothing_left(project)


def test_a_table_that_its_server_cannot_read_is_found(project: Project) -> None:
    """A backup that is exactly what was stored, of a folder that was broken before: only a server sees that."""
    settings = project.settings()
    run = Run.create(settings, project.path, SHARD, node_id="node@test")
    steps.restore.run(run)
    steps.catchup.run(run)
    steps.stop.run(run)
    (index,) = [path for path in (run.folder / "data").rglob("*.MYI") if path.parent.name == "shop"][:1]
    index.write_bytes(b"\0" * index.stat().st_size)
    steps.upload.run(run)
    steps.cleanup.run(run.folder)
    backups = wiring.open_repository(settings).shard(SHARD).catalog.backups()

    done = project.tidemark("drill", SHARD)

    assert backups[-1].run_id == run.id
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"backup {backups[-1].number} is not good" in done.stderr
    assert f"shop.{index.stem}" in done.stderr
    assert nothing_left(project)


def test_a_backup_that_does_not_exist_is_told(project: Project) -> None:
    done = project.tidemark("drill", SHARD, "--backup", "99")

    assert done.returncode == 1
    assert "has no backup 99" in done.stderr
    assert nothing_left(project)
