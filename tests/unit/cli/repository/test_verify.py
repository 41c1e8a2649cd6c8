"""``tidemark verify --all`` as a person types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.backups import noise, upload, write_folder
from tests.support.project import Project
from tidemark.repository import MasterKey, Repository
from tidemark.steps.run import Known, Seen
from tidemark.storage import FileStore

pytestmark = pytest.mark.unit

SHARD = "commerce/-80"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One shard with two backups, of which this node has seen the second."""
    project = Project(tmp_path)
    project.add(SHARD, port=1, user="nobody", password="none")
    store = FileStore(project.repository)
    shard = Repository.open(store, MasterKey.load(tmp_path / "master.key"), create=True).shard(SHARD)
    for number in range(2):
        write_folder(tmp_path / "data", {"ibdata1": noise(number, 9_000), "shop/t.txt": noise("t", 50_000)})
        newest = upload(shard, tmp_path / "data")
    Known(project.settings(), SHARD).remember(Seen(newest.number, newest.digest))
    return project


def objects(project: Project, kind: str) -> list[Path]:
    return sorted(path for path in (project.repository / SHARD / kind).rglob("0*") if path.is_file())


def test_a_sound_shard_is_told_in_numbers(project: Project) -> None:
    told = project.json("verify", SHARD, "--all")

    assert (told["sound"], told["backups"], told["newest"], told["damages"]) == (True, [1, 2], 2, 0)
    assert told["packs"] == len(objects(project, "packs"))


def test_a_newest_manifest_that_has_vanished_is_missed(project: Project) -> None:
    objects(project, "backups")[-1].unlink()

    assert project.tidemark("verify", SHARD).returncode == 0, "what is there is sound"
    done = project.tidemark("verify", SHARD, "--all")
    assert done.returncode == 1
    assert "backup 2, which this node has seen, is gone: the newest that can be read is 1" in done.stderr

    objects(project, "backups")[-1].unlink()
    assert "none can be read" in project.tidemark("verify", SHARD, "--all").stderr


def test_a_newest_backup_that_is_another_one_is_told(project: Project) -> None:
    Known(project.settings(), SHARD).remember(Seen(2, "0" * 64))

    assert "backup 2 is another one than this node has seen" in project.tidemark("verify", SHARD, "--all").stderr


def test_appended_bytes_and_foreign_objects_are_named(project: Project) -> None:
    pack = objects(project, "packs")[0]
    pack.write_bytes(pack.read_bytes() + b"!")
    (project.repository / SHARD / "note").write_text("?")

    done = project.tidemark("verify", SHARD, "--all")

    assert done.returncode == 1
    assert f"{pack.relative_to(project.repository)} has {pack.stat().st_size} bytes in the listing" in done.stderr
    assert f"belongs to nothing: {SHARD}/note" in done.stderr
    assert "(backups 1)" in done.stderr or "(backups 1, 2)" in done.stderr


def test_all_and_one_backup_do_not_go_together(project: Project) -> None:
    done = project.tidemark("verify", SHARD, "--all", "--backup", "1")

    assert done.returncode == 2
    assert "do not go together" in done.stderr
