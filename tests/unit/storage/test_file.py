"""What is special about a folder as a store: permissions, crashes, full disks."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tidemark.errors import AccessDenied, ObjectMissing, StorageFull, StorageUnavailable
from tidemark.storage import FileStore

pytestmark = pytest.mark.unit


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


def test_only_the_owner_can_read_what_is_stored(store: FileStore, tmp_path: Path) -> None:
    store.put("a/b/c", [b"x"])
    store.put_if_absent("a/b/d", [b"x"])

    for path in (tmp_path / "store").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700


def test_emptied_folders_go_but_never_the_root(store: FileStore, tmp_path: Path) -> None:
    store.put("a/b/c", [b"x"])
    store.put("a/d", [b"x"])

    store.delete("a/b/c")
    assert sorted(path.name for path in (tmp_path / "store").rglob("*")) == ["a", "d"]
    store.delete("a/d")
    assert list((tmp_path / "store").iterdir()) == []


def test_a_root_that_is_a_file_denies_access(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = FileStore(tmp_path / "file")

    for operation in (
        lambda: store.put("a", [b""]),
        lambda: store.put_if_absent("a/b", [b""]),
        lambda: list(store.list()),
    ):
        with pytest.raises(AccessDenied, match=r"file:///.*/file: .* cannot be .*"):
            operation()


def test_an_object_cannot_stand_where_a_folder_is(store: FileStore) -> None:
    store.put("a/b", [b"x"])

    with pytest.raises(AccessDenied, match="a cannot be written"):
        store.put("a", [b"x"])
    with pytest.raises(AccessDenied, match="a cannot be written"):
        store.put_if_absent("a", [b"x"])
    with pytest.raises(AccessDenied, match="a/b/c cannot be written"):
        store.put("a/b/c", [b"x"])
    assert [info.name for info in store.list()] == ["a/b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_others_denies_access(store: FileStore, tmp_path: Path) -> None:
    store.put("a/b", [b"x"])
    (tmp_path / "store" / "a").chmod(0o500)
    try:
        with pytest.raises(AccessDenied, match="a/c cannot be written: Permission denied"):
            store.put("a/c", [b"x"])
        with pytest.raises(AccessDenied, match="a/b cannot be deleted"):
            store.delete("a/b")
    finally:
        (tmp_path / "store" / "a").chmod(0o700)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.EACCES, AccessDenied),
        (errno.EROFS, AccessDenied),
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EIO, StorageUnavailable),
        (errno.ESTALE, StorageUnavailable),
    ],
)
def test_errors_of_the_system_become_errors_of_a_store(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, code: int, expected: type[Exception]
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(expected, match=f"a/b cannot be written: {os.strerror(code)}"):
        store.put("a/b", [b"x"])

    monkeypatch.undo()
    assert list(store.list()) == []
    assert [path.name for path in Path(store.url.removeprefix("file://")).rglob("*") if path.is_file()] == []


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_and_leaves_nothing(tiny: Path) -> None:
    store = FileStore(tiny)
    store.put("fits", [bytes(100_000)])

    with pytest.raises(StorageFull, match="big cannot be written: No space left on device"):
        store.put("big", [bytes(500_000)])

    assert [info.name for info in store.list()] == ["fits"]
    store.put("fits too", [bytes(100_000)])


KILLED = """
import os, signal, sys
from pathlib import Path
from tidemark.storage import FileStore
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
FileStore(Path(sys.argv[1]))._write(Path(sys.argv[1], "a", "b"), [bytes(1000000)], lambda path: None)
"""


def test_a_writer_killed_in_the_middle_leaves_nothing_that_is_listed(store: FileStore, tmp_path: Path) -> None:
    store.put("a/before", [b"x"])
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "store")], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = [path for path in (tmp_path / "store").rglob("*") if path.is_file() and path.name != "before"]
    assert len(left) == 1

    assert [info.name for info in store.list()] == ["a/before"]
    with pytest.raises(ObjectMissing):
        store.get("a/b")
    assert store.sweep("b/", timedelta(0)) == 0
    assert store.sweep("a/", timedelta(hours=1)) == 0
    os.utime(left[0], (0, 0))
    assert store.sweep("a/", timedelta(hours=1)) == 1
    assert [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()] == ["before"]


def test_foreign_files_with_impossible_names_are_not_listed(store: FileStore, tmp_path: Path) -> None:
    store.put("a", [b"x"])
    Path(os.fsdecode(os.fsencode(tmp_path / "store") + b"/\xff\xfe")).write_text("x")
    (tmp_path / "store" / "lost+found").mkdir()

    assert [info.name for info in store.list()] == ["a"]
