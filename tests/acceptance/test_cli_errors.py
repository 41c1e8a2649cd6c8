"""Bad input gets one clear error: what happened, what was seen, what to try. Exit status 1, and nothing is left."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.primary import Account, Primary
from tests.support.needs import need_flavour
from tests.support.project import Project
from tidemark.repository import MasterKey

pytestmark = pytest.mark.acceptance

SHARD = "commerce/-80"


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primary]:
    need_flavour("mariadb")
    with Primary(tmp_path_factory.mktemp("primary"), "mariadb") as primary:
        primary.execute("CREATE DATABASE shop")
        primary.execute("CREATE TABLE shop.t (id INT PRIMARY KEY)")
        yield primary


@pytest.fixture
def project(tmp_path: Path, primary: Primary, account: Account) -> Project:
    project = Project(tmp_path)
    project.add(SHARD, port=primary.port, user=account.user, password=account.password)
    return project


def fails(project: Project, *words: str, said: str, hint: str = "") -> None:
    """The call ends with status 1, says this once and without a traceback, and leaves nothing behind."""
    done = project.tidemark(*words)
    shown = done.stderr + done.stdout

    assert done.returncode == 1, shown
    assert done.stderr.count("Error: ") == 1, shown
    assert "Traceback" not in shown
    assert said in done.stderr
    assert hint in done.stderr.partition("HINT: ")[2], shown
    assert project.leftovers() == []


def no_backup(project: Project) -> bool:
    return not list(project.repository.glob("*/*/backups/*"))


def test_a_wrong_password(project: Project, primary: Primary) -> None:
    project.add(SHARD, port=primary.port, user="tidemark", password="wrong")

    fails(project, "backup", SHARD, said="Access denied", hint="password")
    assert no_backup(project)


def test_an_unreachable_primary(project: Project) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        project.set_shard(SHARD, port=nobody.getsockname()[1])

        fails(project, "backup", SHARD, said=f"127.0.0.1:{nobody.getsockname()[1]}", hint="host")


def test_an_unknown_shard(project: Project) -> None:
    for words in (["backup", "x/y"], ["backups", "x/y"], ["run", "x/y"]):
        fails(project, *words, said='there is no shard "x/y"', hint="the configured shards are: commerce/-80")


def test_missing_programs(project: Project, tmp_path: Path) -> None:
    project.set("node", mariadb_bin=str(tmp_path / "nowhere"))

    fails(project, "backup", SHARD, said="mariadb", hint="install")


def test_an_unwritable_scratch_folder(project: Project, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    project.set("node", scratch=str(tmp_path / "file" / "scratch"))

    fails(project, "backup", SHARD, said="cannot be written", hint="[node] scratch")


def test_an_unwritable_repository(project: Project, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    project.set("repository", url=f"file://{tmp_path}/file/repository")

    fails(project, "backup", SHARD, said=str(tmp_path / "file"))


def test_a_foreign_folder_as_the_repository(project: Project) -> None:
    project.repository.mkdir()
    (project.repository / "holiday.jpg").write_bytes(b"x")

    fails(project, "backup", SHARD, said="holiday.jpg")
    assert [path.name for path in project.repository.iterdir()] == ["holiday.jpg"]


def test_a_wrong_key(project: Project, tmp_path: Path) -> None:
    assert project.tidemark("backup", SHARD).returncode == 0
    MasterKey.generate().write(tmp_path / "other.key")
    project.set("repository", key_file=str(tmp_path / "other.key"))

    fails(project, "backups", SHARD, said=MasterKey.load(tmp_path / "other.key").id)
    fails(project, "backup", SHARD, said=MasterKey.load(tmp_path / "master.key").id)


def test_a_missing_key(project: Project, tmp_path: Path) -> None:
    (tmp_path / "master.key").unlink()

    fails(project, "backup", SHARD, said="master.key", hint="tidemark keys new")


def test_a_key_that_others_may_read(project: Project, tmp_path: Path) -> None:
    (tmp_path / "master.key").chmod(0o644)

    fails(project, "backup", SHARD, said="master.key", hint="chmod 600")


def test_a_broken_configuration(project: Project) -> None:
    project.path.write_text("[repository\n")

    fails(project, "backup", SHARD, said="is not valid TOML")


def test_no_backup_and_no_permission_to_make_a_first_one(project: Project) -> None:
    project.set_shard(SHARD, first_backup="refuse")

    fails(project, "backup", SHARD, said="no backup", hint="--first-backup clone")


def test_a_repository_that_has_vanished_is_not_started_anew(project: Project) -> None:
    assert project.tidemark("backup", SHARD).returncode == 0
    project.repository.rename(project.folder / "moved")

    fails(project, "backup", SHARD, said="though this node knows of backup 1", hint="[repository] url")


def test_a_restore_target_that_is_not_empty(project: Project, tmp_path: Path) -> None:
    assert project.tidemark("backup", SHARD).returncode == 0
    target = tmp_path / "target"
    target.mkdir()
    (target / "precious").touch()

    fails(project, "restore", SHARD, "--to", str(target), said="is not empty", hint="nothing was changed")
    assert (target / "precious").exists()


def test_a_backup_that_does_not_exist(project: Project, tmp_path: Path) -> None:
    assert project.tidemark("backup", SHARD).returncode == 0

    fails(project, "restore", SHARD, "--to", str(tmp_path / "t"), "--backup", "9", said="9")
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("full", ["scratch", "repository", "target"])
def test_a_full_disk(project: Project, tmp_path: Path, full: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small disk can only be mounted by root")
    small = tmp_path / "small"
    small.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small], capture_output=True, check=False)
    if mount.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        match full:
            case "scratch":
                project.set("node", scratch=str(small / "scratch"))
                project.scratch = small / "scratch"
                fails(project, "backup", SHARD, said="small")
            case "repository":
                project.set("repository", url=f"file://{small}/repository", compression_level=1)
                fill(small, leave=256 << 10)
                fails(project, "backup", SHARD, said="small")
            case _:
                assert project.tidemark("backup", SHARD).returncode == 0
                fails(
                    project, "restore", SHARD, "--to", str(small / "t"), said="small", hint="restore to a larger disk"
                )
                assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def fill(folder: Path, leave: int) -> None:
    """Takes a disk's room but for ``leave`` bytes."""
    room = os.statvfs(folder)
    (folder / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize - leave))


@pytest.mark.parametrize("words", [["backup"], ["restore", SHARD], ["backup", SHARD, "--nonsense"], ["nonsense"]])
def test_usage_errors_exit_2(project: Project, words: list[str]) -> None:
    done = project.tidemark(*words)

    assert done.returncode == 2
    assert "Usage: tidemark" in done.stderr


@pytest.mark.parametrize(
    "words", [[], ["config"], ["keys"], ["backup"], ["run"], ["restore"], ["backups"], ["shards"], ["mirror"]]
)
def test_help_has_examples(project: Project, words: list[str]) -> None:
    done = project.tidemark(*words, "--help")

    assert done.returncode == 0
    assert "Usage: tidemark" in done.stdout
    if words not in ([], ["config"], ["keys"]):
        assert f"tidemark {words[0]}" in done.stdout.split("Examples:")[1]
