"""Kept data folders: where they go, who may take them, and what removes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.project import Project
from tidemark.mysql.server import buffer_pool
from tidemark.steps import Run, bounds
from tidemark.steps.bounds import ScratchDisk
from tidemark.steps.warm_folders import WarmFolders

pytestmark = pytest.mark.unit

SHARD, OTHER = "commerce/-80", "commerce/80-"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, node={"keep": True})
    for name in (SHARD, OTHER):
        project.add(name, port=3306, user="u", password="p")
    return project


def new_run(project: Project, shard: str = SHARD) -> Run:
    return Run.create(project.settings(), project.path, shard, node_id="node@test")


def make_data(run: Run, text: str) -> Path:
    data = run.folder / "data"
    data.mkdir()
    (data / "ibdata1").write_text(text)
    return data


def keep(project: Project, shard: str, backup: int) -> Run:
    run = new_run(project, shard)
    assert warm(project).keep(shard, make_data(run, f"{shard} {backup}"), backup)
    return run


def warm(project: Project) -> WarmFolders:
    return WarmFolders.of(project.settings())


def check_room(project: Project, run: Run, needed: int) -> None:
    room = bounds.catchup_room(run.shard, needed)
    ScratchDisk.of(project.settings()).check_room(run.data, needed, room, "backup 7")


def shards(project: Project) -> list[tuple[str, int]]:
    return [(found.shard, found.backup) for found in warm(project).all_kept()]


def test_a_kept_folder_is_taken_once(project: Project) -> None:
    before = keep(project, SHARD, 7)
    assert not (before.folder / "data").exists()
    run, rival = new_run(project), new_run(project)

    assert warm(project).take(run.shard.name, run.data) == 7
    assert (run.folder / "data" / "ibdata1").read_text() == f"{SHARD} 7"
    assert warm(project).take(rival.shard.name, rival.data) is None
    assert sorted(path.name for path in run.folder.iterdir()) == ["data", "run.json"]


def test_a_node_knows_whose_folders_it_has(project: Project) -> None:
    assert warm(project).held() == frozenset()
    keep(project, SHARD, 7)
    run = new_run(project, OTHER)
    warm(project).keep(run.shard.name, make_data(run, "x"), 3)
    assert warm(project).held() == {SHARD, OTHER}

    taker = new_run(project)
    warm(project).take(taker.shard.name, taker.data)
    assert warm(project).held() == {OTHER}
    project.set("node", keep=False)
    assert warm(project).held() == frozenset(), "what nobody takes is no reason"


def test_a_newer_folder_replaces_the_older_one(project: Project) -> None:
    keep(project, SHARD, 7)
    keep(project, SHARD, 8)
    assert shards(project) == [(SHARD, 8)]


def test_the_oldest_goes_first_when_room_is_needed(project: Project) -> None:
    keep(project, OTHER, 3)
    keep(project, SHARD, 7)
    assert warm(project).drop_oldest()
    assert shards(project) == [(SHARD, 7)]
    assert warm(project).drop_oldest()
    assert not warm(project).drop_oldest()


def test_a_run_that_lacks_room_gets_that_of_kept_folders(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(project, OTHER, 3)
    keep(project, SHARD, 7)

    def free(folder: Path) -> int:
        return (10 - 4 * len(shards(project))) << 30

    monkeypatch.setattr(bounds, "free_bytes", free)
    run = new_run(project)

    check_room(project, run, 4 << 30)
    assert shards(project) == [(SHARD, 7)], "no more goes than is needed"

    project.set("node", min_free="8G")
    bounds.DiskWatch(ScratchDisk.of(project.settings()), "the catch-up", lambda: None)()
    assert shards(project) == []


def test_what_is_of_no_use_goes(project: Project) -> None:
    keep(project, SHARD, 7)
    keep(project, OTHER, 3)
    nameless = project.scratch / "kept" / "commerce" / "nameless"
    nameless.mkdir()
    del project.shards[OTHER]
    project.write()
    keep(project, SHARD, 8)
    assert shards(project) == [(SHARD, 8)]
    assert not nameless.exists()

    project.set("node", keep=False)
    run = new_run(project)
    assert warm(project).take(run.shard.name, run.data) is None
    assert shards(project) == []
    assert not warm(project).keep(run.shard.name, make_data(run, "x"), 9)


def test_a_folder_of_another_repository_is_not_taken(project: Project) -> None:
    keep(project, SHARD, 7)
    project.set("repository", url=f"file://{project.folder}/elsewhere")
    run = new_run(project)
    assert warm(project).take(run.shard.name, run.data) is None


def test_a_folder_that_cannot_be_kept_is_no_failure(project: Project) -> None:
    (project.scratch).mkdir(exist_ok=True)
    (project.scratch / "kept").write_text("in the way")
    run = new_run(project)
    assert not warm(project).keep(run.shard.name, make_data(run, "x"), 7)


@pytest.mark.parametrize(
    ("data", "memory", "expected"),
    [
        (0, 16 << 30, 256 << 20),
        (1 << 30, 16 << 30, 1280 << 20),
        (1 << 40, 16 << 30, 4 << 30),
        (1 << 40, 512 << 20, 256 << 20),
    ],
)
def test_a_buffer_pool_fits_the_data_and_the_machine(data: int, memory: int, expected: int) -> None:
    assert buffer_pool.size(data, memory) == expected


def test_what_is_kept_for_a_shard_can_be_asked_for_and_dropped(project: Project) -> None:
    keep(project, SHARD, 7)
    keep(project, OTHER, 8)
    assert (warm(project).find(SHARD), warm(project).find(OTHER)) == (7, 8)

    warm(project).drop(SHARD)
    warm(project).drop(SHARD)

    assert (warm(project).find(SHARD), warm(project).find(OTHER)) == (None, 8)
    project.set("repository", url="file:///elsewhere")
    assert warm(project).find(OTHER) is None
    project.set("node", keep=False)
    assert warm(project).find(OTHER) is None


def test_a_kept_folder_that_somebody_else_takes_first_is_no_failure(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(project, SHARD, 7)
    run = new_run(project)

    def lose(path: Path, target: Path) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "rename", lose)
    assert warm(project).take(SHARD, run.data) is None
    assert not run.data.exists()


def test_what_killed_processes_were_moving_goes_after_an_hour(project: Project) -> None:
    keep(project, SHARD, 7)
    old, new = project.scratch / "kept" / ".gone-1", project.scratch / "kept" / ".new-2"
    for path in (old, new):
        path.mkdir()
    os.utime(old, (0, 0))

    keep(project, OTHER, 8)

    assert (old.exists(), new.exists()) == (False, True)
    assert shards(project) == [(SHARD, 7), (OTHER, 8)]
