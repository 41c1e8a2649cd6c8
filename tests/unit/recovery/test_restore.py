"""A restore ends with the whole backup under the target's name, or with nothing there; never with something between."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.backups import noise, read_folder, upload, write_folder
from tests.support.project import Project
from tidemark.config import Settings
from tidemark.errors import Damaged, DiskFull, RunError
from tidemark.progress import Progress, ProgressCallback, ignore
from tidemark.recovery import restore, staging
from tidemark.repository import Repository
from tidemark.repository.keys.keys import MasterKey
from tidemark.storage import FileStore

pytestmark = pytest.mark.unit

SHARD = "commerce/-80"
CONTENT = {
    "ibdata1": noise("system", 60_000),
    "mysql/user.ibd": noise("user", 9_000),
    "shop/t.ibd": noise("t", 300_000),
    "shop/hole.ibd": bytes(3_000_000),
    "shop/empty.ibd": b"",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One shard with two backups: the second as ``CONTENT`` says."""
    project = Project(tmp_path)
    project.add(SHARD, port=1, user="nobody", password="none")
    store = FileStore(project.repository)
    shard = Repository.open(store, MasterKey.load(tmp_path / "master.key"), create=True).shard(SHARD)
    write_folder(tmp_path / "data", CONTENT | {"shop/t.ibd": noise("before", 300_000)})
    upload(shard, tmp_path / "data")
    write_folder(tmp_path / "data", CONTENT)
    upload(shard, tmp_path / "data")
    return project


@pytest.fixture
def settings(project: Project) -> Settings:
    return project.settings()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "restored"


def bring_back(
    settings: Settings,
    target: Path,
    number: int | None = None,
    *,
    delta: bool = False,
    progress: ProgressCallback = ignore,
) -> restore.BroughtBack:
    """Restores a backup, the newest without a number."""
    found = restore.find(settings, SHARD, number=number)
    return restore.run(settings, found, target, delta=delta, progress=progress)


def staging_of(target: Path) -> Path:
    return target.with_name(target.name + staging.INCOMPLETE)


def packs(project: Project) -> list[Path]:
    return sorted((project.repository / SHARD / "packs").rglob("0*"))


