"""A folder as the origin of an upload: what it lists, what it reads, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.backups import write_folder
from tidemark.errors import RepositoryError
from tidemark.repository import FolderOrigin
from tidemark.repository.upload.origin import OriginFile

pytestmark = pytest.mark.unit


def test_files_come_with_mode_and_length_and_directories_with_their_mode(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", {"db/a": b"12345"}, ("db",))
    (tmp_path / "data" / "db" / "a").chmod(0o640)
    (tmp_path / "data" / "db").chmod(0o750)
    origin = FolderOrigin(tmp_path / "data", ["db/a"], ["db"])

    assert origin.files() == [OriginFile("db/a", 0o640, 5)]
    assert [(found.path, found.mode) for found in origin.directories()] == [("db", 0o750)]
    assert origin.locate("db/a") == str(tmp_path / "data" / "db" / "a")


def test_a_window_and_the_start_are_read(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", {"a": b"0123456789"})
    origin = FolderOrigin(tmp_path / "data", ["a"])
    buffer = bytearray(4)

    origin.read(origin.files()[0], 3, memoryview(buffer))

    assert bytes(buffer) == b"3456"
    assert origin.read_start("a", 4) == b"0123"
    assert origin.read_start("a", 400) == b"0123456789"


@pytest.mark.parametrize("now", [b"longer than before", b"short"])
def test_a_file_that_is_not_what_it_was_is_refused(tmp_path: Path, now: bytes) -> None:
    write_folder(tmp_path / "data", {"a": b"0123456789"})
    origin = FolderOrigin(tmp_path / "data", ["a"])
    (file,) = origin.files()
    (tmp_path / "data" / "a").write_bytes(now)

    with pytest.raises(RepositoryError, match="had 10 bytes when the upload began"):
        origin.read(file, 0, memoryview(bytearray(10)))


def test_what_is_gone_or_no_file_is_refused_by_its_path(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", {"a": b"0123456789"})
    (tmp_path / "data" / "link").symlink_to("a")
    origin = FolderOrigin(tmp_path / "data", ["a"], ["gone"])
    (file,) = origin.files()
    (tmp_path / "data" / "a").unlink()

    for ask in (
        origin.files,
        origin.directories,
        lambda: origin.read(file, 0, memoryview(bytearray(10))),
        lambda: origin.read_start("a", 4),
    ):
        with pytest.raises(RepositoryError, match=r"cannot be read: No such file"):
            ask()
    with pytest.raises(RepositoryError, match="link is not a regular file"):
        FolderOrigin(tmp_path / "data", ["link"]).files()


def test_a_link_that_takes_a_files_place_is_not_followed(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", {"a": b"0123456789", "b": b"9876543210"})
    origin = FolderOrigin(tmp_path / "data", ["a"])
    (file,) = origin.files()
    (tmp_path / "data" / "a").unlink()
    (tmp_path / "data" / "a").symlink_to("b")

    with pytest.raises(RepositoryError, match="a cannot be read"):
        origin.read(file, 0, memoryview(bytearray(10)))
