"""Kept data folders: where they go, who may take them, and what removes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.project import Project
from tidemark.mysql.server import buffer_pool
from tidemark.steps import Run, bounds, warm_folders

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
    assert warm_folders.keep(run, make_data(run, f"{shard} {backup}"), backup)
    return run


def shards(project: Project) -> list[tuple[str, int]]:
    return [(found.shard, found.backup) for found in warm_folders.all_kept(project.settings())]


def test_a_kept_folder_is_taken_once(project: Project) -> None:
    before = keep(project, SHARD, 7)
    assert not (before.folder / "data").exists()
    run, rival = new_run(project), new_run(project)

    assert warm_folders.take(run, run.folder / "data") == 7
    assert (run.folder / "data" / "ibdata1").read_text() == f"{SHARD} 7"
    assert warm_folders.take(rival, rival.folder / "data") is None
    assert sorted(path.name for path in run.folder.iterdir()) == ["data", "run.json"]


def test_a_node_knows_whose_folders_it_has(project: Project) -> None:
    assert warm_folders.held(project.settings()) == frozenset()
    keep(project, SHARD, 7)
    run = new_run(project, OTHER)
    warm_folders.keep(run, make_data(run, "x"), 3)
    assert warm_folders.held(project.settings()) == {SHARD, OTHER}

    taker = new_run(project)
    warm_folders.take(taker, taker.folder / "data")
    assert warm_folders.held(project.settings()) == {OTHER}
    project.set("node", keep=False)
    assert warm_folders.held(project.settings()) == frozenset(), "what nobody takes is no reason"


def test_a_newer_folder_replaces_the_older_one(project: Project) -> None:
    keep(project, SHARD, 7)
    keep(project, SHARD, 8)
    assert shards(project) == [(SHARD, 8)]


def test_the_oldest_goes_first_when_room_is_needed(project: Project) -> None:
    keep(project, OTHER, 3)
    keep(project, SHARD, 7)
    assert warm_folders.drop_oldest(project.settings())
    assert shards(project) == [(SHARD, 7)]
    assert warm_folders.drop_oldest(project.settings())
    assert not warm_folders.drop_oldest(project.settings())


def test_a_run_that_lacks_room_gets_that_of_kept_folders(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(project, OTHER, 3)
    keep(project, SHARD, 7)

    def free(folder: Path) -> int:
        return (10 - 4 * len(shards(project))) << 30

    monkeypatch.setattr(bounds, "free_bytes", free)
    run = new_run(project)

    bounds.check_room(run, 4 << 30, "backup 7")
    assert shards(project) == [(SHARD, 7)], "no more goes than is needed"

    project.set("node", min_free="8G")
    bounds.DiskWatch(project.settings(), "the catch-up", lambda: None)()
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
    assert warm_folders.take(run, run.folder / "data") is None
    assert shards(project) == []
    assert not warm_folders.keep(run, make_data(run, "x"), 9)


def test_a_folder_of_another_repository_is_not_taken(project: Project) -> None:
    keep(project, SHARD, 7)
    project.set("repository", url=f"file://{project.folder}/elsewhere")
    run = new_run(project)
    assert warm_folders.take(run, run.folder / "data") is None


def test_a_folder_that_cannot_be_kept_is_no_failure(project: Project) -> None:
    (project.scratch).mkdir(exist_ok=True)
    (project.scratch / "kept").write_text("in the way")
    run = new_run(project)
    assert not warm_folders.keep(run, make_data(run, "x"), 7)


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
