"""The main job on real servers of both flavours: every backup equals the primary at its recorded position."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.checksums import checksums, definitions
from sandbox.primary import Primary
from sandbox.programs import Flavour
from sandbox.schema import create_rich_schema
from sandbox.witness import Witness
from sandbox.workload import Workload, fill
from tests.support.needs import need_flavour
from tests.support.project import Project
from tests.support.stock import stock_server

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
    project = Project(tmp_path_factory.mktemp("project"), retention={"keep_last": 3})
    project.add_shard(SHARD, primary)
    return project


def backup(project: Project) -> dict[str, object]:
    result: dict[str, object] = project.json("backup", SHARD)
    assert project.leftovers() == []
    return result


def test_every_backup_equals_the_primary_at_its_position(primary: Primary, project: Project, tmp_path: Path) -> None:
    with Workload(primary, rate=200, rich=True):
        first = backup(project)
    with Workload(primary, rate=200, rich=True, beyond_innodb=True):
        change_while_running(primary)
        second = backup(project)

    listed = project.json("backups", SHARD)
    assert [entry["number"] for entry in listed] == [1, 2]
    assert [entry["position"] for entry in listed] == [first["position"], second["position"]]
    assert all({"number", "position", "finished_at", "bytes", "stored_bytes"} <= set(entry) for entry in listed)
    assert [entry["proven"] for entry in listed] == [True, False]

    with Witness(primary, tmp_path / "witness") as witness:
        for entry in listed:
            target = tmp_path / f"restored-{entry['number']}"
            told = project.json("restore", SHARD, "--to", str(target), "--backup", str(entry["number"]))
            assert told["position"] == entry["position"]
            assert not (target / "auto.cnf").exists()
            with stock_server(primary.flavour, target, tmp_path / f"server-{entry['number']}") as server:
                assert server.position() == entry["position"]
                assert checksums(server) == witness.checksums_at(entry["position"])
                assert _comparable(definitions(server)) == _comparable(witness.definitions_at(entry["position"]))


def _comparable(found: dict[str, str]) -> dict[str, str]:
    """A replica disables events that it is sent; a first copy has them as the primary has."""
    return {name: re.sub(r"\b(ENABLE|DISABLE ON \w+)\b", "", text) for name, text in found.items()}


def change_while_running(primary: Primary) -> None:
    """Accounts that come and go, and DDL: what replication must carry between two backups."""
    primary.execute("CREATE USER IF NOT EXISTS guest@localhost IDENTIFIED BY 'guest'")
    primary.execute("GRANT SELECT ON *.* TO guest@localhost")
    primary.execute("DROP USER guest@localhost")
    primary.execute("CREATE USER stays@localhost IDENTIFIED BY 'stays'")
    primary.execute("CREATE DATABASE later")
    primary.execute("CREATE TABLE later.t (id INT PRIMARY KEY, note VARCHAR(100)) ENGINE=InnoDB")
    primary.execute("INSERT INTO later.t VALUES (1, 'one'), (2, 'two')")
    primary.execute("ALTER TABLE later.t ADD COLUMN more INT DEFAULT 7, ADD INDEX (note)")
    primary.execute("CREATE TABLE later.gone (id INT PRIMARY KEY)")
    primary.execute("DROP TABLE later.gone")
    primary.execute("RENAME TABLE later.t TO later.renamed")


def test_the_restored_server_has_the_primarys_accounts_and_no_other(
    primary: Primary, project: Project, tmp_path: Path
) -> None:
    backup(project)
    project.json("restore", SHARD, "--to", str(tmp_path / "restored"))

    with stock_server(primary.flavour, tmp_path / "restored", tmp_path / "server") as server:
        accounts = "SELECT user, host FROM mysql.user WHERE user NOT LIKE 'witness-%' ORDER BY 1, 2"
        assert server.execute(accounts) == primary.execute(accounts)


def test_a_catch_up_stops_at_its_checkpoint_while_the_primary_goes_on(primary: Primary, project: Project) -> None:
    with Workload(primary, rate=500):
        result = backup(project)

    assert result["position"] == result["checkpoint"]
    assert primary.position() != result["position"]


def test_nothing_changed_costs_nothing_and_reads_as_a_full_backup(
    primary: Primary, project: Project, tmp_path: Path
) -> None:
    fill(primary, megabytes=160)  # enough: a restart of MySQL alone changes some 250 kB
    backup(project)
    before = backup(project)  # this one may still store anew what is left of old packs
    after = backup(project)
    first_stored = sum(entry["stored_bytes"] for entry in project.json("backups", SHARD)[:-1])

    assert after["position"] == before["position"]
    assert after["stored_bytes"] < 0.01 * first_stored
    told = project.json("restore", SHARD, "--to", str(tmp_path / "restored"))
    assert told["bytes"] == after["bytes"]
    with stock_server(primary.flavour, tmp_path / "restored", tmp_path / "server") as server:
        assert checksums(server) == checksums(primary)


def test_a_shard_that_was_just_backed_up_is_left_alone(project: Project) -> None:
    project.set("cycle", min_interval="1h")
    try:
        result = backup(project)
    finally:
        project.set("cycle", min_interval="0s")

    assert "cycle.min_interval" in str(result["skipped"])
    assert result["number"] is None


def test_old_backups_are_pruned(project: Project) -> None:
    for _ in range(3):
        backup(project)

    listed = project.json("backups", SHARD)
    assert len(listed) == 3
    assert listed[-2]["proven"]


def test_the_operators_statements_run_before_the_stop(project: Project, primary: Primary, tmp_path: Path) -> None:
    project.set_shard(SHARD, sql_before_stop=["CREATE DATABASE made_by_operator"], upgrade_safe=True)
    try:
        result = backup(project)
    finally:
        project.set_shard(SHARD, sql_before_stop=[], upgrade_safe=False)
    project.json("restore", SHARD, "--to", str(tmp_path / "restored"))

    with stock_server(primary.flavour, tmp_path / "restored", tmp_path / "server") as server:
        assert ("made_by_operator",) in server.execute("SHOW DATABASES")
        assert server.position() == result["position"]


def test_a_statement_that_fails_fails_the_run_or_is_told(project: Project) -> None:
    project.set_shard(SHARD, sql_before_stop=["DROP TABLE no.such_table"])
    try:
        failed = project.tidemark("backup", SHARD)
        assert failed.returncode == 1
        assert "no.such_table" in failed.stderr
        assert project.leftovers() == []
        project.set_shard(SHARD, sql_fail_on_error=False)
        assert backup(project)["number"]
    finally:
        project.set_shard(SHARD, sql_before_stop=[], sql_fail_on_error=True)
