"""Pruning that dies in the middle, beside a reader, beside a running backup; and how much a long history costs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.backups import (
    WatchedStore,
    WrappedStore,
    facts,
    next_run,
    noise,
    open_shard,
    read_folder,
    upload,
    write_folder,
)
from tidemark.errors import BackupMissing, StorageUnavailable
from tidemark.repository import RestoreOptions, RetentionPolicy, ShardRepository
from tidemark.storage import MemoryStore, ObjectInfo, Store

pytestmark = pytest.mark.unit

LAST = RetentionPolicy(keep_last=2)
PACKS = "commerce/-80/packs/"


class DyingStore(WrappedStore):
    """Deletes so many objects and then fails for good."""

    def __init__(self, inner: Store, deletes: int) -> None:
        super().__init__(inner)
        self.deletes = deletes

    def delete(self, name: str) -> None:
        if self.deletes == 0:
            raise StorageUnavailable(f"{self.url} died before {name} was deleted")
        self.deletes -= 1
        super().delete(name)


class CountingStore(WrappedStore):
    """Counts what it is asked."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.asked: Counter[str] = Counter()

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        self.asked["get"] += 1
        return super().get(name, start, length)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self.asked["list"] += 1
        return super().list(prefix)

    def delete(self, name: str) -> None:
        self.asked["delete"] += 1
        super().delete(name)


def make(shard: ShardRepository, work: Path, count: int) -> list[dict[str, bytes]]:
    states = []
    for number in range(count):
        state = {f"t{i}": noise((i, number if (i + number) % 3 == 0 else i), 3000) for i in range(5)}
        write_folder(work / "data", state)
        upload(shard, work / "data", facts=facts(restored_from=number or None), threads=1)
        states.append(state)
    return states


def clone(store: MemoryStore) -> MemoryStore:
    other = MemoryStore()
    for info in store.list():
        other.put(info.name, [store.get(info.name)])
    return other


def referred(shard: ShardRepository) -> set[str]:
    return {
        f"{PACKS}{pack.run_id}/{pack.number:012d}"
        for backup in shard.catalog.backups()
        for pack in shard.catalog.manifest(backup).body.packs
    }


def test_wherever_pruning_dies_the_rest_is_whole_and_the_next_one_finishes_it(tmp_path: Path) -> None:
    original = MemoryStore()
    states = make(open_shard(original), tmp_path, 6)
    runs = frozenset(backup.run_id for backup in open_shard(original).catalog.backups())
    total = len(list(original.list()))
    whole = clone(original)
    open_shard(whole).prune(LAST, now=datetime.now(UTC))
    goal = [info.name for info in whole.list()]
    deletes = total - len(goal)
    assert deletes > 8

    for survived in range(deletes):
        store = clone(original)
        with pytest.raises(StorageUnavailable, match="died before"):
            open_shard(DyingStore(store, survived)).prune(LAST, now=datetime.now(UTC))

        shard = open_shard(store)
        for backup in shard.catalog.backups():
            shard.restore(backup, tmp_path / "out", RestoreOptions(reuse=True))
            assert read_folder(tmp_path / "out") == states[backup.number - 1]
        shard.prune(LAST, now=datetime.now(UTC), dead_runs=runs)
        assert [info.name for info in store.list()] == goal


def test_without_knowing_its_runs_the_next_one_finishes_it_within_a_week(tmp_path: Path) -> None:
    store = MemoryStore()
    make(open_shard(store), tmp_path, 6)
    with pytest.raises(StorageUnavailable):
        open_shard(DyingStore(store, 4)).prune(LAST, now=datetime.now(UTC))  # the manifests have gone, no pack has

    shard = open_shard(store)
    shard.prune(LAST, now=datetime(2026, 11, 24, tzinfo=UTC))
    assert {info.name for info in store.list(PACKS)} > referred(shard)
    shard.prune(LAST, now=datetime(2026, 12, 1, tzinfo=UTC))

    assert {info.name for info in store.list(PACKS)} == referred(shard)


def test_a_reader_of_a_backup_that_is_pruned_is_told_so(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    make(shard, tmp_path, 5)
    first = shard.catalog.backup(1)

    def prune_meanwhile(what: str, name: str) -> None:
        if "/packs/" in name and len(shard.catalog.backups()) > 2:
            shard.prune(LAST, now=datetime.now(UTC))

    reader = open_shard(WatchedStore(store, prune_meanwhile))
    with pytest.raises(BackupMissing, match="backup 1 was pruned while it was being read") as caught:
        reader.restore(first, tmp_path / "out")

    assert "complete backups: 4, 5" in caught.value.hint


def test_the_newest_backup_is_restored_while_others_are_pruned(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    states = make(shard, tmp_path, 5)

    def prune_meanwhile(what: str, name: str) -> None:
        if "/packs/" in name and len(shard.catalog.backups()) > 2:
            shard.prune(LAST, now=datetime.now(UTC))

    open_shard(WatchedStore(store, prune_meanwhile)).restore(shard.catalog.backup(5), tmp_path / "out")

    assert read_folder(tmp_path / "out") == states[4]
    assert len(shard.catalog.backups()) == 2


def test_a_backup_that_is_made_while_others_are_pruned_is_whole(tmp_path: Path) -> None:
    """Before every object that the upload stores the rest is pruned, and nobody says that the upload lives."""
    store = MemoryStore()
    shard = open_shard(store)
    states = make(shard, tmp_path, 4)
    states.append(states[-1] | {"t1": noise("new", 9000), "more": noise("more", 9000)})
    write_folder(tmp_path / "data", states[-1])
    now = datetime(2026, 11, 23, 23, tzinfo=UTC)

    def prune_meanwhile(what: str, name: str) -> None:
        shard.prune(LAST, now=now)

    uploader = open_shard(WatchedStore(store, prune_meanwhile))
    made = upload(uploader, tmp_path / "data", parent=shard.catalog.newest(), run_id=next_run())

    assert made.number == 5
    shard.prune(LAST, now=now)
    for backup in shard.catalog.backups():
        shard.restore(backup, tmp_path / "out", RestoreOptions(reuse=True))
        assert read_folder(tmp_path / "out") == states[backup.number - 1]


def test_announcing_can_stop_it_before_anything_goes(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    make(shard, tmp_path, 4)
    before = [info.name for info in store.list()]

    def stop(planned: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shard.prune(LAST, now=datetime.now(UTC), announce=stop)
    assert [info.name for info in store.list()] == before


def test_two_hundred_backups_are_listed_with_one_read_each_and_planned_with_one_more_for_those_that_stay(
    tmp_path: Path,
) -> None:
    store = CountingStore(MemoryStore())
    shard = open_shard(store)
    parent = None
    for number in range(200):
        write_folder(tmp_path / "data", {"t": noise(number, 600), "u": noise("always", 600)})
        parent = upload(shard, tmp_path / "data", parent=parent, threads=1)
    assert len(shard.catalog.backups()) == 200

    store.asked.clear()
    shard.catalog.backups()
    assert store.asked == {"list": 1, "get": 200}

    store.asked.clear()
    pruned = shard.prune(RetentionPolicy(keep_last=20), now=datetime.now(UTC) + timedelta(1), dry_run=True)
    assert store.asked == {"list": 3, "get": 220}
    assert len(pruned.numbers) == 180
    assert dataclasses.asdict(pruned)["plan"]["delete"][0]["number"] == 1
