"""What a server holds is what is uploaded, what the manifest says, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.primary import Primary
from sandbox.programs import Flavour
from tests.support.needs import need_flavour
from tests.support.project import Project
from tidemark import steps
from tidemark.errors import Damaged, RunError
from tidemark.holdings import InventoryTable
from tidemark.steps import Run

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"
AWKWARD = (
    "CREATE DATABASE ibtmp",
    "CREATE DATABASE ibtmp12",
    "CREATE DATABASE `a-b`",
    "CREATE TABLE ibtmp.t (id INT PRIMARY KEY)",
    "CREATE TABLE ibtmp12.t (id INT PRIMARY KEY) ENGINE=MyISAM",
    "CREATE TABLE `a-b`.`x y` (id INT PRIMARY KEY)",
    "CREATE TABLE `a-b`.`con` (id INT PRIMARY KEY) ENGINE=MyISAM",
    "CREATE TABLE `a-b`.`p#q` (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 2",
    "CREATE TABLE `a-b`.`ünï€` (id INT PRIMARY KEY, t TEXT, FULLTEXT (t))",
    "CREATE TABLE `a-b`.mem (id INT PRIMARY KEY) ENGINE=MEMORY",
    "CREATE TABLE `a-b`.csv (id INT NOT NULL) ENGINE=CSV",
    "CREATE VIEW `a-b`.v AS SELECT 1",
)
MORE = {
    "mysql": (
        "CREATE TABLESPACE `relay-bin-archive` ADD DATAFILE 'relay-bin-archive.ibd'",
        "CREATE TABLE `a-b`.`in` (id INT PRIMARY KEY) TABLESPACE `relay-bin-archive`",
        "CREATE UNDO TABLESPACE un ADD DATAFILE 'un.ibu'",
    ),
    "mariadb": (
        "CREATE TABLE `a-b`.parts (id INT PRIMARY KEY) ENGINE=MyISAM PARTITION BY HASH (id) PARTITIONS 2",
        "CREATE TABLE `a-b`.aria (id INT PRIMARY KEY) ENGINE=Aria",
        "CREATE SEQUENCE `a-b`.`seq`",
    ),
}


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    wanted: Flavour = request.param
    need_flavour(wanted)
    return wanted


@pytest.fixture(scope="module")
def primary(flavour: Flavour, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primary]:
    with Primary(tmp_path_factory.mktemp(flavour), flavour) as primary:
        for statement in (*AWKWARD, *MORE[flavour]):
            primary.execute(statement)
        yield primary


@pytest.fixture(scope="module")
def project(primary: Primary, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With two backups."""
    project = Project(tmp_path_factory.mktemp("project"))
    project.add_shard(SHARD, primary)
    project.json("backup", SHARD)
    primary.execute("INSERT INTO ibtmp.t VALUES (1)")
    project.json("backup", SHARD)
    return project


@pytest.fixture
def run(project: Project) -> Iterator[Run]:
    """A run that has restored."""
    run = Run.create(project.settings(), project.path, SHARD, node_id="node@test")
    steps.restore.run(run)
    yield run
    steps.cleanup.run(run.folder)


def test_what_users_call_like_files_of_the_server_is_in_the_backup_and_comes_back(
    project: Project, flavour: Flavour
) -> None:
    manifest = project.json("restore", SHARD, "--stdout-manifest")
    files = {file["path"] for file in manifest["file_list"]}
    tables = {(table["schema_name"], table["name"]) for table in manifest["inventory"]["tables"]}

    assert {"ibtmp/t.ibd", "ibtmp12/t.MYD"} <= files
    assert "relay-bin-archive.ibd" in files or flavour == "mariadb"
    assert {("ibtmp", "t"), ("ibtmp12", "t"), ("a-b", "ünï€"), ("a-b", "mem")} <= tables
    assert project.json("drill", SHARD)["problems"] == []


def test_the_listing_says_how_much_a_backup_holds(project: Project, flavour: Flavour) -> None:
    tables = {"mysql": 9, "mariadb": 11}[flavour]

    holds = project.json("backups", SHARD)[-1]["holds"]

    assert {name: holds[name] for name in ("schemas", "tables", "views", "events")} == {
        "schemas": 3,
        "tables": tables,
        "views": 1,
        "events": 0,
    }


def test_a_file_that_goes_missing_before_the_upload_fails_the_run_by_name(run: Run, project: Project) -> None:
    steps.catchup.run(run)
    steps.stop.run(run)
    (run.data / "ibtmp" / "t.ibd").unlink()
    before = len(project.json("backups", SHARD))

    with pytest.raises(RunError, match=r"do not hold: ibtmp/t\.ibd of tablespace ibtmp/t"):
        steps.upload.run(run)
    assert len(project.json("backups", SHARD)) == before


def test_a_restored_server_that_lacks_a_table_is_found_before_it_replicates(run: Run) -> None:
    note = run.noted_inventory("restored")
    assert note is not None
    lost = InventoryTable(schema_name="ibtmp", name="lost", engine="InnoDB", row_format="Dynamic")
    tables = (*note.inventory.tables, lost)
    inventory = note.inventory.model_copy(update={"tables": tables})
    run.note_inventory("restored", note.model_copy(update={"inventory": inventory}))

    with pytest.raises(Damaged, match=r"does not hold what its manifest says: table ibtmp\.lost is missing"):
        steps.catchup.run(run)


def test_a_damaged_note_ends_the_run(run: Run) -> None:
    Path(run.folder / "inventory-restored.json").write_text("{")

    with pytest.raises(RunError, match=r"inventory-restored\.json is damaged"):
        steps.catchup.run(run)
