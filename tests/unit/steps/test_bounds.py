"""The disk is looked at before and while a run works; what slows it down on purpose is said."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.support.project import Project
from tidemark import steps
from tidemark.errors import DiskFull, LeaseLost
from tidemark.progress import Progress
from tidemark.shards import topology
from tidemark.steps import Run, bounds
from tidemark.steps.bounds import ScratchDisk

pytestmark = pytest.mark.unit

SHARD = "commerce/-80"
MB = 1_000_000


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, node={"min_free": 100 * MB})
    project.add(SHARD, port=1, user="nobody", password="none", catchup_room=50 * MB)
    return project


def run_of(project: Project) -> Run:
    return Run.create(project.settings(), project.path, SHARD)


def check_room(project: Project, run: Run, needed: int) -> None:
    room = bounds.catchup_room(run.shard, needed)
    ScratchDisk.of(project.settings()).check_room(run.data, needed, room, "backup 7")


def set_free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """A disk with so many bytes free; all else as it is."""
    real = os.statvfs

    def statvfs(path: str | Path) -> os.statvfs_result:
        found = list(real(path))
        found[1], found[4] = 1, count
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "statvfs", statvfs)


def test_work_that_asks_no_guard_is_ended_when_the_disk_is_full(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, watch = (
        threading.Event(),
        bounds.DiskWatch(ScratchDisk.of(project.settings()), "the stop", lambda: None, most=16 * MB),
    )
    set_free(monkeypatch, 15 * MB)

    def work() -> None:
        with watch.beside(ended.set):
            assert ended.wait(30)
            raise ConnectionError("what the work saw of its end")

    with pytest.raises(DiskFull, match=r"the stop: stopped, because .* 15.0 MB left") as caught:
        work()

    assert isinstance(caught.value.__cause__, ConnectionError)


def test_with_room_on_the_disk_work_that_fails_fails_by_itself(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = bounds.DiskWatch(ScratchDisk.of(project.settings()), "the stop", lambda: None, most=16 * MB)
    set_free(monkeypatch, 17 * MB)

    with pytest.raises(ConnectionError), watch.beside(lambda: pytest.fail("nothing is to be ended")):
        raise ConnectionError


def test_a_restore_needs_room_for_the_backup_the_catchup_and_what_stays_free(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(project)
    set_free(monkeypatch, 350 * MB)
    check_room(project, run, 200 * MB)

    with pytest.raises(DiskFull) as caught:
        check_room(project, run, 201 * MB)

    assert "backup 7 takes 201.0 MB" in caught.value.message
    assert "50.0 MB (catchup_room)" in caught.value.message
    assert "351.0 MB; the disk of" in caught.value.message
    assert "350.0 MB" in caught.value.message


def test_what_an_earlier_attempt_has_restored_is_not_needed_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(project)
    (run.folder / "data").mkdir()
    (run.folder / "data" / "t.ibd").write_bytes(b"x" * 2 * MB)
    set_free(monkeypatch, 349 * MB)

    check_room(project, run, 200 * MB)


def test_without_a_word_of_the_operators_a_catchup_gets_a_tenth(project: Project) -> None:
    project.shards[SHARD].pop("catchup_room")
    project.write()
    shard = topology(project.settings()).find(SHARD)

    assert bounds.catchup_room(shard, 10**12) == 10**11
    assert bounds.catchup_room(shard, 10) == bounds.LEAST_ROOM


def test_a_step_stops_before_it_fills_the_disk(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Progress] = []
    set_free(monkeypatch, 100 * MB)
    watch = bounds.DiskWatch(ScratchDisk.of(project.settings()), "commerce/-80: the catch-up", steps.always)
    watch()
    set_free(monkeypatch, 100 * MB - 1)
    watch()  # it has looked less than a second ago

    late = bounds.DiskWatch(ScratchDisk.of(project.settings()), "commerce/-80: the catch-up", steps.always)
    with pytest.raises(DiskFull, match=r"commerce/-80: the catch-up: stopped.*100\.0 MB left"):
        late()
    with pytest.raises(DiskFull):
        late.watching(seen.append)(Progress("copying", 1, 2, "B"))
    assert seen == []


def test_an_upload_that_needs_nearly_nothing_goes_on(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    set_free(monkeypatch, bounds.JOURNAL_ROOM)

    bounds.DiskWatch(ScratchDisk.of(project.settings()), "the upload", steps.always, most=bounds.JOURNAL_ROOM)()


def test_the_lease_is_asked_first_and_no_min_free_looks_at_no_disk(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost() -> None:
        raise LeaseLost("somebody else has it")

    set_free(monkeypatch, 0)
    with pytest.raises(LeaseLost):
        bounds.DiskWatch(ScratchDisk.of(project.settings()), "the restore", lost)()
    project.set("node", min_free=0)
    bounds.DiskWatch(ScratchDisk.of(project.settings()), "the restore", steps.always)()
