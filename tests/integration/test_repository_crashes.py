"""Uploads and restores in processes of their own, on a real folder: killed, interrupted, short of room or memory."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.backups import noise, open_shard, read_folder, write_folder
from tests.support.waiting import wait_until
from tidemark.errors import DiskFull
from tidemark.repository import RestoreOptions, ShardRepository
from tidemark.storage import FileStore

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
RUN = "20261123T210713Z-00000001"

WORKER = """
import itertools, re, signal, sys
from pathlib import Path
from tests.support.backups import WatchedStore, facts, open_shard
from tests.support.waiting import wait_until
from tidemark.repository import FolderOrigin, NewBackup, RestoreOptions, UploadOptions
from tidemark.storage import FileStore

what, work, hold_after = sys.argv[1], Path(sys.argv[2]), int(sys.argv[4])
events = itertools.count()

def hold(*event):
    if next(events) >= hold_after >= 0:
        wait_until((work / "go").exists, 60, "the test lets go")

def interrupted(number, frame):
    (work / "interrupted").touch()
    raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupted)
store = FileStore(work / "repository")
shard = open_shard(WatchedStore(store, hold) if what == "restore" else store)
if what == "upload":
    files = sorted(path.name for path in (work / "data").iterdir())
    shard.upload(
        FolderOrigin(work / "data", files), NewBackup(facts(), "20261123T210713Z-00000001", work / "journal"),
        UploadOptions(threads=2, pack_size=int(sys.argv[3])), guard=hold,
    )
else:
    shard.restore(shard.catalog.newest(), work / "out", RestoreOptions(threads=2, reuse=(work / "out").exists()))
# Not getrusage: what it calls the maximum starts with the size of the process that has started this one.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def start(what: str, work: Path, *, pack_size: int = 4 << 20, hold_after: int = -1) -> subprocess.Popen[bytes]:
    """A process that works, and from its so-manieth pack or request on waits until ``work/go`` exists."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, what, str(work), str(pack_size), str(hold_after)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _started.append(process)
    return process


_started: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def _leave_none() -> Iterator[None]:
    """A test that fails leaves no process behind."""
    yield
    while _started:
        with _started.pop() as process:
            process.kill()


def finish(process: subprocess.Popen[bytes]) -> bytes:
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error.decode()
    return out


def shard_of(work: Path) -> ShardRepository:
    return open_shard(FileStore(work / "repository"))


def packs(work: Path) -> dict[str, int]:
    return {info.name: info.size for info in FileStore(work / "repository").list("commerce/-80/packs/")}


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """64 MB that do not compress, nearly all in one file."""
    write_folder(tmp_path / "data", {"big": noise("big", 60_000_000), "small": noise("small", 4_000_000)})
    shard_of(tmp_path)
    return tmp_path


def test_a_killed_upload_leaves_no_backup_and_goes_on_where_it_was(work: Path) -> None:
    process = start("upload", work, hold_after=3)
    wait_until(lambda: len(packs(work)) == 3 or process.poll() is not None, 60, "three packs")
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert shard_of(work).catalog.backups() == []
    before = packs(work)

    finish(start("upload", work))

    (backup,) = shard_of(work).catalog.backups()
    assert {name: packs(work)[name] for name in before} == before
    stored = sum(packs(work).values())
    assert stored < 64_000_000 + 5 * (4 << 20)  # at most what was in flight was stored again
    shard_of(work).restore(backup, work / "out")
    assert read_folder(work / "out") == read_folder(work / "data")
    FileStore(work / "repository").sweep("", timedelta(0))
    assert len(files_below(work / "repository")) == len(packs(work)) + 2


def test_a_killed_restore_goes_on_where_it_was(work: Path) -> None:
    finish(start("upload", work))
    (backup,) = shard_of(work).catalog.backups()
    process = start("restore", work, hold_after=12)
    big = work / "out" / "big"
    wait_until(lambda: process.poll() is not None or (big.exists() and big.stat().st_blocks > 20_000), 60, "10 MB")
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL

    restored = shard_of(work).restore(backup, work / "out", RestoreOptions(reuse=True))

    assert read_folder(work / "out") == read_folder(work / "data")
    assert restored.fetched_bytes < 58_000_000


def test_an_interrupted_upload_ends_soon_and_commits_nothing(work: Path) -> None:
    process = start("upload", work, hold_after=2)
    wait_until(lambda: len(packs(work)) == 2 or process.poll() is not None, 60, "two packs")
    process.send_signal(signal.SIGINT)
    wait_until((work / "interrupted").exists, 60, "the signal to arrive")
    (work / "go").touch()

    _, error = process.communicate(timeout=20)

    assert process.returncode != 0
    assert b"KeyboardInterrupt" in error
    assert shard_of(work).catalog.backups() == []
    assert not [path for path in files_below(work / "repository") if path.name.startswith(".tidemark-")]


def test_memory_stays_bounded_whatever_the_size_of_a_file(tmp_path: Path) -> None:
    piece = noise("piece", 8 << 20)
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "big").open("wb") as stream:
        for number in range(48):
            stream.write(number.to_bytes(8, "big") + piece[8:])
    shard_of(tmp_path)

    uploading = int(finish(start("upload", tmp_path, pack_size=64 << 20)))
    restoring = int(finish(start("restore", tmp_path)))

    # Three packs of 64 MiB, the windows, and what malloc keeps: 170 to 250, and 75.
    assert 100 < uploading < 300
    assert 30 < restoring < 300
    done = subprocess.run(["cmp", str(tmp_path / "data" / "big"), str(tmp_path / "out" / "big")], check=False)
    assert done.returncode == 0


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_restore_that_finds_no_room_says_so(work: Path, tiny: Path) -> None:
    finish(start("upload", work))
    shard = shard_of(work)

    with pytest.raises(DiskFull, match=f"no room for the restore in {tiny}/out: No space left on device"):
        shard.restore(shard.catalog.backup(1), tiny / "out")


def test_two_processes_with_one_run_do_not_spoil_each_other(work: Path) -> None:
    """A message that was delivered twice: whatever the two say, the backup that there is is whole."""
    first = start("upload", work)
    second = start("upload", work)
    first.communicate(timeout=120)
    second.communicate(timeout=120)
    assert 0 in (first.returncode, second.returncode)

    (backup,) = shard_of(work).catalog.backups()
    assert backup.run_id == RUN
    shard_of(work).restore(backup, work / "out")
    assert read_folder(work / "out") == read_folder(work / "data")
