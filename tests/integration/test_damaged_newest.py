"""The newest backup is damaged, vanishes or is replaced: the next run says so, and goes on where that is right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.checksums import checksums
from sandbox.primary import Account, Primary
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
        primary.execute("CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, word VARCHAR(20))")
        yield primary


@pytest.fixture
def project(primary: Primary, account: Account, tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.add(SHARD, port=primary.port, user=account.user, password=account.password)
    for _ in range(2):
        primary.execute("INSERT INTO shop.t (word) VALUES ('ebb')")
        project.json("backup", SHARD)
    return project


def manifest(project: Project, number: int) -> Path:
    return project.repository / SHARD / "backups" / f"{number:012d}"


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


@pytest.mark.parametrize("what", ["pack", "missing pack", "manifest"])
def test_a_run_passes_over_a_damaged_newest_backup_and_makes_a_sound_one(
    project: Project, primary: Primary, tmp_path: Path, what: str
) -> None:
    run = sorted((project.repository / SHARD / "packs").iterdir())[-1]
    victims = [manifest(project, 2)] if what == "manifest" else sorted(run.iterdir())
    for victim in victims:
        victim.unlink() if what == "missing pack" else spoil(victim)
    told = project.tidemark("verify", SHARD, "--backup", "2")
    assert told.returncode == 1
    assert any(str(victim.relative_to(project.repository)) in told.stderr for victim in victims)
    assert project.tidemark("verify", SHARD, "--backup", "1").returncode == 0
    primary.execute("INSERT INTO shop.t (word) VALUES ('flow')")

    done = project.tidemark("backup", SHARD)

    assert done.returncode == 0, done.stderr
    assert "backup 2 is damaged" in done.stderr
    assert project.leftovers() == []
    assert project.json("verify", SHARD)["number"] == 3
    project.json("restore", SHARD, "--to", str(tmp_path / "data"))
    with stock_server("mariadb", tmp_path / "data", tmp_path / "server") as server:
        assert checksums(server) == checksums(primary)
    assert project.json("backup", SHARD)["number"] == 4


def test_a_newest_backup_that_has_vanished_is_an_alarm(project: Project) -> None:
    manifest(project, 2).unlink()

    told = project.tidemark("backup", SHARD)

    assert told.returncode == 1
    assert "this node has seen backup 2 in " in told.stderr
    assert "the newest there is 1" in told.stderr


def test_a_backup_that_was_replaced_is_an_alarm_until_a_person_accepts_it(project: Project) -> None:
    known = project.scratch / "known" / f"{SHARD}.json"
    remembered = known.read_text()
    manifest(project, 2).unlink()
    known.unlink()
    project.json("backup", SHARD)
    known.write_text(remembered)

    told = project.tidemark("backup", SHARD)
    assert told.returncode == 1
    assert "is another one than this node has seen" in told.stderr

    known.unlink()
    assert project.json("backup", SHARD)["number"] == 3