def damage(project: Project) -> None:
    for pack in packs(project):
        content = bytearray(pack.read_bytes())
        content[len(content) // 2] ^= 1
        pack.write_bytes(content)


def killed_restore(project: Project, target: Path) -> None:
    """A restore that is killed when it has written something."""
    script = (
        "import os, pathlib, sys\n"
        "from tidemark import config\n"
        "from tidemark.recovery import restore\n"
        "def kill(moment):\n"
        "    if moment.done > 100_000: os.kill(os.getpid(), 9)\n"
        "settings = config.load(sys.argv[1])\n"
        "restore.run(settings, restore.find(settings, sys.argv[2]), pathlib.Path(sys.argv[3]), progress=kill)\n"
    )
    words = [sys.executable, "-c", script, str(project.path), SHARD, str(target)]
    assert subprocess.run(words, check=False).returncode == -9


def test_the_newest_backup_or_another_one_is_restored(settings: Settings, target: Path, tmp_path: Path) -> None:
    done = bring_back(settings, target)
    assert read_folder(target) == CONTENT
    assert done.backup.number == 2

    bring_back(settings, tmp_path / "older", number=1)
    assert read_folder(tmp_path / "older")["shop/t.ibd"] == noise("before", 300_000)


def test_a_restore_that_was_killed_is_continued(project: Project, settings: Settings, target: Path) -> None:
    killed_restore(project, target)
    assert not target.exists()
    assert staging_of(target).is_dir()

    done = bring_back(settings, target)

    assert read_folder(target) == CONTENT
    assert not staging_of(target).exists()
    everything = bring_back(settings, target.with_name("again")).fetched_bytes
    assert done.fetched_bytes < everything


def test_a_restore_that_fails_leaves_nothing(project: Project, settings: Settings, target: Path) -> None:
    damage(project)

    with pytest.raises(Damaged):
        bring_back(settings, target)
    assert not target.parent.exists()


def test_a_continued_restore_that_fails_keeps_what_there_is_and_says_where(
    project: Project, settings: Settings, target: Path
) -> None:
    killed_restore(project, target)
    damage(project)

    with pytest.raises(Damaged) as caught:
        bring_back(settings, target)
    assert str(staging_of(target)) in caught.value.hint
    assert staging_of(target).is_dir()


def test_two_restores_to_one_place_do_not_meet(settings: Settings, target: Path) -> None:
    working, go_on = threading.Event(), threading.Event()

    def wait(moment: Progress) -> None:
        working.set()
        assert go_on.wait(20)

    first = threading.Thread(target=lambda: bring_back(settings, target, progress=wait))
    first.start()
    assert working.wait(20)
    try:
        with pytest.raises(RunError, match="another restore"):
            bring_back(settings, target)
        assert staging_of(target).is_dir()
    finally:
        go_on.set()
        first.join()
    assert read_folder(target) == CONTENT


def test_a_disk_without_room_is_told_before_anything_is_written(
    settings: Settings, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = restore.find(settings, SHARD).needed_bytes
    data = sum(len(content) for name, content in CONTENT.items() if "hole" not in name)
    assert data <= needed <= data + 3 * 512  # whole blocks; holes take no room
    _have_room(monkeypatch, needed - 512)

    with pytest.raises(DiskFull, match=r"backup 2 of commerce/-80 takes 0\.4 MB; the disk of .* has 0\.4 MB free"):
        bring_back(settings, target)
    assert not target.parent.exists()

    _have_room(monkeypatch, needed + 512)
    bring_back(settings, target)
    assert read_folder(target) == CONTENT


def test_what_is_there_already_needs_no_room(settings: Settings, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring_back(settings, target, number=1)
    _have_room(monkeypatch, 100_000)

    bring_back(settings, target, delta=True)

    assert read_folder(target) == CONTENT


def _have_room(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """A disk in units of 512 bytes."""
    real = os.statvfs

    def fake(path: os.PathLike[str]) -> os.statvfs_result:
        found = list(real(path))
        found[1], found[4] = 512, free // 512
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "statvfs", fake)


def test_delta_fetches_only_what_differs_and_removes_what_is_not_in_the_backup(
    settings: Settings, target: Path
) -> None:
    whole = bring_back(settings, target).fetched_bytes
    (target / "auto.cnf").write_text("[auto]\n")
    with (target / "shop/t.ibd").open("r+b") as file:
        file.seek(150_000)
        file.write(b"another row")

    done = bring_back(settings, target, delta=True)

    assert read_folder(target) == CONTENT
    assert 0 < done.fetched_bytes < whole / 4


def test_delta_of_an_empty_place_is_a_plain_restore(settings: Settings, target: Path) -> None:
    bring_back(settings, target, delta=True)

    assert read_folder(target) == CONTENT


@pytest.mark.parametrize("delta", [False, True])
def test_a_folder_that_holds_something_else_is_left_alone(settings: Settings, target: Path, delta: bool) -> None:
    target.mkdir(parents=True)
    (target / "precious").write_text("x")

    with pytest.raises(RunError, match="is not the data folder" if delta else "is not empty"):
        bring_back(settings, target, delta=delta)
    assert read_folder(target) == {"precious": b"x"}


def test_a_data_folder_without_delta_is_left_alone(settings: Settings, target: Path) -> None:
    bring_back(settings, target, number=1)

    with pytest.raises(RunError, match="is not empty") as caught:
        bring_back(settings, target)
    assert "--delta" in caught.value.hint


def test_while_delta_is_at_work_no_folder_of_that_name_is_there_to_start_a_server_on(
    settings: Settings, target: Path
) -> None:
    bring_back(settings, target, number=1)
    seen = []

    bring_back(
        settings,
        target,
        delta=True,
        progress=lambda moment: seen.append(target.exists()),
    )

    assert seen
    assert not any(seen)
    assert target.exists()


def test_delta_that_fails_keeps_the_folder_under_the_other_name_and_goes_on_later(
    project: Project, settings: Settings, target: Path
) -> None:
    bring_back(settings, target, number=1)
    whole = {pack: pack.read_bytes() for pack in packs(project)}
    damage(project)
    with pytest.raises(Damaged) as caught:
        bring_back(settings, target, delta=True)
    assert str(staging_of(target)) in caught.value.hint
    assert not target.exists()

    for pack, content in whole.items():
        pack.write_bytes(content)
    bring_back(settings, target, delta=True)

    assert read_folder(target) == CONTENT
