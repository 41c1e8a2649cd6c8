"""Several repositories: the first counts, the others follow it and are restored from when it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.checksums import checksums
from sandbox.primary import Primary
from tests.support.needs import need_flavour
from tests.support.project import Project
from tests.support.stock import stock_server

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primary]:
    need_flavour("mariadb")
    with Primary(tmp_path_factory.mktemp("primary"), "mariadb") as primary:
        primary.execute("CREATE DATABASE shop")
        primary.execute("CREATE TABLE shop.t (id INT PRIMARY KEY, word VARCHAR(20))")
        primary.execute("INSERT INTO shop.t VALUES (1, 'ebb'), (2, 'flow')")
        yield primary


@pytest.fixture
def project(primary: Primary, tmp_path: Path) -> Project:
    project = Project(tmp_path, retention={"keep_last": 2})
    user = f"tidemark{abs(hash(tmp_path)) % 10**8}"
    _, password = primary.create_backup_account(user)
    project.add(SHARD, port=primary.port, user=user, password=password)
    project.add_mirror(f"file://{tmp_path}/second")
    return project


def objects(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_every_backup_goes_to_the_mirror_and_restores_from_it_when_the_first_is_gone(
    primary: Primary, project: Project, tmp_path: Path
) -> None:
    for _ in range(3):
        result = project.json("backup", SHARD)
    mirrored = result["mirrors"][0]
    assert (mirrored["newest"], mirrored["missing"], mirrored["error"]) == (3, 0, "")
    assert objects(tmp_path / "second") == objects(project.repository)  # what was pruned has gone from both
    shown = project.tidemark("backups", SHARD).stdout
    assert f"mirror file://{tmp_path}/second: newest 3, level" in shown

    project.repository.rename(tmp_path / "lost")
    told = project.json("restore", SHARD, "--to", str(tmp_path / "restored"), "--from", "2")

    assert (told["number"], told["from"]) == (3, f"file://{tmp_path}/second")
    with stock_server("mariadb", tmp_path / "restored", tmp_path / "server") as server:
        assert checksums(server) == checksums(primary)


def test_a_mirror_that_fails_does_not_fail_the_backup_and_is_brought_level_by_hand(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "second").write_text("not a folder")
    result = project.json("backup", SHARD)
    assert result["number"] == 1
    assert "second" in result["mirrors"][0]["error"]
    told = project.tidemark("mirror", SHARD)
    assert told.returncode == 1
    assert "1 of 1 shards could not be mirrored" in told.stderr

    (tmp_path / "second").unlink()
    before = project.json("mirror", "--all", "--dry-run")[0]
    assert (before["newest"], before["missing"]) == (None, 1)
    assert not (tmp_path / "second").exists()
    done = project.json("mirror", "--all")[0]

    assert (done["copied"], done["missing"], done["error"]) == ([1], 0, "")
    assert objects(tmp_path / "second") == objects(project.repository)


def test_another_place_than_those_configured_is_told_with_those_that_are(project: Project, tmp_path: Path) -> None:
    told = project.tidemark("restore", SHARD, "--to", str(tmp_path / "t"), "--from", "3")

    assert told.returncode == 1
    assert f"2 (file://{tmp_path}/second)" in told.stderr


def test_mirror_without_a_shard_or_a_mirror_says_what_it_wants(project: Project) -> None:
    assert project.tidemark("mirror").returncode == 2
    assert project.tidemark("mirror", SHARD, "--all").returncode == 2
    project.mirrors.clear()
    project.write()

    told = project.tidemark("mirror", SHARD)

    assert told.returncode == 1
    assert "has no mirror" in told.stderr
