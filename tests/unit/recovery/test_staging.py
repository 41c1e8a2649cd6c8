"""Where a restore works, and what becomes of that when something stands in the way."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tidemark.errors import Damaged, DiskFull, RunError
from tidemark.recovery import staging
from tidemark.recovery.staging import Staging, inspect_target, put_in_place, working

pytestmark = pytest.mark.unit


def data_folder(path: Path) -> Path:
    (path / "mysql").mkdir(parents=True)
    (path / "ibdata1").write_text("old")
    return path


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is a disk of its own: it cannot be renamed, only what is in it can."""
    target = tmp_path / "disk"
    target.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == target)
    return target


@pytest.mark.parametrize("delta", [False, True])
def test_a_link_or_a_file_is_no_target(tmp_path: Path, delta: bool) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").write_text("")

    for name in ("link", "file"):
        with pytest.raises(RunError, match="is not a folder"):
            inspect_target(tmp_path / name, delta=delta)


def test_a_folder_and_a_half_restored_one_beside_it_are_for_a_person_to_judge(tmp_path: Path) -> None:
    target = data_folder(tmp_path / "data")
    target.with_name(f"data{staging.INCOMPLETE}").mkdir()

    with pytest.raises(RunError, match="there are both") as caught:
        inspect_target(target, delta=True)
    assert "see their age" in caught.value.hint


def test_a_disk_is_restored_into_from_inside_and_what_was_there_comes_back_to_nobody(mounted: Path) -> None:
    where = inspect_target(mounted, delta=False)
    assert where.folder == mounted / staging.INCOMPLETE

    with working(where) as folder:
        (folder / "ibdata1").write_text("new")
        (folder / "mysql").mkdir()
        assert [path.name for path in mounted.iterdir()] == [staging.INCOMPLETE]
        put_in_place(where)

    assert sorted(path.name for path in mounted.iterdir()) == ["ibdata1", "mysql"]


def test_delta_on_a_disk_sets_aside_what_is_there_and_a_failure_keeps_it(mounted: Path) -> None:
    data_folder(mounted)
    where = inspect_target(mounted, delta=True)

    def fail() -> None:
        with working(where) as folder:
            assert not (mounted / "ibdata1").exists(), "nothing may start a server on it meanwhile"
            (folder / "ibdata1").write_text("half")
            raise Damaged("a block is bad", "use another backup")

    with pytest.raises(Damaged, match="a block is bad") as caught:
        fail()

    assert caught.value.hint.startswith("use another backup; what is there is kept in")
    assert (mounted / staging.INCOMPLETE / "ibdata1").read_text() == "half"
    again = inspect_target(mounted, delta=True)
    assert (again.continued, again.reuse) == (True, True)
    with working(again) as folder:
        (folder / "ibdata1").write_text("whole")
        put_in_place(again)
    assert (mounted / "ibdata1").read_text() == "whole"


def test_a_failure_removes_the_folders_that_were_made_for_it_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    where = inspect_target(tmp_path / "there" / "new" / "deep" / "data", delta=False)

    with pytest.raises(Damaged), working(where):
        raise Damaged("a block is bad")

    assert list(tmp_path.rglob("*")) == [tmp_path / "there"]


def test_an_interrupted_delta_says_where_the_folder_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    where = inspect_target(data_folder(tmp_path / "data"), delta=True)

    with pytest.raises(KeyboardInterrupt), working(where):
        raise KeyboardInterrupt

    assert str(where.folder) in caplog.text
    assert "no server must be started on it" in caplog.text
    assert (where.folder / "ibdata1").read_text() == "old"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES])
def test_what_the_disk_refuses_is_told_at_the_start_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    def work() -> None:
        with working(where):
            pytest.fail("there is no folder to work in")

    kind, words = (RunError, "cannot be written") if number == errno.EACCES else (DiskFull, "no room for")
    where = Staging(tmp_path / "data", tmp_path / f"data{staging.INCOMPLETE}", continued=False, delta=False)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(kind, match=words):
            work()
    where.folder.mkdir()
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(kind, match=words):
        put_in_place(where)
    assert where.folder.is_dir(), "what was restored is not lost"


def test_a_place_that_may_not_be_looked_at_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "is_symlink", refuse)

    with pytest.raises(RunError, match="cannot be written: Permission denied"):
        inspect_target(tmp_path / "data", delta=False)
