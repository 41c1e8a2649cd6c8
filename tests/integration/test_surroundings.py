"""A statement in the primary's log means on the private server what it meant on the primary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.primary import Primary
from sandbox.programs import Flavour
from tests.support.needs import need_flavour
from tests.support.project import Project
from tests.support.stock import stock_server

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"
WINTER, SUMMER = 1768478400, 1784116800
"""January and July 2026, in seconds since the epoch."""


@pytest.fixture(params=["mariadb", "mysql"])
def primary(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Primary]:
    """On a machine whose local time is New York's; the node's is UTC's."""
    flavour: Flavour = request.param
    need_flavour(flavour)
    monkeypatch.setenv("TZ", "America/New_York")
    with Primary(tmp_path / "primary", flavour, options={"binlog-format": "MIXED"}) as primary:
        monkeypatch.setenv("TZ", "UTC")
        yield primary


def test_local_time_is_the_primarys_in_summer_and_in_winter(primary: Primary, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.add_shard(SHARD, primary)
    primary.execute("CREATE DATABASE d")
    primary.execute("CREATE TABLE d.t (id INT PRIMARY KEY, at DATETIME, zone INT)")
    project.json("backup", SHARD)
    with primary.root() as connection:
        connection.query("SET time_zone = 'SYSTEM'")
        for number, moment in enumerate((WINTER, SUMMER)):
            connection.query(f"SET timestamp = {moment}")
            connection.query(f"INSERT INTO d.t VALUES ({number}, NOW(), TIMESTAMPDIFF(HOUR, UTC_TIMESTAMP(), NOW()))")
        connection.query(f"SET timestamp = {SUMMER}")
        connection.query("ALTER TABLE d.t ADD made DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP")
        connection.query("ALTER TABLE d.t ADD was DATETIME NOT NULL DEFAULT '2026-07-15 08:00:00'")
        connection.query("CREATE TABLE d.u AS SELECT id, FROM_UNIXTIME(1768478400) AS at FROM d.t")
    wanted = primary.execute("SELECT * FROM d.t ORDER BY id"), primary.execute("SELECT * FROM d.u ORDER BY id")
    assert [row[2] for row in wanted[0]] == [-5, -4]

    project.json("backup", SHARD)

    project.json("restore", SHARD, "--to", str(tmp_path / "restored"))
    with stock_server(primary.flavour, tmp_path / "restored", tmp_path / "stock") as server:
        held = server.execute("SELECT * FROM d.t ORDER BY id"), server.execute("SELECT * FROM d.u ORDER BY id")
    assert held == wanted


def test_a_zone_that_is_not_the_primarys_is_refused(primary: Primary, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.add_shard(SHARD, primary)
    project.set_shard(SHARD, time_zone="Europe/Berlin")

    done = project.tidemark("backup", SHARD)

    assert done.returncode == 1
    assert 'time_zone = "Europe/Berlin"' in " ".join(done.stderr.split())
    assert project.leftovers() == []


def test_a_plugin_that_the_node_does_not_have_fails_the_run_by_name(primary: Primary, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.add_shard(SHARD, primary)
    project.set_shard(SHARD, plugins=["ha_nothing"])

    done = project.tidemark("backup", SHARD)

    assert done.returncode == 1
    assert "has not loaded ha_nothing" in " ".join(done.stderr.split())
    assert project.leftovers() == []


def test_a_plugin_that_the_node_has_is_loaded(primary: Primary, tmp_path: Path) -> None:
    if primary.flavour == "mariadb":
        return  # the server package of Debian that is installed here has none
    project = Project(tmp_path)
    project.add_shard(SHARD, primary)
    project.set_shard(SHARD, plugins=["semisync_replica.so"])

    assert project.json("backup", SHARD)["number"] == 1


CHANGES = {
    "mysql": (("innodb_default_row_format", "compact"), ("partial_revokes", "ON"), ("innodb_strict_mode", "OFF")),
    "mariadb": (
        ("innodb_default_row_format", "compact"),
        ("default_storage_engine", "Aria"),
        ("innodb_strict_mode", "OFF"),
    ),
}
SINCE = {
    "mysql": (
        "REVOKE SELECT ON mysql.* FROM partly@'%'",
        "CREATE TABLE d.made (a VARCHAR(100) PRIMARY KEY, b TEXT)",
        "CREATE TABLE d.squeezed (a INT PRIMARY KEY) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=64",
    ),
    "mariadb": (
        "CREATE TABLE d.made (a VARCHAR(100) PRIMARY KEY, b TEXT) ENGINE=InnoDB",
        "CREATE TABLE d.default_engine (a INT PRIMARY KEY)",
        "CREATE TABLE d.squeezed (a INT PRIMARY KEY) ENGINE=InnoDB ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=64",
    ),
}


def test_what_the_operator_changes_after_the_first_backup_is_the_private_servers_too(
    primary: Primary, tmp_path: Path
) -> None:
    project = Project(tmp_path)
    project.add_shard(SHARD, primary)
    primary.execute("CREATE DATABASE d")
    primary.execute("CREATE USER partly@'%' IDENTIFIED BY 'Aa1!partly'")
    primary.execute("GRANT SELECT ON *.* TO partly@'%'")
    project.json("backup", SHARD)
    for name, value in CHANGES[primary.flavour]:
        primary.execute(f"SET GLOBAL {name} = {value}")
    for statement in SINCE[primary.flavour]:
        primary.execute(statement)
    told = "SELECT table_name, engine, row_format FROM information_schema.tables WHERE table_schema = 'd' ORDER BY 1"
    wanted = primary.execute(told)
    assert ("made", "InnoDB", "Compact") in wanted

    project.json("backup", SHARD)
    project.json("backup", SHARD)

    inventory = project.json("restore", SHARD, "--stdout-manifest")["inventory"]
    assert [
        (table["name"], table["engine"], table["row_format"])
        for table in inventory["tables"]
        if table["schema_name"] == "d"
    ] == wanted
    assert project.json("backups", SHARD)[-1]["variables"]["innodb_default_row_format"] == "compact"
