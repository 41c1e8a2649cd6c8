"""A durable restore syncs while it writes, and hears of every failed write."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tidemark import direct_io
from tidemark.errors import RunError
from tidemark.repository import (
    Backup,
    Facts,
    FolderOrigin,
    MasterKey,
    NewBackup,
    Repository,
    RestoreOptions,
    ShardRepository,
)
from tidemark.repository.restore import write_back
from tidemark.storage import MemoryStore

pytestmark = pytest.mark.unit


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ShardRepository, Backup]:
    monkeypatch.setattr(write_back, "PIECE", 1 << 20)
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.ibd").write_bytes(os.urandom(8 << 20))
    shard = Repository.open(MemoryStore(), MasterKey.generate(), create=True).shard("k/0")
    backup = shard.upload(
        FolderOrigin(data, ["a.ibd"]),
        NewBackup(
            Facts("mysql", "9.7.4", "", "", datetime.now(UTC)), "20260101T000000Z-00000000", tmp_path / "journal"
        ),
    )
    return shard, backup


def through_the_cache(*_: object) -> int:
    """What ``direct.write`` says where the file system cannot pass the cache by."""
    return 0


def test_what_is_written_is_synced_on_the_way(
    stored: tuple[ShardRepository, Backup], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard, backup = stored
    synced: list[int] = []
    monkeypatch.setattr(direct_io, "write", through_the_cache)
    monkeypatch.setattr(os, "fdatasync", synced.append)

    shard.restore(backup, tmp_path / "plain")
    assert synced == []
    shard.restore(backup, tmp_path / "durable", RestoreOptions(durable=True))

    assert synced
    assert (tmp_path / "durable" / "a.ibd").read_bytes() == (tmp_path / "data" / "a.ibd").read_bytes()


def test_a_write_that_failed_behind_our_back_fails_the_restore(
    stored: tuple[ShardRepository, Backup], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard, backup = stored

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(direct_io, "write", through_the_cache)
    monkeypatch.setattr(os, "fdatasync", fail)

    with pytest.raises(RunError, match=r"a\.ibd cannot be written: Input/output error"):
        shard.restore(backup, tmp_path / "durable", RestoreOptions(durable=True))


def test_what_goes_past_the_cache_is_the_same(
    stored: tuple[ShardRepository, Backup], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard, backup = stored
    real, passed = direct_io.write, []

    def watched(descriptor: int, content: memoryview, offset: int) -> int:
        passed.append(len(content))
        return real(descriptor, content, offset)

    monkeypatch.setattr(direct_io, "write", watched)

    shard.restore(backup, tmp_path / "durable", RestoreOptions(durable=True))

    assert sum(passed) == 8 << 20
    assert (tmp_path / "durable" / "a.ibd").read_bytes() == (tmp_path / "data" / "a.ibd").read_bytes()
