"""Tables brought out of a backup are imported by a stock server, and hold what the primary held."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.checksums import checksums
from sandbox.primary import Primary
from sandbox.programs import Flavour, find_programs
from sandbox.schema import ODD, ODD_TABLE, create_rich_schema
from tests.support.needs import need_flavour
from tests.support.project import Project

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def primary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primary]:
    flavour: Flavour = request.param
    need_flavour(flavour)
    with Primary(tmp_path_factory.mktemp(flavour), flavour) as primary:
        create_rich_schema(primary)
        yield primary


@pytest.fixture(scope="module")
def project(primary: Primary, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One backup of the rich schema."""
    project = Project(tmp_path_factory.mktemp("project"))
    project.add_shard(SHARD, primary)
    project.json("backup", SHARD)
    return project


def run_sql(server: Primary, file: Path) -> None:
    programs = find_programs(server.flavour)
    assert programs is not None
    client = programs.server.parent / ("mysql" if server.flavour == "mysql" else "mariadb")
    found = str(client) if client.exists() else shutil.which(client.name)
    assert found is not None
    with file.open("rb") as script:
        subprocess.run([found, f"--socket={server.socket}", "--user=root"], stdin=script, check=True)


def test_tables_are_imported_by_a_fresh_server(primary: Primary, project: Project, tmp_path: Path) -> None:
    target = tmp_path / "tables"
    told: dict[str, Any] = project.json(
        "restore", SHARD, "--to", str(target), "--tables", "shop.*", "--tables", f"{ODD}.t*"
    )

    wanted = {"shop.customer", "shop.invoice", "shop.audit", "shop.place", "shop.picture", "shop.squeezed"}
    wanted |= {"shop.nothing", f"{ODD}.{ODD_TABLE}"}
    assert wanted <= set(told["tables"])
    reasons = {table["name"]: table["reason"] for table in told["left_out"]}
    assert "partitioned" in reasons["shop.reading"]
    assert "full-text" in reasons["shop.article"]
    assert "MyISAM" in reasons["shop.old_isam"]
    assert "view" in reasons["shop.open_count"]
    if primary.flavour == "mysql":
        assert "shares" in reasons["shop.in_space"]
    else:
        assert "sequence" in reasons["shop.counter"]
    assert any("shop.invoice has foreign keys" in note for note in told["notes"])
    assert sorted(path.name for path in target.iterdir()) == ["1-create.sql", "2-import.sql", "files"]
    assert project.leftovers() == []

    with Primary(tmp_path / "fresh", primary.flavour) as fresh:
        run_sql(fresh, target / "1-create.sql")
        for path in (target / "files").rglob("*"):
            if path.is_file():
                shutil.copy(path, fresh.data / path.relative_to(target / "files"))
        run_sql(fresh, target / "2-import.sql")
        ours = {name: value for name, value in checksums(primary).items() if name in told["tables"]}
        assert checksums(fresh) == ours
        for schema, table in (name.split(".", 1) for name in told["tables"]):
            assert fresh.execute(f"CHECK TABLE `{schema}`.`{table}`")[-1][3] == "OK"
        fresh.execute("INSERT INTO shop.customer (name, net) VALUES ('after the import', 1)")


def test_only_what_is_needed_is_fetched(project: Project, tmp_path: Path) -> None:
    whole = project.json("restore", SHARD, "--to", str(tmp_path / "whole"))
    one = project.json("restore", SHARD, "--to", str(tmp_path / "one"), "--tables", "shop.nothing")

    assert one["tables"] == ["shop.nothing"]
    assert one["fetched_bytes"] < whole["fetched_bytes"] - (4 << 20)  # shop.picture holds 4 MiB that do not compress


def test_no_table_of_that_name_is_told_and_leaves_nothing(project: Project, tmp_path: Path) -> None:
    told = project.tidemark("restore", SHARD, "--to", str(tmp_path / "t"), "--tables", "shop.no_such,shop.reading")

    assert told.returncode == 1
    assert "shop.reading is partitioned" in told.stderr
    assert list(tmp_path.iterdir()) == []
    assert project.leftovers() == []


def test_the_steps_to_import_them_are_printed(project: Project, tmp_path: Path) -> None:
    told = project.tidemark("restore", SHARD, "--to", str(tmp_path / "t"), "--tables", "shop.a*")

    assert told.returncode == 0, told.stderr
    assert f"mysql < {tmp_path}/t/1-create.sql" in told.stdout
    assert "Left out: shop.article has a full-text index" in told.stderr


def test_what_a_prepared_transaction_has_changed_does_not_come_out_as_committed(
    primary: Primary, project: Project, tmp_path: Path
) -> None:
    primary.execute("CREATE DATABASE doubt")
    primary.execute("CREATE TABLE doubt.`a,b` (id INT PRIMARY KEY, v INT)")
    primary.execute("INSERT INTO doubt.`a,b` VALUES (1, 1), (2, 2)")
    primary.execute("CREATE TRIGGER doubt.later BEFORE INSERT ON doubt.`a,b` FOR EACH ROW SET NEW.v = 7")
    with contextlib.closing(primary.root()) as connection:
        for statement in (
            "XA START 'order', 'branch', 42",
            "UPDATE doubt.`a,b` SET v = 100",
            "INSERT INTO doubt.`a,b` VALUES (3, 3)",
            "XA END 'order', 'branch', 42",
            "XA PREPARE 'order', 'branch', 42",
        ):
            connection.query(statement)
    project.json("backup", SHARD)
    primary.execute("XA ROLLBACK 'order', 'branch', 42")
    target = tmp_path / "tables"

    told = project.json("restore", SHARD, "--to", str(target), "--tables", r"doubt.a\,b")

    assert told["tables"] == ["doubt.a,b"]
    assert [note for note in told["notes"] if "XA transaction" in note and "42" in note]
    assert "doubt.a,b has triggers, which are not brought out: later" in told["notes"]
    with Primary(tmp_path / "fresh", primary.flavour) as fresh:
        run_sql(fresh, target / "1-create.sql")
        shutil.copytree(target / "files", fresh.data, dirs_exist_ok=True)
        run_sql(fresh, target / "2-import.sql")
        assert fresh.execute("SELECT id, v FROM doubt.`a,b` ORDER BY id") == [(1, 1), (2, 2)]
