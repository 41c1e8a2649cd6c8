"""Small repositories for tests: folders made from dictionaries, stores that fail on purpose, uploads in one line."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blake3 import blake3

from tidemark.errors import StorageUnavailable
from tidemark.repository import (
    Backup,
    Facts,
    FolderOrigin,
    MasterKey,
    NewBackup,
    Repository,
    ShardRepository,
    UploadOptions,
)
from tidemark.repository.format.geometry import Geometry
from tidemark.storage import Body, ObjectInfo, Store

SMALL = Geometry(block_size=512, window=2048, segment_blocks=16)
"""Blocks, frames and map segments so small that a few kilobytes have many of each."""
STARTED = datetime(2026, 11, 23, 21, 7, 13, tzinfo=UTC)
_runs = itertools.count(1)


def noise(seed: object, length: int) -> bytes:
    """Bytes that do not compress and are always the same for a seed."""
    return blake3(str(seed).encode()).digest(length=length)


def open_shard(store: Store, key: MasterKey | None = None, name: str = "commerce/-80") -> ShardRepository:
    return Repository.open(store, key or MasterKey(bytes(range(32))), create=True).shard(name)


def next_run(day: int = 23) -> str:
    """A run's id that no other test has."""
    return f"202611{day:02d}T210713Z-{next(_runs):08x}"


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "flavour": "mysql",
        "server_version": "9.7.4",
        "checkpoint": "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-20",
        "position": "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-23",
        "started_at": STARTED,
        "variables": {"innodb_page_size": "16384"},
    }
    return Facts(**(values | changes))


def write_folder(folder: Path, content: Mapping[str, bytes], directories: tuple[str, ...] = ()) -> None:
    """Makes the folder hold exactly this."""
    folder.mkdir(exist_ok=True)
    for directory in directories:
        (folder / directory).mkdir(parents=True, exist_ok=True)
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in content:
            path.unlink()
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def read_folder(folder: Path) -> dict[str, bytes]:
    """Every file below the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def upload(shard: ShardRepository, folder: Path, **changes: Any) -> Backup:
    """Uploads all that is in the folder on top of the newest backup, with small blocks and packs."""
    files = sorted(read_folder(folder))
    directories = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_dir())
    run_id = changes.pop("run_id", None) or next_run()
    new: dict[str, Any] = {"parent": shard.catalog.newest(), "journal": folder.parent / f"{run_id}.journal"}
    new |= {name: changes.pop(name) for name in ("parent", "journal", "base", "lost", "unreadable") if name in changes}
    told = {name: changes.pop(name) for name in ("progress", "guard") if name in changes}
    given = changes.pop("facts", None) or facts()
    options: dict[str, Any] = {"pack_size": 8192, "geometry": SMALL}
    origin = FolderOrigin(folder, files, directories)
    return shard.upload(origin, NewBackup(given, run_id, **new), UploadOptions(**(options | changes)), **told)


class WrappedStore(Store):
    """A store that another one does the work for."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.url = inner.url

    def put(self, name: str, body: Body) -> None:
        self.inner.put(name, body)

    def put_if_absent(self, name: str, body: Body) -> None:
        self.inner.put_if_absent(name, body)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        return self.inner.get(name, start, length)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return self.inner.list(prefix)

    def stat(self, name: str) -> ObjectInfo:
        return self.inner.stat(name)

    def delete(self, name: str) -> None:
        self.inner.delete(name)


class FailingStore(WrappedStore):
    """Takes so many objects and then fails at every one, until it is told to go on."""

    def __init__(self, inner: Store, puts: int) -> None:
        super().__init__(inner)
        self.puts = puts

    def put_if_absent(self, name: str, body: Body) -> None:
        if self.puts == 0:
            raise StorageUnavailable(f"{self.url} did not take {name}")
        self.puts -= 1
        super().put_if_absent(name, body)


class WatchedStore(WrappedStore):
    """Tells somebody before each object is stored or read."""

    def __init__(self, inner: Store, before: Callable[[str, str], None]) -> None:
        super().__init__(inner)
        self.before = before

    def put_if_absent(self, name: str, body: Body) -> None:
        self.before("put_if_absent", name)
        super().put_if_absent(name, body)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        self.before("get", name)
        return super().get(name, start, length)


def allocated(path: Path) -> int:
    """Bytes that a file takes on its disk; less than its length when it has holes."""
    return path.stat().st_blocks * 512
