"""What stands in the way of a first copy is told at once, with what to do; what does not is passed by."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.primary import Primary
from sandbox.programs import Flavour
from tests.support.needs import need_flavour
from tests.support.project import Project

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primary]:
    need_flavour("mariadb")
    with Primary(tmp_path_factory.mktemp("mariadb"), "mariadb") as primary:
        primary.execute("CREATE DATABASE d")
        primary.execute("CREATE TABLE d.t (id INT PRIMARY KEY)")
        yield primary


@pytest.fixture(scope="module")
def account(primary: Primary) -> tuple[str, str]:
    user, password = primary.create_backup_account()
    return user, password


@pytest.fixture
def project(primary: Primary, account: tuple[str, str], tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.add(SHARD, port=primary.port, user=account[0], password=account[1])
    return project


def refusal(project: Project) -> str:
    done = project.tidemark("backup", SHARD)
    assert done.returncode == 1, done.stderr
    assert project.leftovers() == []
    return " ".join(done.stderr.split())


def test_a_prepared_transaction_is_named_and_its_end_lets_the_copy_go_on(primary: Primary, project: Project) -> None:
    with contextlib.closing(primary.root()) as connection:
        for statement in (
            "XA START 'order', 'one', 7",
            "INSERT INTO d.t VALUES (1)",
            "XA END 'order', 'one', 7",
            "XA PREPARE 'order', 'one', 7",
        ):
            connection.query(statement)

    told = refusal(project)

    assert "prepared and not ended" in told
    assert "'order','one',7" in told
    assert "XA COMMIT or XA ROLLBACK" in told
    primary.execute("XA COMMIT 'order', 'one', 7")
    assert project.json("backup", SHARD)["number"] == 1


def test_a_broken_view_is_named_with_what_to_do(primary: Primary, project: Project) -> None:
    primary.execute("CREATE TABLE d.gone (id INT)")
    primary.execute("CREATE VIEW d.broken AS SELECT id FROM d.gone")
    primary.execute("DROP TABLE d.gone")
    try:
        told = refusal(project)
    finally:
        primary.execute("DROP VIEW d.broken")

    assert "d.broken" in told
    assert "mend or drop that view" in told


def test_a_folder_of_the_disk_itself_is_no_schema(primary: Primary, project: Project) -> None:
    folder = primary.data / "lost+found"
    folder.mkdir()
    try:
        assert ("#mysql50#lost+found",) in primary.execute("SHOW DATABASES")
        assert project.json("backup", SHARD)["number"] == 1
    finally:
        folder.rmdir()
    assert "#mysql50#lost+found" not in project.json("restore", SHARD, "--stdout-manifest")["inventory"]["schemas"]


@pytest.mark.parametrize("flavour", ["mysql"])
def test_a_server_without_a_number_is_told_at_once(flavour: Flavour, tmp_path: Path) -> None:
    need_flavour(flavour)
    with Primary(tmp_path / "primary", flavour) as primary:
        project = Project(tmp_path)
        project.add_shard(SHARD, primary)
        primary.execute("SET GLOBAL server_id = 0")

        assert "server_id = 0" in refusal(project)
        assert "server_id = 0" in project.tidemark("shards", "--check", "--json").stdout
